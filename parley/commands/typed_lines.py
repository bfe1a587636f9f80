"""Lines from standard input on the event loop, whatever standard input is: a terminal, a pipe or a file."""

import asyncio
import os
from typing import Final

_LONGEST: Final = 65_536


class TypedLines:
    """Reads a descriptor line by line, without a thread and without making it non-blocking."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = b""
        self._is_over = False

    async def next(self) -> str | None:
        """The next line without its end; None when there is no more."""
        while b"\n" not in self._buffer and not self._is_over and len(self._buffer) < _LONGEST:
            await self._readable()
            piece = os.read(self._descriptor, 4096)
            self._is_over = not piece
            self._buffer += piece
        if not self._buffer:
            return None
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode("utf-8", "replace").rstrip("\r")

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        try:
            loop.add_reader(self._descriptor, ready.set)
        except PermissionError:  # an ordinary file, which is always readable
            return
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._descriptor)
