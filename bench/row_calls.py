"""Rows of workers: a turn, how soon an agent is in its room, and what sessions take in memory."""

import asyncio
import logging
import statistics
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final

from bench import turn
from bench.cores import used_by
from bench.density import family, measure
from bench.fakes import fixed_models
from bench.rows import LIMIT, OURS, Bar, NotHere, Plan, Round, Row, in_loop
from bench.workers import COMES_WITHIN, Worker, seconds_of_each, seconds_to_come, worker

STOCK, COLD, OPENRTC, PIPECAT = "livekit-agents", "livekit-agents, cold", "OpenRTC", "Pipecat"
STARTS: Final = {
    "bare": LIMIT,
    "stock": STOCK,
    "cold": COLD,
    "openrtc": OPENRTC,
    "pipecat": PIPECAT,
    "dense": "ours, dense",
    "isolated": OURS,
}
"""Who comes, in turn; ours as it is installed has a process for each call."""
MEMORY: Final = {
    "bare": LIMIT,
    "stock": STOCK,
    "openrtc": OPENRTC,
    "pipecat": PIPECAT,
    "isolated": "ours, isolated",
    "dense": OURS,
}
REST: Final = 1.5
"""Seconds in which a worker warms what it has just used."""
AT_REST: Final = 0.05
"""Seconds of the processor in that time that are as good as nothing."""
AT_ONCE, WARM = 10, 4
FIRST: Final = "the first of ours"


async def _turns(plan: Plan) -> AsyncGenerator[Round, None]:
    plan.missing[PIPECAT] = "it takes turns by timers of its own, and the difference would be theirs"
    logging.getLogger("livekit.agents").setLevel(logging.ERROR)  # that the room's own sound is not used
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as name:
        folder, names = Path(name), dict(zip(turn.KINDS, (LIMIT, OURS), strict=True))
        order = list(names)
        while True:
            found: Round = {}
            for kind in order:
                plan.say(f"{names[kind]} is talked to")
                answered = await turn.one_round(kind, folder, plan.scaled(6, 3))
                found[names[kind]] = statistics.median(answered.answers_ms)
            order.reverse()
            yield found


def turns(plan: Plan) -> Generator[Round, None, None]:
    """Rounds of questions, each in a session of its own; who is first changes."""
    return in_loop(_turns(plan))


async def _starts(plan: Plan) -> AsyncGenerator[Round, None]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="parley-bench-")))
        models = await stack.enter_async_context(fixed_models())
        workers = {}
        for kind, name in STARTS.items():
            plan.say(f"{name} comes up")
            try:
                workers[name] = await stack.enter_async_context(worker(kind, folder, models, places=4))
            except NotHere as error:
                plan.missing[name] = str(error)
        while True:
            found: Round = {}
            for name, asked in workers.items():
                plan.say(f"{name} is asked")
                try:
                    found[name] = 1000 * await seconds_to_come(asked)
                except TimeoutError:
                    plan.missing[name] = f"it did not come within {COMES_WITHIN:g} s, once at least"
                await asyncio.sleep(REST)
            yield found


def starts(plan: Plan) -> Generator[Round, None, None]:
    """All workers are up, and are asked in turn."""
    return in_loop(_starts(plan))


async def _rest(asked: Worker) -> None:
    """Until a worker and all its processes have nothing to do: those that wait for calls are warm."""
    async with asyncio.timeout(COMES_WITHIN):
        used, before = 0.0, -1.0
        while used - before > AT_REST:
            before = used
            await asyncio.sleep(REST)
            used = sum(used_by(list(family(asked.pid))).values())


async def _at_once(plan: Plan) -> AsyncGenerator[Round, None]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="parley-bench-")))
        models = await stack.enter_async_context(fixed_models())
        workers = {}
        for kind, name in (("stock", STOCK), ("isolated", OURS)):
            plan.say(f"{name} comes up")
            starting = worker(kind, folder, models, places=AT_ONCE, waiting=WARM)
            workers[name] = await stack.enter_async_context(starting)
        while True:
            found: Round = {}
            for name, asked in workers.items():
                plan.say(f"{name} is asked {AT_ONCE} times")
                await _rest(asked)
                try:
                    seconds = await seconds_of_each(asked, AT_ONCE)
                except TimeoutError:
                    plan.missing[name] = f"not all {AT_ONCE} came within {COMES_WITHIN:g} s, once at least"
                    continue
                found[name] = 1000 * seconds[-1]
                if name == OURS:
                    found[FIRST] = 1000 * seconds[0]
            yield found


def at_once(plan: Plan) -> Generator[Round, None, None]:
    """More are asked for than there are processes that wait."""
    return in_loop(_at_once(plan))


def memory(sessions: int, plan: Plan) -> Generator[Round, None, None]:
    """One session: all that the worker takes. More: each of them beyond the first."""
    while True:
        found: Round = {}
        for kind, name in MEMORY.items():
            try:
                if sessions == 1:
                    found[name] = _of_one[kind] = _megabytes(kind, 1, plan)
                else:
                    one = _of_one.get(kind) or _megabytes(kind, 1, plan)
                    _of_one[kind] = one
                    found[name] = (_megabytes(kind, sessions, plan) - one) / (sessions - 1)
            except (NotHere, TimeoutError) as error:
                plan.missing[name] = str(error) or "an agent did not come"
        yield found


_of_one: dict[str, float] = {}
"""What a worker with one session took, by kind: the rows of more begin from it."""


def _megabytes(kind: str, sessions: int, plan: Plan) -> float:
    plan.say(f"{kind}, {sessions} sessions")
    settle = plan.scaled(8, 3)
    found = asyncio.run(measure(kind, sessions, most=max(2, sessions), settle=settle, seconds=0))
    return found["pss_mb"]


LIMIT_OF_WORKERS: Final = "a process of livekit's SDK that joins, has a track, and does nothing"
ROWS: Final = (
    Row(
        name="turn",
        what="a turn: from the end of a question until its answer is heard",
        unit="ms",
        better="less",
        limit="livekit-agents' AgentSession with the same fakes",
        measure=turns,
        bars=(Bar("≤", 1.02, LIMIT),),
        peers=(PIPECAT,),
        minutes=4,
    ),
    Row(
        name="session-start",
        what="from asking for an agent until its voice is in the room",
        unit="ms",
        better="less",
        limit=LIMIT_OF_WORKERS,
        measure=starts,
        bars=(Bar("≤", 0.15, COLD),),
        peers=(STOCK, COLD, OPENRTC, PIPECAT),
        rounds=9,
        minutes=4,
        quick_rounds=2,
    ),
    Row(
        name="ten-at-once",
        what=f"{AT_ONCE} agents asked for at once where {WARM} processes wait: until the last voice is in its room",
        unit="ms",
        better="less",
        limit="",
        measure=at_once,
        bars=(Bar("≤", 4, FIRST),),
        peers=(STOCK, FIRST),
        rounds=5,
        minutes=4,
        quick_rounds=1,
    ),
    Row(
        name="memory-1",
        what="memory of a worker with one session",
        unit="MB",
        better="less",
        limit=LIMIT_OF_WORKERS,
        measure=partial(memory, 1),
        peers=(STOCK, OPENRTC, PIPECAT),
        rounds=3,
        minutes=5,
        quick_rounds=1,
    ),
    *(
        Row(
            name=f"memory-{sessions}",
            what=f"memory of each further session up to {sessions}",
            unit="MB",
            better="less",
            limit=LIMIT_OF_WORKERS,
            measure=partial(memory, sessions),
            bars=(Bar("≤", 25, ""),),
            peers=(STOCK, OPENRTC, PIPECAT),
            rounds=3,
            minutes=minutes,
            quick_rounds=0,
        )
        for sessions, minutes in ((8, 7), (32, 9))
    ),
)
