"""Asking the knowledge process of this host. Light: a call's process loads neither a model nor a database driver.

KnowledgeError
├── KnowledgeUnavailable   it is away, busy, or did not answer in time; asking again may help
└── KnowledgeRefused       it answered that it will not; asking again will not help
"""

import asyncio
from functools import partial
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from knowledge.search import MAX_QUERY, Hit
from knowledge.wire import MAX_ANSWER, ErrorCode, SearchAnswer, SearchRequest

MAX_WAITING: Final = 32


class KnowledgeError(RuntimeError):
    """A search without an answer."""


class KnowledgeUnavailable(KnowledgeError):
    """The knowledge process is away, busy, or late."""


class KnowledgeRefused(KnowledgeError):
    """The knowledge process refused: the capability, or the request itself."""


class KnowledgeClient:
    """One connection, any number of searches at once. Connects when it is first needed, and again after a loss."""

    def __init__(self, socket_path: Path | str) -> None:
        self._path = str(socket_path)
        self._ids = count(1)
        self._waiting: dict[int, asyncio.Future[SearchAnswer]] = {}
        self._connecting = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def search(self, capability: str, query: str, top_k: int = 4, timeout: float = 1.0) -> list[Hit]:
        """The chunks that answer `query`, best first; raises `KnowledgeError` after `timeout` seconds at the latest."""
        return (await self.ask(capability, query, top_k, timeout)).hits

    async def ask(self, capability: str, query: str, top_k: int = 4, timeout: float = 1.0) -> SearchAnswer:
        """As `search`, with the times that embedding and search took."""
        try:
            async with asyncio.timeout(timeout):
                try:
                    return _checked(await self._exchange(capability, query, top_k))
                except ConnectionError:
                    # The process was restarted since: it is asked once more, as a search changes nothing.
                    return _checked(await self._exchange(capability, query, top_k))
        except TimeoutError as error:
            raise KnowledgeUnavailable(f"the knowledge process did not answer within {timeout} s") from error
        except OSError as error:
            raise KnowledgeUnavailable(f"the knowledge process cannot be reached: {error}") from error

    async def close(self) -> None:
        """Close the connection for good. Searches that still wait fail."""
        self._closed = True
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait([self._listening])
            self._listening = None

    async def _exchange(self, capability: str, query: str, top_k: int) -> SearchAnswer:
        if len(self._waiting) >= MAX_WAITING:
            raise KnowledgeUnavailable("too many searches of this call wait already")
        writer = await self._connected()
        number = next(self._ids)
        text = query[:MAX_QUERY].encode(errors="replace").decode()
        request = SearchRequest(id=number, capability=capability, query=text, top_k=top_k)
        answer: asyncio.Future[SearchAnswer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            # Not drained: what may wait is bounded, and a lost connection is told to `answer` alone.
            writer.write(request.model_dump_json().encode() + b"\n")
            return await answer
        finally:
            self._waiting.pop(number, None)

    async def _connected(self) -> asyncio.StreamWriter:
        async with self._connecting:
            if self._closed:
                raise KnowledgeUnavailable("this client is closed")
            if self._writer is None:
                reader, self._writer = await asyncio.open_unix_connection(self._path, limit=MAX_ANSWER)
                self._listening = asyncio.create_task(self._listen(reader))
                # A callback, as it also runs when the task is cancelled before its first step.
                self._listening.add_done_callback(partial(self._lost, self._writer))
            return self._writer

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                answer = SearchAnswer.model_validate_json(line)
                waiting = self._waiting.get(answer.id or 0)
                if waiting is not None and not waiting.done():
                    waiting.set_result(answer)
        except (OSError, ValueError):
            pass  # a connection that talks nonsense is as lost as one that broke

    def _lost(self, writer: asyncio.StreamWriter, _: asyncio.Task[None]) -> None:
        self._writer = None
        writer.close()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ConnectionResetError("the connection to the knowledge process was lost"))


def _checked(answer: SearchAnswer) -> SearchAnswer:
    match answer.error:
        case None:
            return answer
        case ErrorCode.BAD_REQUEST | ErrorCode.FORBIDDEN:
            raise KnowledgeRefused(answer.message)
        case ErrorCode.BUSY | ErrorCode.UNAVAILABLE:
            raise KnowledgeUnavailable(answer.message)
