"""A hall: a process of a worker that runs several calls, each as tasks of one loop.

What a call leaves running is ended with it. An exception is its own; so is its wish to end the process. A crash of the
native library is not: then all calls of the hall are lost, and go on elsewhere.
"""

import asyncio
import base64
import os
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakSet

import structlog

from agents.halls import keeping
from agents.halls.fit import (
    InferenceRequest,
    InferenceResponse,
    InitializeRequest,
    JobExecutorType,
    JobProcess,
    ShutdownRequest,
    StartJobRequest,
    _JobProc,
    aio,
    unpack,
)
from agents.halls.frames import sort_frames
from agents.halls.wire import LINE, PULSE, encode, hear, say
from pocket.rooms.joining import UNBROKEN

LEFT_WITHIN: Final = 2.0
"""Seconds to leave a room, or all of them."""
ENDED_WITHIN: Final = 3.0
"""Seconds for what a call has left running, once it is cancelled."""

log = structlog.get_logger()

_call: ContextVar["Call | None"] = ContextVar("call", default=None)
"""On whose behalf a task runs."""


@dataclass(frozen=True)
class Opening:
    """What a hall is made of. It goes to another process: functions are those of modules."""

    prepare: Callable[[JobProcess], Any]
    """Done once, before any call."""
    entrypoint: Callable[[Any], Awaitable[None]]
    """One call."""
    share: Callable[[JobProcess], AbstractAsyncContextManager[None]]
    """Open for as long as the hall is: what needs a loop, for all calls."""
    session_end_timeout: float
    http_proxy: str | None = None


@dataclass(eq=False)
class Call:
    """One that runs here."""

    job: _JobProc
    inbox: aio.Chan[Any] = field(default_factory=aio.Chan)
    tasks: WeakSet[asyncio.Task[Any]] = field(default_factory=WeakSet)
    """All that were begun on its behalf."""
    main: asyncio.Task[None] | None = None
    is_evicted: bool = False

    async def send(self, message: Any) -> None:
        """What a job wants of its worker's main process."""
        if isinstance(message, InferenceRequest):
            nobody = InferenceResponse(request_id=message.request_id, error="no inference executor")
            self.inbox.send_nowait(nobody)

    async def leave(self) -> None:
        """Be heard and seen no more."""
        room = getattr(self.job, "_room", None)
        with suppress(TimeoutError, RuntimeError):
            async with asyncio.timeout(LEFT_WITHIN):
                if room is not None:
                    await room.disconnect()

    def cancel(self) -> set[asyncio.Task[Any]]:
        """Cancel all that still runs, but what the native library would not survive; what there was of both."""
        here = asyncio.current_task()
        running = {task for task in self.tasks if not task.done() and task is not here}
        for task in running:
            if task.get_name() != UNBROKEN:
                task.cancel()
        return running


class Hall:
    """In its process."""

    def __init__(self, opening: Opening, line: socket.socket) -> None:
        self._opening, self._line = opening, line
        self._process = JobProcess(
            executor_type=JobExecutorType.THREAD, user_arguments=None, http_proxy=opening.http_proxy
        )
        self._calls: dict[str, Call] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._kept: set[asyncio.Task[Any]] = set()

    def prepare(self) -> None:
        """All that is done once, on no loop."""
        self._opening.prepare(self._process)
        sort_frames()

    async def run(self) -> None:
        """Until the worker closes the line, or is no more."""
        asyncio.get_running_loop().set_task_factory(_note_owner)
        reader, writer = await asyncio.open_unix_connection(sock=self._line, limit=LINE)
        self._writer = writer
        async with self._opening.share(self._process):
            self._keep(self._beat(writer))
            say(writer, ready=True)
            while (message := await hear(reader)) is not None:
                self._obey(message)
            await asyncio.gather(*(call.leave() for call in self._calls.values()))

    def _obey(self, message: dict[str, Any]) -> None:
        match message:
            case {"start": str(job_id), "info": str(info)}:
                self._start(job_id, unpack(base64.b64decode(info)))
            case {"end": str(job_id), "reason": str(reason)} if job_id in self._calls:
                self._calls[job_id].inbox.send_nowait(ShutdownRequest(reason=reason))
            case {"evict": str(job_id)} if job_id in self._calls:
                self._keep(self._evict(self._calls[job_id]))

    def _start(self, job_id: str, request: StartJobRequest) -> None:
        call = Call(
            _JobProc(
                self._lend,
                self._opening.entrypoint,
                None,
                session_end_timeout=self._opening.session_end_timeout,
                executor_type=JobExecutorType.THREAD,
            )
        )
        self._calls[job_id] = call
        call.main = self._keep(self._serve(job_id, call, request))

    def _lend(self, process: JobProcess) -> None:
        """What was prepared once serves each call."""
        process.userdata.update(self._process.userdata)

    async def _serve(self, job_id: str, call: Call, request: StartJobRequest) -> None:
        failed = True
        try:
            token = _call.set(call)
            running = asyncio.create_task(self._job(call, request), name="call")
            _call.reset(token)
            await asyncio.wait([running])
            failed = call.is_evicted or running.cancelled() or running.exception() is not None
        finally:
            await self._clear(job_id, call)
            del self._calls[job_id]
            if self._writer is not None:
                say(self._writer, over=job_id, failed=failed)

    async def _job(self, call: Call, request: StartJobRequest) -> None:
        worker: Any = call  # what a job sends, it sends to that
        call.job.initialize(InitializeRequest(http_proxy=self._opening.http_proxy or ""), worker)
        call.inbox.send_nowait(request)
        await call.job.entrypoint(call.inbox)

    async def _clear(self, job_id: str, call: Call) -> None:
        """Leave nothing of a call."""
        if left := call.cancel():
            log.info("ended with its call", job=job_id, tasks=len(left))
            _, stuck = await asyncio.wait(left, timeout=ENDED_WITHIN)
            if stuck:
                log.warning("outlives its call", job=job_id, tasks=[task.get_name() for task in stuck])
                self._keep(self._leave_later(call, stuck))
        await call.leave()

    async def _leave_later(self, call: Call, stuck: set[asyncio.Task[Any]]) -> None:
        """Who was still entering a room leaves it then."""
        await asyncio.wait(stuck)
        await call.leave()

    async def _evict(self, call: Call) -> None:
        """End a call, whatever it does; at once for those who hear it."""
        call.is_evicted = True
        await asyncio.gather(call.leave(), self._cancelled(call))

    async def _cancelled(self, call: Call) -> None:
        if left := call.cancel():
            await asyncio.wait(left, timeout=ENDED_WITHIN)

    async def _beat(self, writer: asyncio.StreamWriter) -> None:
        """Tell how far behind this loop is."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(PULSE)
            say(writer, pulse=round(time.monotonic() - before - PULSE, 3))

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)
        return task


def _note_owner(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
    """A new task belongs to the call that began it."""
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
    context = options.get("context")
    owner = _call.get() if context is None else context.get(_call)
    if owner is not None:
        owner.tasks.add(task)
    return task


def main(opening: Opening, line: socket.socket) -> None:
    """The process. It ends here, whatever is still running."""
    keeping.keep()
    hall = Hall(opening, line)
    try:
        hall.prepare()
    except Exception as error:
        log.exception("a hall cannot be opened")
        with suppress(OSError):
            line.sendall(encode(failed=str(error) or type(error).__name__))
        os._exit(1)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    running = loop.create_task(hall.run())
    while not running.done():
        try:
            loop.run_until_complete(running)
        except (SystemExit, KeyboardInterrupt) as error:  # of a task of a call; all others go on where they were
            log.error("a call wanted its process to end", reason=type(error).__name__)
        except Exception:
            log.exception("a hall failed")
    os._exit(0)
