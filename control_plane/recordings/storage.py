"""The store of recordings: a folder, or a bucket of S3, Google Cloud Storage or Azure."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import parse_qsl, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

from control_plane.errors import NotFound, Unavailable
from control_plane.media.recorder import folder_of
from control_plane.recordings.sealing import FRAME, HEAD, FileSeal, frame_place, plain_size
from control_plane.settings import SecretsSettings

T = TypeVar("T")

PIECE: Final = 1 << 20
"""Bytes that are read at once: what one download keeps in memory."""
WITHIN: Final = 10.0
"""Seconds one request to the store may take."""
SEAL_WITHIN: Final = 120.0
SEALED: Final = ".sealed"
NOBODYS: Final = "nobody"
"""A name below which nothing is."""
AWAY: Final = "The store of recordings cannot be reached; try again"
GONE: Final = "The bucket or folder of recordings is not there"


class RecordingStore(Protocol):
    """Files by their key. Raises `Unavailable` where the store is away, refuses us, or is another than it was."""

    async def size(self, key: str) -> int | None:
        """Bytes of a file; None where there is none."""

    def read(self, key: str, begin: int, end: int) -> AsyncIterator[bytes]:
        """The bytes of a file from `begin` up to `end`, in pieces. Raises `NotFound` where there is none."""

    async def write(self, key: str, content: bytes) -> None: ...

    async def write_file(self, key: str, file: Path) -> None:
        """Keep a file of ours, in pieces."""

    async def seal(self, key: str) -> str:
        """Have a file encrypted, where that is wanted; its key from then on. One that is sealed already is fine."""

    async def remove(self, key: str) -> None:
        """Remove a file, and make sure that it is gone. One that is not there is fine."""


class ObjectStore:
    """`RecordingStore` by obstore. What is sealed is known by its key, and read like everything else."""

    def __init__(
        self, url: str, options: Mapping[str, str], seal: FileSeal, *, seals: bool = False, within: float = WITHIN
    ) -> None:
        self._store, self._seal, self._seals = open_store(url, options, within=within), seal, seals
        self._within = 2 * within  # with what the library tries again

    async def size(self, key: str) -> int | None:
        size = await self._stored_size(key)
        return plain_size(size) if size is not None and key.endswith(SEALED) else size

    async def read(self, key: str, begin: int, end: int) -> AsyncIterator[bytes]:
        if key.endswith(SEALED):
            async for part in self._open(key, begin, end):
                yield part
            return
        for start in range(begin, end, PIECE):
            yield await self._range(key, start, min(end, start + PIECE))

    async def seal(self, key: str) -> str:
        if not self._seals or key.endswith(SEALED):
            return key
        sealed, size = key + SEALED, await self._stored_size(key)
        if size is None:
            return sealed if await self._stored_size(sealed) is not None else key
        await self._write_sealed(key, sealed, size)
        await self.remove(key)
        return sealed

    async def seal_again(self, key: str) -> bool:
        """Have a sealed file sealed with the first key; whether that had to be done. `NotFound` where there is none,
        `SealBroken` where no key opens it."""
        head, size = await self._range(key, 0, HEAD), await self.size(key) or 0
        frame, is_last = await self._range(key, frame_place(0), frame_place(1)), size <= FRAME
        if self._seal.is_first(head, frame, name=_name(key), is_last=is_last):
            return False
        await self._write_sealed(key, key, size)  # the store has the whole of it before it takes the former's place
        return True

    async def _write_sealed(self, key: str, sealed: str, size: int) -> None:
        pieces = self._seal.seal(self.read(key, 0, size), size, name=_name(sealed))
        await self._ask(obstore.put_async(self._store, sealed, pieces), within=SEAL_WITHIN)
        if await self.size(sealed) != size:
            raise Unavailable("The store of recordings did not keep what was written")

    async def _open(self, key: str, begin: int, end: int) -> AsyncIterator[bytes]:
        head = await self._range(key, 0, HEAD)
        last = max(0, (await self.size(key) or 0) - 1) // FRAME
        beyond = (end - 1) // FRAME + 1
        for first in range(begin // FRAME, beyond, PIECE // FRAME):
            numbers = range(first, min(beyond, first + PIECE // FRAME))
            sealed = await self._range(key, frame_place(first), frame_place(numbers.stop))
            for number in numbers:
                frame = sealed[frame_place(number) - frame_place(first) : frame_place(number + 1) - frame_place(first)]
                opened = self._seal.open(head, number, frame, name=_name(key), is_last=number == last)
                yield opened[max(0, begin - number * FRAME) : end - number * FRAME]

    async def _range(self, key: str, start: int, stop: int) -> bytes:
        try:
            return bytes(await self._ask(obstore.get_range_async(self._store, key, start=start, end=stop)))
        except FileNotFoundError as error:
            await self._find_store()
            raise NotFound("The file of this recording is not in the store any more") from error

    async def _stored_size(self, key: str) -> int | None:
        try:
            return int((await self._ask(obstore.head_async(self._store, key)))["size"])
        except FileNotFoundError:
            await self._find_store()
            return None

    async def _find_store(self) -> None:
        """Raises `Unavailable` where a file is not there because its bucket or folder is not."""
        if isinstance(self._store, LocalStore):
            there = await asyncio.to_thread(Path(str(self._store.prefix)).is_dir)
        else:
            there = await self._ask(_is_listed(self._store))
        if not there:
            raise Unavailable(GONE)

    async def _ask(self, call: Awaitable[T], *, within: float | None = None) -> T:
        """The answer; `FileNotFoundError` where there is no such file."""
        try:
            async with asyncio.timeout(within or self._within):
                return await call
        except FileNotFoundError:
            raise
        except (BaseError, OSError, TimeoutError) as error:
            raise Unavailable(AWAY) from error

    async def write(self, key: str, content: bytes) -> None:
        try:
            await self._ask(obstore.put_async(self._store, key, content))
        except FileNotFoundError as error:
            raise Unavailable(GONE) from error

    async def write_file(self, key: str, file: Path) -> None:
        try:
            await self._ask(obstore.put_async(self._store, key, file), within=SEAL_WITHIN)
        except FileNotFoundError as error:
            raise Unavailable(GONE) from error

    async def remove(self, key: str) -> None:
        with suppress(FileNotFoundError):
            await self._ask(obstore.delete_async(self._store, key))
        if await self._stored_size(key) is not None:
            raise Unavailable("The store of recordings keeps what was removed")


def _name(key: str) -> str:
    """What a sealed file is sealed for: its key without what says that it is sealed."""
    return key.removesuffix(SEALED)


def build_store(settings: SecretsSettings) -> ObjectStore:
    """The store of these settings. Raises `ValueError` where it is none."""
    seal = FileSeal(settings.secret_keys)
    return ObjectStore(settings.recordings_url, settings.recordings_options, seal, seals=settings.recordings_sealed)


def open_store(url: str, options: Mapping[str, str], *, within: float = WITHIN) -> Any:
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
    client: Any = {"timeout": timedelta(seconds=within)} | ({"allow_http": True} if plain else {})
    retries: Any = {"max_retries": 2, "retry_timeout": timedelta(seconds=within)}
    try:
        return from_url(address, config=config, client_options=client, retry_config=retries)
    except BaseError as error:
        raise ValueError(f"no store of recordings: {type(error).__name__}") from None


async def _is_listed(store: Any) -> bool:
    try:
        await obstore.list(store, NOBODYS).collect_async()
    except BaseError:
        return False
    return True
