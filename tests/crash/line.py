"""The line between a process that may be killed at any moment and the world, which lives on in another one.

What was said arrives: a question whose asker was killed is still done.
"""

import asyncio
import os
import pickle
import select
import socket
import struct
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

_HEAD: Final = struct.Struct("!I")


class Caller:
    """The end of the process that asks."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._asked = 0
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        """Listen for answers."""
        reader, self._writer = await asyncio.open_connection(sock=self._line)
        self._listening = asyncio.ensure_future(self._listen(reader))

    async def ask(self, name: str, *given: Any, **more: Any) -> Any:
        """What a method of the world answers; `name` is its path, such as `media.close_room`. Raises what it raises."""
        assert self._writer is not None
        self._asked += 1
        answer = self._waiting[self._asked] = asyncio.get_running_loop().create_future()
        message = pickle.dumps((self._asked, name, given, more))
        self._writer.write(_HEAD.pack(len(message)) + message)
        return await answer

    def part(self, name: str) -> Any:
        """A part of the world, with its methods as coroutines."""
        return _Part(self, name)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                (size,) = _HEAD.unpack(await reader.readexactly(_HEAD.size))
            except asyncio.IncompleteReadError:  # there is no world any more
                os._exit(1)
            number, answer, error = pickle.loads(await reader.readexactly(size))
            waiting = self._waiting.pop(number)
            if waiting.done():
                continue
            if error is None:
                waiting.set_result(answer)
            else:
                waiting.set_exception(error)


class _Part:
    def __init__(self, caller: Caller, name: str) -> None:
        self._caller, self._name = caller, name

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        return partial(self._caller.ask, f"{self._name}.{name}")


def serve(line: socket.socket, world: Any, *, within: float) -> bool:
    """Answer until the other end is closed, as it is by a process that ends; False where it is silent for so long."""
    line.setblocking(True)
    while True:
        if not select.select([line], [], [], within)[0]:
            return False
        head = _read(line, _HEAD.size)
        if head is None:
            return True
        message = _read(line, _HEAD.unpack(head)[0])
        if message is None:
            return True
        number, name, given, more = pickle.loads(message)
        reply = pickle.dumps((number, *_answer(world, name, given, more)))
        try:
            line.sendall(_HEAD.pack(len(reply)) + reply)
        except OSError:  # it was killed after it had asked
            continue


def _answer(world: Any, name: str, given: Any, more: Any) -> tuple[Any, Exception | None]:
    found = world
    for part in name.split("."):
        found = getattr(found, part)
    try:
        return found(*given, **more), None
    except Exception as error:
        return None, error


def _read(line: socket.socket, size: int) -> bytes | None:
    found = b""
    while len(found) < size:
        try:
            part = line.recv(size - len(found))
        except ConnectionResetError:
            return None
        if not part:
            return None
        found += part
    return found
