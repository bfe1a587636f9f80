"""The halls of a worker, as the framework's server knows a pool of processes."""

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Literal

import structlog

from agents.halls.fit import EventEmitter, JobProcess, ProcPool, RunningJobInfo
from agents.halls.hall import Opening
from agents.halls.seat import HallProcess, Seat

LOOK: Final = 0.5
"""Seconds between looks at the halls."""
SEATED_WITHIN: Final = 30.0
"""Seconds that a call waits for a place, where all halls are being opened or behind."""
AGAIN: Final = 1.0
"""Seconds until a hall is opened again that could not be."""
RETIRE_AFTER: Final = 500
"""Calls of one hall: LiveKit's library keeps half a megabyte of each room that was left."""

log = structlog.get_logger()

Happening = Literal["process_created", "process_started", "process_ready", "process_closed", "process_job_launched"]


@dataclass(frozen=True)
class Plan:
    """How a worker's calls are put into halls."""

    places: int
    """Calls of one hall."""
    calls: int
    """Calls of the worker."""
    share: Callable[[JobProcess], AbstractAsyncContextManager[None]]
    """See `Opening`."""
    retire_after: int = RETIRE_AFTER

    @property
    def halls(self) -> int:
        """As many as all calls need."""
        return math.ceil(self.calls / self.places)


class HallPool(EventEmitter[Happening]):
    """Opens halls, gives each call a place in one, and tells when it is over. One hall is always open."""

    def __init__(self, plan: Plan, instead_of: ProcPool) -> None:
        super().__init__()
        self._plan, self._theirs = plan, instead_of
        self._spare = max(1, min(instead_of._target_idle_processes, plan.places))
        self._halls: list[HallProcess] = []
        self._seats: list[Seat] = []
        self._running: set[asyncio.Task[None]] = set()
        self._watching: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._waiting = 0
        self._is_closed = False
        self._open_at = 0.0

    @property
    def processes(self) -> list[Seat]:
        """Calls that are running."""
        return self._seats

    @property
    def target_idle_processes(self) -> int:
        """Places that are kept free."""
        return self._spare

    def set_target_idle_processes(self, count: int) -> None:
        """What the framework would have; halls are opened as they are needed."""

    def get_by_job_id(self, job_id: str) -> Seat | None:
        """A call that is running here."""
        return next((seat for seat in self._seats if seat.running_job.job.id == job_id), None)

    def evict(self, job_id: str) -> bool:
        """End a call so that it can speak no more; whether there was one. The others of its hall go on, if it can."""
        seat = self.get_by_job_id(job_id)
        if seat is not None:
            seat.evict()
        return seat is not None

    async def start(self) -> None:
        """Open the first hall; when it is open, or too late, this returns."""
        self._watching = asyncio.create_task(self._watch())
        self._fill()
        try:
            async with asyncio.timeout(self._theirs._initialize_timeout):
                await self._until(lambda: any(hall.is_well for hall in self._halls))
        except TimeoutError:
            log.error("no hall is open yet")

    async def aclose(self) -> None:
        """Have all calls end, and close the halls."""
        self._is_closed = True
        await asyncio.gather(*(seat.aclose() for seat in list(self._seats)))
        for hall in self._halls:
            hall.close()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def launch_job(self, info: RunningJobInfo) -> None:
        """Give a call a place, in the hall that has the fewest. Raises `RuntimeError` where there is none in time."""
        self._waiting += 1
        try:
            self._fill()
            async with asyncio.timeout(SEATED_WITHIN):
                await self._until(lambda: self._best() is not None)
        except TimeoutError as error:
            raise RuntimeError("no place in a hall") from error
        finally:
            self._waiting -= 1
        hall = self._best()
        assert hall is not None
        info.launched_at = time.time()
        seat = hall.seat(info, self._theirs._close_timeout)
        self._seats.append(seat)
        self.emit("process_job_launched", seat)
        self._fill()

    def _best(self) -> HallProcess | None:
        able = [hall for hall in self._halls if hall.is_well and hall.free > 0]
        return min(able, key=lambda hall: len(hall.seats), default=None)

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            self._changed.clear()
            await self._changed.wait()

    def _fill(self) -> None:
        """Open halls until there is a place for whoever waits and for the next, or there are as many as it takes."""
        while not self._is_closed and time.monotonic() >= self._open_at:
            useful = [hall for hall in self._halls if hall.is_coming or hall.is_well]
            free = sum(self._plan.places if hall.is_coming else hall.free for hall in useful)
            most = self._plan.halls
            if free >= self._waiting + self._spare or len(useful) >= most or len(self._halls) > 2 * most:
                return
            self._open()

    def _open(self) -> None:
        hall = HallProcess(self._plan.places, self._plan.retire_after, self._on_change, self._on_over)
        self._halls.append(hall)
        running = asyncio.create_task(self._run(hall))
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def _run(self, hall: HallProcess) -> None:
        theirs = self._theirs
        opening = Opening(
            prepare=theirs._initialize_process_fnc,
            entrypoint=theirs._job_entrypoint_fnc,
            share=self._plan.share,
            session_end_timeout=theirs._session_end_timeout,
            http_proxy=theirs._http_proxy,
        )
        try:
            await hall.run(opening, theirs._mp_ctx)
        except Exception:
            log.exception("a hall cannot be started")
        finally:
            hall.is_over = True
            self._halls.remove(hall)
            if not hall.is_ready:
                self._open_at = time.monotonic() + AGAIN
            self._on_change()

    async def _watch(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(LOOK)
            if time.monotonic() - before > 2 * LOOK:
                for hall in self._halls:
                    hall.forgive()
            for hall in self._halls:
                if hall.is_stuck:
                    log.error("a hall is stuck", pid=hall.pid, calls=len(hall.seats))
                    hall.kill()
                elif hall.is_retiring and not hall.seats:
                    hall.close()
            self._on_change()

    def _on_change(self) -> None:
        self._changed.set()
        self._fill()

    def _on_over(self, seat: Seat) -> None:
        if seat in self._seats:
            self._seats.remove(seat)
        self.emit("process_closed", seat)
