"""Reading and cutting a document in a process of its own, with limits on time and memory.

    → {"name": "faq.docx" or null for text, "size": 500, "overlap": 50, "only_count": false} and a line end,
      then the document's bytes
    ← a line of JSON for each chunk, unless they are only counted, and last their number;
      or {"code": "…", "message": "…"} for whoever sent the document

Whatever a document does to its reader, it does to that process alone. Small plain texts are read where they are.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from itertools import islice
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Final

from knowledge.chunking import Chunk, split
from knowledge.documents import Binary, DocumentError, read_file, read_text

MAX_CHUNKS: Final = 50_000
SMALL: Final = 64 * 1024
"""Bytes of a plain text that takes less than starting a process."""
PLAIN: Final = {".txt", ".md", ".csv"}

WALL_SECONDS: Final = 120.0
PIECE: Final = 128 * 1024
LINES_AT_ONCE: Final = 32
MAX_LINE: Final = 256 * 1024
AT_ONCE: Final = 2
KEPT: Final = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH")
"""What the process that reads has of our environment: a document that takes it over finds no secret there."""

_free = asyncio.Semaphore(AT_ONCE)


async def read_apart(data: bytes, name: str | None, *, size: int, overlap: int) -> list[Chunk]:
    """The chunks of an uploaded file, or of text where there is no `name`. Raises `DocumentError`."""
    if len(data) <= SMALL and (name is None or PurePosixPath(name).suffix.lower() in PLAIN):
        return await asyncio.to_thread(cut, data, name, size=size, overlap=overlap)
    async with _free:
        try:
            async with asyncio.timeout(WALL_SECONDS):
                chunks, _ = await _read_by_child(data, name, size, overlap)
                return chunks
        except TimeoutError as error:
            raise _too_hard() from error


async def count_apart(data: bytes, name: str | None, *, size: int, overlap: int) -> int:
    """How many chunks `read_apart` would give. Raises `DocumentError`."""
    async with _free:
        try:
            async with asyncio.timeout(WALL_SECONDS):
                _, count = await _read_by_child(data, name, size, overlap, only_count=True)
                return count
        except TimeoutError as error:
            raise _too_hard() from error


def cut(
    data: bytes, name: str | None, *, size: int, overlap: int, binaries: Mapping[str, Binary] = MappingProxyType({})
) -> list[Chunk]:
    """Read and cut here and at once. Raises `DocumentError`."""
    passages = read_text(data.decode("utf-8", "surrogatepass")) if name is None else read_file(data, name, binaries)
    chunks = list(islice(split(passages, chunk_size=size, chunk_overlap=overlap), MAX_CHUNKS + 1))
    if len(chunks) > MAX_CHUNKS:
        raise DocumentError(
            "too_many_chunks",
            f"The document falls into more than {MAX_CHUNKS} chunks. Split it, or choose a base with larger chunks.",
        )
    return chunks


async def _read_by_child(
    data: bytes, name: str | None, size: int, overlap: int, *, only_count: bool = False
) -> tuple[list[Chunk], int]:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "knowledge.apart",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in KEPT if name in os.environ},
        limit=MAX_LINE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        head = json.dumps({"name": name, "size": size, "overlap": overlap, "only_count": only_count})
        try:
            child.stdin.write(head.encode() + b"\n")
            for start in range(0, len(data), PIECE):
                child.stdin.write(data[start : start + PIECE])
                await child.stdin.drain()
            child.stdin.close()
        except ConnectionError:
            pass  # it has answered, or died, before it read all
        chunks: list[Chunk] = []
        async for line in child.stdout:
            said: Any = json.loads(line)
            if isinstance(said, dict):
                raise DocumentError(said["code"], said["message"])
            if isinstance(said, int):
                return chunks, said
            text, path, start, page, row = said
            chunks.append(Chunk(text, len(chunks), tuple(path), start, page, row))
            if len(chunks) % LINES_AT_ONCE == 0:
                await asyncio.sleep(0)  # lines that have arrived are read without a pause, and others have requests
        raise _too_hard()  # it died before the end
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


def _too_hard() -> DocumentError:
    return DocumentError("too_hard", "The document takes too much time or memory to be read. Split or simplify it.")
