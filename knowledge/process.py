"""The knowledge process: one per host of workers, so that a call holds neither a model nor a database connection.

    connection ── requests under way (bounded) ── capability ▶ embedding ▶ one statement ▶ answer

A connection that sends more than it may have under way is not read until answers have gone out; one that does not read
its answers is closed. All tasks end with the process: on SIGTERM it stops accepting, finishes what runs, and leaves.
"""

import asyncio
import gc
import os
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Final

import structlog
from pydantic import BaseModel, ValidationError

from knowledge.capability import CapabilityError, derive_key, verify
from knowledge.embedders import Embedders, EmbeddingError, build_embedders
from knowledge.reader import KnowledgeAway, KnowledgeReader
from knowledge.search import clean_query
from knowledge.settings import KnowledgeSettings
from knowledge.wire import MAX_REQUEST, ErrorCode, SearchAnswer, SearchRequest

log = structlog.get_logger()

UNDER_WAY_PER_CONNECTION: Final = 32
UNDER_WAY: Final = 256
SEARCH_TIMEOUT: Final = 3.0
WRITE_TIMEOUT: Final = 5.0
GRACE: Final = 3.0
"""Seconds that requests under way may still take when the process is told to stop."""


class _OnlyId(BaseModel):
    id: int


class SocketTaken(RuntimeError):
    """The socket cannot be had: another process answers at it, or its folder is not there."""


class KnowledgeServer:
    """Answers searches of calls at a unix socket."""

    def __init__(
        self,
        embedders: Embedders,
        reader: KnowledgeReader,
        key: bytes,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._embedders, self._reader, self._key, self._clock = embedders, reader, key, clock
        self._under_way = 0
        self._connections: set[asyncio.Task[None]] = set()

    async def serve(self, path: Path, stop: asyncio.Event) -> None:
        """Answer at `path` until `stop` is set, then finish what is under way."""
        with listening_at(path) as listener:
            async with asyncio.TaskGroup() as tasks:

                def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                    task = tasks.create_task(self._connection(reader, writer))
                    self._connections.add(task)
                    task.add_done_callback(self._connections.discard)

                server = await asyncio.start_unix_server(accept, sock=listener, limit=MAX_REQUEST)
                log.info("knowledge ready", socket=str(path), model=self._embedders.current.model)
                try:
                    await stop.wait()
                finally:
                    server.close()
                    for task in self._connections:
                        task.cancel()
        log.info("knowledge stopped")

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        free = asyncio.Semaphore(UNDER_WAY_PER_CONNECTION)
        requests: set[asyncio.Task[None]] = set()
        try:
            while True:
                await free.acquire()
                line = await reader.readline()
                if not line:
                    break
                task = asyncio.create_task(self._respond(line, writer))
                requests.add(task)
                task.add_done_callback(requests.discard)
                task.add_done_callback(lambda _: free.release())
        except ValueError:
            problem = f"a request is longer than {MAX_REQUEST} bytes"
            await self._write(writer, SearchAnswer(error=ErrorCode.BAD_REQUEST, message=problem))
        except ConnectionError:
            pass
        finally:
            # Also when cancelled: the process stops by closing its connections, and each sees its requests out.
            if requests:
                with suppress(asyncio.CancelledError):
                    await asyncio.wait(requests, timeout=GRACE)
            for task in requests:
                task.cancel()
            writer.close()

    async def _respond(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        if self._under_way >= UNDER_WAY:
            answer = SearchAnswer(id=_id_of(line), error=ErrorCode.BUSY, message="too many searches at once")
        else:
            self._under_way += 1
            try:
                answer = await self._answer(line)
            finally:
                self._under_way -= 1
        await self._write(writer, answer)

    async def _answer(self, line: bytes) -> SearchAnswer:
        try:
            request = SearchRequest.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            problem = f"{'.'.join(map(str, first['loc'])) or 'request'}: {first['msg']}"
            return SearchAnswer(id=_id_of(line), error=ErrorCode.BAD_REQUEST, message=problem)
        try:
            return await self._search(request)
        except CapabilityError as error:
            return SearchAnswer(id=request.id, error=ErrorCode.FORBIDDEN, message=str(error))
        except (KnowledgeAway, EmbeddingError) as error:
            return SearchAnswer(id=request.id, error=ErrorCode.UNAVAILABLE, message=str(error))
        except Exception:
            # One odd question must not end the process that every call of this host asks.
            log.exception("search failed")
            return SearchAnswer(id=request.id, error=ErrorCode.UNAVAILABLE, message="the search failed; see the log")

    async def _search(self, request: SearchRequest) -> SearchAnswer:
        started = perf_counter()
        capability = verify(self._key, request.capability, self._clock())
        query = clean_query(request.query)
        if not query:
            return SearchAnswer(id=request.id, error=ErrorCode.BAD_REQUEST, message="query: there are no words in it")
        vectors = await self._embedders.question(query)
        embedded = perf_counter()
        hits = await self._reader.search(
            query,
            vectors=vectors,
            base_ids=capability.base_ids,
            project_id=capability.project_id,
            top_k=request.top_k,
            timeout=SEARCH_TIMEOUT,
        )
        ended = perf_counter()
        return SearchAnswer(
            id=request.id,
            hits=hits,
            took_ms=_milliseconds(ended - started),
            embed_ms=_milliseconds(embedded - started),
            search_ms=_milliseconds(ended - embedded),
        )

    async def _write(self, writer: asyncio.StreamWriter, answer: SearchAnswer) -> None:
        try:
            writer.write(answer.line())
            async with asyncio.timeout(WRITE_TIMEOUT):
                await writer.drain()
        except TimeoutError:
            log.warning("connection closed: its answers are not read")
            writer.transport.abort()
        except ConnectionError:
            pass  # whoever asked has gone


@contextmanager
def listening_at(path: Path) -> Iterator[socket.socket]:
    """A listening socket at `path` that only this user may open. What a dead process left there is removed."""
    if path.exists():
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise SocketTaken(f"{path} exists and is not a socket. Set PARLEY_KNOWLEDGE_SOCKET to a free path.")
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                raise SocketTaken(f"A knowledge process answers at {path} already. Stop it, or set another path.")
        path.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        mask = os.umask(0o177)
        try:
            listener.bind(str(path))
        except OSError as error:
            raise SocketTaken(f"No socket can be made at {path}: {error.strerror}. Is its folder there?") from error
        finally:
            os.umask(mask)
        own = path.stat().st_ino
        try:
            yield listener
        finally:
            # A successor may have put its own socket there while the last answers went out.
            if path.exists() and path.stat().st_ino == own:
                path.unlink()


async def run(settings: KnowledgeSettings) -> None:
    """The whole process, until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    embedders = await asyncio.to_thread(
        build_embedders,
        settings.knowledge_embedder,
        settings.knowledge_former_embedder,
        base_url=settings.models_url,
        api_key=settings.models_api_key.get_secret_value(),
        threads=settings.knowledge_threads,
    )
    key = derive_key(settings.worker_token.get_secret_value())
    gc.collect()  # a full collection of all that was loaded would stop a search for a tenth of a second
    gc.freeze()
    try:
        async with KnowledgeReader(settings.postgres_url, pool=settings.knowledge_pool) as reader:
            await KnowledgeServer(embedders, reader, key).serve(settings.knowledge_socket, stop)
    finally:
        await embedders.close()


def _id_of(line: bytes) -> int | None:
    """The id of a request that is wrong in some other way, so that its sender learns of it."""
    try:
        return _OnlyId.model_validate_json(line).id
    except ValidationError:
        return None


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1_000, 2)
