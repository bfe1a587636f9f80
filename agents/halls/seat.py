"""A worker's side of one hall, and of each call in it."""

import asyncio
import base64
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.context import BaseContext
from typing import Any, Final
from uuid import uuid4

import structlog

from agents.halls.fit import JobStatus, RunningJobInfo, pack
from agents.halls.hall import Opening, main
from agents.halls.wire import LINE, hear, say

LATE: Final = 2.0
"""Seconds without a sign of life after which a hall is given no more calls."""
STUCK: Final = 10.0
"""The same after which it is killed: its callers hear nothing any more."""
BEHIND: Final = 0.25
"""Seconds by which the loop of a hall is behind that has too much to do."""
BEHIND_FOR: Final = 3.0
"""Seconds of that after which it is given no more calls."""
EVICTED_WITHIN: Final = 8.0
"""Seconds for a call to be gone that is not to go on; else its hall is killed, with all that are in it."""
CLOSED_WITHIN: Final = 4.0
"""Seconds for a hall to leave its rooms and end."""

log = structlog.get_logger()


class Seat:
    """A call in a hall: what the framework knows as a process that has a job."""

    def __init__(self, hall: "HallProcess", info: RunningJobInfo, close_timeout: float) -> None:
        self.id = f"SEAT_{uuid4().hex[:12]}"
        self.hall, self.running_job, self.status = hall, info, JobStatus.RUNNING
        self.user_arguments: Any = None
        self.started = True
        self._close_timeout = close_timeout
        self._over = asyncio.Event()

    async def start(self) -> None:
        """It is."""

    async def initialize(self) -> None:
        """It is."""

    async def launch_job(self, info: RunningJobInfo) -> None:
        """It has one."""
        raise RuntimeError("a seat is taken once")

    async def join(self) -> None:
        """Until the call is over."""
        await self._over.wait()

    async def aclose(self) -> None:
        """Have the call end by itself, within reason."""
        self.hall.tell(end=self.running_job.job.id, reason="")
        try:
            async with asyncio.timeout(self._close_timeout):
                await self._over.wait()
        except TimeoutError:
            self.evict()
            await self._over.wait()

    def evict(self) -> None:
        """Have the call be no more, so that it can speak no more, and soon."""
        self.hall.tell(evict=self.running_job.job.id)
        asyncio.get_running_loop().call_later(EVICTED_WITHIN, self._kill_unless_over)

    def leave(self, *, failed: bool) -> None:
        """The call is over."""
        self.status = JobStatus.FAILED if failed else JobStatus.SUCCESS
        self._over.set()

    def logging_extra(self) -> dict[str, Any]:
        """For the framework's log lines."""
        return {"job_id": self.running_job.job.id, "pid": self.hall.pid}

    def _kill_unless_over(self) -> None:
        if not self._over.is_set():
            log.error(
                "a call does not end; its hall is killed", job=self.running_job.job.id, calls=len(self.hall.seats)
            )
            self.hall.kill()


class HallProcess:
    """One hall, from its start to its end. `on_change` is called when it may take more or less than before, `on_over`
    for each seat when its call is over."""

    def __init__(
        self, places: int, retire_after: int, on_change: Callable[[], None], on_over: Callable[[Seat], None]
    ) -> None:
        self._places, self._left = places, retire_after
        self._on_change, self._on_over = on_change, on_over
        self.seats: dict[str, Seat] = {}
        self.is_ready = self.is_over = self.is_retiring = False
        self.pid: int | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._heard_at = 0.0
        self._behind_since: float | None = None

    @property
    def is_coming(self) -> bool:
        """Whether it is being opened."""
        return not self.is_ready and not self.is_over

    @property
    def is_well(self) -> bool:
        """Whether it could take a call, were there room."""
        if not self.is_ready or self.is_over or self.is_retiring:
            return False
        now = time.monotonic()
        is_behind = self._behind_since is not None and now - self._behind_since > BEHIND_FOR
        return now - self._heard_at < LATE and not is_behind

    @property
    def free(self) -> int:
        """Places for calls."""
        return min(self._places - len(self.seats), self._left)

    @property
    def is_stuck(self) -> bool:
        """Whether it has given no sign of life for too long."""
        return self.is_ready and not self.is_over and time.monotonic() - self._heard_at > STUCK

    def forgive(self) -> None:
        """The worker itself was stuck: silence counts from now."""
        self._heard_at = time.monotonic()

    async def run(self, opening: Opening, context: BaseContext) -> None:
        """Start it and follow it to its end."""
        ours, theirs = socket.socketpair()
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        process = context.Process(target=main, args=(opening, theirs), name="hall")  # type: ignore[attr-defined]
        try:
            # The first one waits until the forkserver has imported everything.
            await loop.run_in_executor(None, process.start)
            self.pid = process.pid
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        loop.add_reader(process.sentinel, ended.set)
        reader, self._writer = await asyncio.open_unix_connection(sock=ours, limit=LINE)
        try:
            while (message := await hear(reader)) is not None:
                self._take(message)
            self.kill(after=CLOSED_WITHIN)
            await ended.wait()
        finally:
            loop.remove_reader(process.sentinel)
            if not ended.is_set():
                self.kill()
            self._writer.close()
            await loop.run_in_executor(None, process.join)
            self._end(process.exitcode)

    def seat(self, info: RunningJobInfo, close_timeout: float) -> Seat:
        """Give a call its place."""
        seat = self.seats[info.job.id] = Seat(self, info, close_timeout)
        self._left -= 1
        self.is_retiring = self._left <= 0
        self.tell(start=info.job.id, info=base64.b64encode(pack(info)).decode())
        return seat

    def tell(self, **message: Any) -> None:
        """Send it a message."""
        if self._writer is not None:
            say(self._writer, **message)

    def close(self) -> None:
        """Have it leave its rooms and end."""
        self.is_retiring = True
        if self._writer is not None and self._writer.can_write_eof():
            with suppress(OSError):
                self._writer.write_eof()
        self.kill(after=CLOSED_WITHIN)

    def kill(self, *, after: float = 0.0) -> None:
        """End it, whatever it does."""
        if after:
            asyncio.get_running_loop().call_later(after, self.kill)
        elif self.pid is not None and not self.is_over:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def _take(self, message: dict[str, Any]) -> None:
        self._heard_at = time.monotonic()
        match message:
            case {"ready": True}:
                self.is_ready = True
            case {"pulse": int() | float() as behind}:
                if behind < BEHIND:
                    self._behind_since = None
                elif self._behind_since is None:
                    self._behind_since = time.monotonic()
                return
            case {"over": str(job_id), "failed": bool(failed)}:
                if (seat := self.seats.pop(job_id, None)) is not None:
                    seat.leave(failed=failed)
                    self._on_over(seat)
            case {"failed": str(reason)}:
                log.error("a hall cannot be opened", reason=reason)
        self._on_change()

    def _end(self, exitcode: int | None) -> None:
        self.is_over = True
        if self.seats:
            log.error("a hall died with its calls", pid=self.pid, status=exitcode, calls=len(self.seats))
        lost, self.seats = list(self.seats.values()), {}
        for seat in lost:
            seat.leave(failed=True)
            self._on_over(seat)
        self._on_change()
