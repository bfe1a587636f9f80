"""Streams as they lie in the store: a list, and the pieces that it names, beside it."""

import posixpath
import re
from typing import Final

from control_plane.recordings.storage import RecordingStore

MOST: Final = 8 * 1024 * 1024
"""Bytes of a list that are read."""
_PIECE: Final = re.compile(r"[A-Za-z0-9_-]{1,100}\.(ts|m4s|mp4)")


def piece_key(key: str, name: str) -> str | None:
    """What the store calls a piece of the list `key`; None for a name that is none of its pieces."""
    stem = posixpath.basename(key).removesuffix(".m3u8")
    if not _PIECE.fullmatch(name) or not name.startswith(stem):
        return None
    return posixpath.join(posixpath.dirname(key), name)


async def read_list(store: RecordingStore, key: str) -> str:
    """The list as it is now; empty where it is not there. Raises `Unavailable`."""
    size = await store.size(key)
    if not size:
        return ""
    return b"".join([part async for part in store.read(key, 0, min(size, MOST))]).decode("utf-8", "replace")


async def list_pieces(store: RecordingStore, key: str) -> list[str]:
    """What the store calls the pieces of a list, in order. Raises `Unavailable`."""
    names = [line.strip() for line in (await read_list(store, key)).splitlines()]
    return [found for name in names if name and not name.startswith("#") and (found := piece_key(key, name))]
