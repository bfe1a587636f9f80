"""One worker on one core, and more and more calls that talk with it: what `bench.load` measures."""

import asyncio
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.cores import busy_seconds, spent, strays, tree, used_by
from bench.density import family, memory_mb
from bench.fakes import Times, fixed_models
from bench.first_call import percentile
from bench.platform import LOAD_CORE, SERVER_CORE
from bench.rows import NotHere
from bench.workers import ASKED_AGAIN, HERE_WITHIN, Worker, worker
from tests.support.database import CHECKOUT

WORKER_CORE: Final = int(SERVER_CORE)
CALLERS_CORE: Final = int(LOAD_CORE)
TIMES: Final = Times(hears=0.2, first=0.3, voice=0.1)
EACH: Final = 8
"""Callers of one process."""
TURN: Final = 5.5
"""Seconds from a question to the next, about."""
SATURATED: Final = 0.85
"""Use of the callers' core above which what they measure is their own."""
DISTURBED: Final = 0.08
"""Use of the worker's core by anybody else above which what is measured is theirs too."""
ENDED_WITHIN: Final = 10.0
NEVER: Final = float("inf")
"""Milliseconds until an answer that did not come."""


@dataclass
class Step:
    """So many calls of one worker, for a while."""

    calls: int
    answers_ms: list[float] = field(default_factory=list)
    unanswered: int = 0
    cores: float = 0.0
    """What the worker used."""
    others: float = 0.0
    """What anybody else used of the worker's core."""
    callers: float = 0.0
    """What was used of the callers' core, by whomever."""
    callers_own: float = 0.0
    """What callers, livekit-server and models used of it."""
    pss_mb: float = 0.0
    own_mb: float = 0.0
    load: float = 0.0

    @property
    def all_ms(self) -> list[float]:
        """Of every question; `NEVER` where no answer came."""
        return [*self.answers_ms, *[NEVER] * self.unanswered]

    @property
    def p95(self) -> float:
        """Nineteen of twenty answers came within so many milliseconds."""
        return percentile(self.all_ms, 0.95)

    @property
    def refused(self) -> str:
        """Why it does not count; empty: it does."""
        if self.callers > SATURATED:
            return f"callers' core {self.callers:.0%} used"
        if self.others > DISTURBED:
            return f"others {self.others:.0%} of its core"
        return "" if self.all_ms else "no questions"


class Callers:
    """Those who talk, in processes of their own."""

    def __init__(self, log: Path) -> None:
        self.turns: list[float] = []
        """Milliseconds of each question until its answer, as they were heard; `NEVER`."""
        self.count = 0
        self._log = log
        self._processes: list[asyncio.subprocess.Process] = []
        self._reading: set[asyncio.Task[None]] = set()
        self._told: dict[tuple[str, str], asyncio.Event] = {}

    async def add(self, asked: Worker) -> None:
        """One call more. Raises `TimeoutError` where no agent comes."""
        if self.count == EACH * len(self._processes):
            await self._open()
        process, patience, until = self._processes[-1], ASKED_AGAIN, time.monotonic() + HERE_WITHIN
        while True:
            room = uuid.uuid4().hex
            _tell(process, url=asked.media.url, room=room, token=asked.media.token(room, "ada"))
            try:
                async with asyncio.timeout(HERE_WITHIN):
                    await self._event("joined", room).wait()
                async with asyncio.timeout(patience):
                    await asked.ask(room)
                    await self._event("here", room).wait()
            except TimeoutError:
                _tell(process, leave=room)
                if time.monotonic() > until:
                    raise
                patience *= 2
                continue
            self.count += 1
            return

    async def close(self) -> None:
        """Have all of them leave."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()
        for process in self._processes:
            with suppress(TimeoutError):
                async with asyncio.timeout(ENDED_WITHIN):
                    await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()
        await asyncio.gather(*self._reading)

    async def _open(self) -> None:
        with self._log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "bench.load_caller",
                env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        self._processes.append(process)
        ready = self._event("ready", str(process.pid))
        reading = asyncio.create_task(self._read(process))
        self._reading.add(reading)
        async with asyncio.timeout(HERE_WITHIN):
            await ready.wait()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            match json.loads(line):
                case {"room": str(), "ms": ms}:
                    self.turns.append(NEVER if ms is None else float(ms))
                case {"ready": True}:
                    self._event("ready", str(process.pid)).set()
                case {"joined": str(room)}:
                    self._event("joined", room).set()
                case {"here": str(room)}:
                    self._event("here", room).set()

    def _event(self, what: str, whose: str) -> asyncio.Event:
        return self._told.setdefault((what, whose), asyncio.Event())


def _tell(process: asyncio.subprocess.Process, **message: Any) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(message).encode() + b"\n")


@asynccontextmanager
async def callers(folder: Path) -> AsyncIterator[Callers]:
    """Nobody yet, and nobody afterwards."""
    found = Callers(folder / "callers.log")
    try:
        yield found
    finally:
        await found.close()


def seconds_for(calls: int, turns: int, least: float) -> float:
    """How long so many calls are listened to for so many turns."""
    return max(least, turns * TURN / calls)


async def look(asked: Worker, talking: Callers, seconds: float) -> Step:
    """What the calls are like for so long. Raises `NotHere` where the worker has left its core."""
    pids = list(family(asked.pid))
    if away := strays(pids, {WORKER_CORE}):
        raise NotHere(f"processes {away} of the worker have other cores as well")
    heard, before = len(talking.turns), used_by(pids)
    ours = [pid for pid in tree(os.getpid()) if pid not in pids]
    ours_before = used_by(ours)
    worker_core, callers_core = busy_seconds({WORKER_CORE}), busy_seconds({CALLERS_CORE})
    began = time.monotonic()
    await asyncio.sleep(seconds)
    took = time.monotonic() - began
    pids = list(family(asked.pid))
    cores = spent(before, used_by(pids)) / took
    callers_own = spent(ours_before, used_by(ours)) / took
    callers_core = (busy_seconds({CALLERS_CORE}) - callers_core) / took
    all_of_it = (busy_seconds({WORKER_CORE}) - worker_core) / took
    turns = talking.turns[heard:]
    return Step(
        calls=talking.count,
        answers_ms=[ms for ms in turns if ms != NEVER],
        unanswered=turns.count(NEVER),
        cores=cores,
        others=max(0.0, all_of_it - cores),
        callers=callers_core,
        callers_own=callers_own,
        pss_mb=memory_mb(pids, "Pss:"),
        own_mb=memory_mb(pids, "Private_Dirty:"),
        load=os.getloadavg()[0],
    )


async def ladder(kind: str, calls: Sequence[int], *, settle: float, turns: int, least: float) -> AsyncGenerator[Step]:
    """A worker of a kind with so many calls, and then with more. Raises `NotHere`, `TimeoutError`."""
    with tempfile.TemporaryDirectory(prefix="parley-load-") as name:
        async with AsyncExitStack() as stack:
            models = await stack.enter_async_context(fixed_models(TIMES))
            # One place more than calls: the first call of a worker, which nobody counts, may take a while to end.
            places = max(calls) + 1
            starting = worker(kind, Path(name), models, places=places, core=WORKER_CORE)
            asked = await stack.enter_async_context(starting)
            talking = await stack.enter_async_context(callers(Path(name)))  # they leave before the worker is stopped
            for count in calls:
                while talking.count < count:
                    await talking.add(asked)
                await asyncio.sleep(settle)
                yield await look(asked, talking, seconds_for(count, turns, least))
