"""Buckets of S3 on this machine: one that takes files, and one that never answers."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from tests.support.ports import free_port

ACCESS = {"access_key_id": "parley", "secret_access_key": "a secret of the tests"}


class Bucket:
    """A bucket that may be removed and made again; `url` is what the settings call it."""

    def __init__(self, endpoint: str) -> None:
        keys = {"aws_access_key_id": ACCESS["access_key_id"], "aws_secret_access_key": ACCESS["secret_access_key"]}
        self._client: Any = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **keys)
        self.url = f"s3://parley/recordings?region=us-east-1&endpoint={endpoint}"
        self.make()

    def make(self) -> None:
        """Have it there."""
        self._client.create_bucket(Bucket="parley")

    def vanish(self) -> None:
        """Somebody removes it, with all that is in it."""
        for file in self._client.list_objects(Bucket="parley").get("Contents", []):
            self._client.delete_object(Bucket="parley", Key=file["Key"])
        self._client.delete_bucket(Bucket="parley")

    def put(self, key: str, content: bytes) -> None:
        """Store a file as a recorder does."""
        self._client.put_object(Bucket="parley", Key=f"recordings/{key}", Body=content)

    def names(self) -> list[str]:
        """What is in it."""
        found = self._client.list_objects(Bucket="parley").get("Contents", [])
        return [file["Key"].removeprefix("recordings/") for file in found]


@contextmanager
def a_bucket() -> Iterator[Bucket]:
    """A server with a bucket, for the length of a block."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=free_port(), verbose=False)
    server.start()
    try:
        yield Bucket(f"http://127.0.0.1:{server._port}")
    finally:
        server.stop()


@contextmanager
def a_hanging_bucket() -> Iterator[str]:
    """What the settings call a bucket whose server takes connections and says nothing, for the length of a block."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def take() -> None:
            while True:
                try:
                    held.append(listening.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take)
        thread.start()
        try:
            yield f"s3://parley/recordings?region=us-east-1&endpoint=http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in held:
                connection.close()
