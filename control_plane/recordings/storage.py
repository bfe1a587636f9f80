"""The store of recordings: a folder, or a bucket of S3, Google Cloud Storage or Azure."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from datetime import timedelta
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import parse_qsl, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

from control_plane.errors import Unavailable
from control_plane.media.recorder import folder_of

T = TypeVar("T")

PIECE: Final = 1 << 20
"""Bytes that are read at once: what one download keeps in memory."""
WITHIN: Final = 10.0
"""Seconds one request to the store may take."""
_RETRIES: Final[Any] = {"max_retries": 2, "retry_timeout": timedelta(seconds=WITHIN)}
AWAY: Final = "The store of recordings cannot be reached; try again"


class RecordingStore(Protocol):
    """Files by their key. Raises `Unavailable` where the store is away or refuses us."""

    async def size(self, key: str) -> int | None:
        """Bytes of a file; None where there is none."""

    def read(self, key: str, begin: int, end: int) -> AsyncIterator[bytes]:
        """The bytes of a file from `begin` up to `end`, in pieces."""

    async def write(self, key: str, content: bytes) -> None: ...

    async def remove(self, key: str) -> None:
        """Remove a file, and make sure that it is gone. One that is not there is fine."""


class ObjectStore:
    """`RecordingStore` by obstore."""

    def __init__(self, url: str, options: Mapping[str, str]) -> None:
        self._store = open_store(url, options)

    async def size(self, key: str) -> int | None:
        try:
            return int((await _ask(obstore.head_async(self._store, key)))["size"])
        except FileNotFoundError:
            return None

    async def read(self, key: str, begin: int, end: int) -> AsyncIterator[bytes]:
        for start in range(begin, end, PIECE):
            stop = min(end, start + PIECE)
            yield bytes(await _ask(obstore.get_range_async(self._store, key, start=start, end=stop)))

    async def write(self, key: str, content: bytes) -> None:
        await _ask(obstore.put_async(self._store, key, content))

    async def remove(self, key: str) -> None:
        try:
            await _ask(obstore.delete_async(self._store, key))
        except FileNotFoundError:
            return
        if await self.size(key) is not None:
            raise Unavailable("The store of recordings keeps what was removed")


def open_store(url: str, options: Mapping[str, str]) -> Any:
    """The store of an address `file:///folder`, `s3://bucket/prefix`, `gs://…` or `az://…`.

    The address's query and `options` are obstore's settings, such as `endpoint` and `secret_access_key`. Raises
    `ValueError` for what cannot be one.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return LocalStore(folder_of(url), mkdir=True)
    config: Any = dict(parse_qsl(parts.query)) | dict(options)
    plain = config.get("endpoint", "").startswith("http://")
    address = f"{parts.scheme}://{parts.netloc}{parts.path}"
    client: Any = {"timeout": timedelta(seconds=WITHIN)} | ({"allow_http": True} if plain else {})
    try:
        return from_url(address, config=config, client_options=client, retry_config=_RETRIES)
    except BaseError as error:
        raise ValueError(f"no store of recordings: {type(error).__name__}") from None


async def _ask(call: Awaitable[T]) -> T:
    """The answer; `FileNotFoundError` where there is no such file."""
    try:
        async with asyncio.timeout(2 * WITHIN):
            return await call
    except FileNotFoundError:
        raise
    except (BaseError, OSError, TimeoutError) as error:
        raise Unavailable(AWAY) from error
