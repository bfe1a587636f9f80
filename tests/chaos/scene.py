"""One run: the stack, its callers, what goes wrong, and what must hold in the end."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import psycopg

from control_plane.events.facts import WEBHOOKS
from parley.demo.caller import MICROPHONE_RATE
from parley.demo.voice import Voice
from tests.chaos.callers import ORIGIN, Call, TextCaller
from tests.chaos.invariants import (
    Faults,
    Violation,
    judge_call,
    judge_events,
    judge_lines,
    judge_session,
    judge_webhooks,
)
from tests.chaos.models import HEARD, Script, scripted_models
from tests.chaos.plan import Fault
from tests.chaos.records import Books, Records
from tests.chaos.report import Outcome, excerpt
from tests.chaos.stack import ChaosStack
from tests.chaos.trouble import Trouble
from tests.chaos.voices import SENTENCE, VoiceCaller
from tests.support.receiver import Receiver, receiving

BEGIN_WITHIN: Final = 120.0
"""Seconds in which each caller is answered once before anything goes wrong."""
WELL_WITHIN: Final = 90.0
"""Seconds after the last fault in which each caller is answered."""
SETTLE_WITHIN: Final = 120.0
"""Seconds after the last hanging up in which everything is over."""
LOOK_EVERY: Final = 1.0
TWICE_FOR: Final = 3
"""Looks in a row that see two personas of a conversation."""


@dataclass(frozen=True)
class Cast:
    """Who calls, and how much of the platform there is."""

    texts: int
    voices: int
    planes: int
    workers: int
    seed: int


async def play(
    cast: Cast,
    plan: Sequence[Fault],
    *,
    minutes: float,
    folder: Path,
    first_port: int,
    announce: Callable[[str], None],
    report: Callable[[Outcome], None],
) -> None:
    """The whole run; `report` is told what it came to while the stack still stands.

    Raises what keeps the stack from starting, and a group with a `TimeoutError` where nobody is answered at all.
    """
    async with AsyncExitStack() as open_things:
        script = await open_things.enter_async_context(scripted_models())
        receiver = await open_things.enter_async_context(receiving())
        outside = {"models": script.port, "receiver": int(receiver.url.rsplit(":", 1)[1])}
        places = cast.texts + cast.voices + 2
        stack = ChaosStack(
            folder,
            first_port=first_port,
            outside=outside,
            planes=cast.planes,
            workers=cast.workers,
            places=places,
            announce=announce,
        )
        trouble = Trouble(stack, announce)
        open_things.callback(trouble.unmount)
        notes = [f"worker's disk: {why}" for why in {trouble.mount(name) for name in workers(cast)} if why]
        announce("starting the stack")
        await open_things.enter_async_context(stack)
        http = await open_things.enter_async_context(httpx2.AsyncClient(base_url=stack.front_url, timeout=15))
        key = stack.stack.services.secrets.api_key
        books = Books(stack, key)
        await books.open()
        callers = await _gather(cast, stack, http, script, open_things)
        outcome = Outcome(cast.seed, minutes, time.time(), trouble.done, callers, notes=notes)
        async with asyncio.TaskGroup() as group:
            calling = [group.create_task(caller.run()) for caller in callers]
            async with asyncio.timeout(BEGIN_WITHIN):
                await _answered_since(callers, 0.0)
            announce(f"{len(callers)} callers are answered; now {len(plan)} faults")
            outcome.began = time.time()
            watching = group.create_task(_watch(books, outcome.violations))
            try:
                await trouble.run(plan)
                await asyncio.sleep(max(0.0, outcome.began + 60 * minutes - time.time()))
                announce("all is well again")
                outcome.answered_again_s, late = await _well_again(callers)
                outcome.violations += late
            finally:
                watching.cancel()
                for caller in callers:
                    caller.hung_up.set()
                await asyncio.wait(calling, timeout=60)
        hung_up = time.time()
        announce("all have hung up")
        left = await books.settle(SETTLE_WITHIN)
        outcome.settled_s = time.time() - hung_up
        outcome.violations += [Violation("everything ends", f"{name}: {count}") for name, count in left.items()]
        records = await books.read()
        judge(outcome, records, receiver)
        for violation in outcome.violations:
            violation.log = excerpt(stack.logs, violation.session, violation.call)
        report(outcome)
        announce("stopping the stack")


def workers(cast: Cast) -> list[str]:
    """Their names."""
    return ["worker", *(f"worker-{number}" for number in range(2, cast.workers + 1))]


async def _gather(
    cast: Cast, stack: ChaosStack, http: httpx2.AsyncClient, script: Script, open_things: AsyncExitStack
) -> list[TextCaller]:
    """The callers, and what they and the receiver need."""
    key = stack.stack.services.secrets.api_key
    owner = {"X-API-Key": key}

    async def make(path: str, **body: Any) -> dict[str, Any]:
        answer = await http.post(path, json=body, headers=owner)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    agent = {"instructions": "Answer.", "max_call_duration": 7200, "silence_timeout": 600}
    writer = (await make("/agents", name="Writer", **agent))["agent"]["id"]
    limits = {"visitor_calls_per_hour": 1000, "address_calls_per_hour": 10_000, "calls_at_once": 1000}
    embed = await make("/embed-keys", agent_id=writer, origins=[ORIGIN], mode="text", **limits)
    url = f"http://127.0.0.1:{stack.links['receiver'].port}/"
    await make("/webhooks", url=url, events=sorted(WEBHOOKS))
    callers = [
        TextCaller(f"text-{number}", cast.seed, http, embed["embed_key"]["key"], stack.callers_url)
        for number in range(1, cast.texts + 1)
    ]
    if cast.voices:
        speech = Voice(MICROPHONE_RATE)
        open_things.callback(speech.close)
        await speech.phrase(SENTENCE)
        for number in range(1, cast.voices + 1):
            heard_as = f"{HEARD}-{number}"
            settings = {**agent, "greeting": "Hello.", "stt_model": heard_as}
            speaker = (await make("/agents", name=f"Speaker {number}", **settings))["agent"]["id"]
            callers.append(
                VoiceCaller(
                    f"voice-{number}",
                    cast.seed,
                    http,
                    stack.callers_url,
                    agent_id=speaker,
                    heard_as=heard_as,
                    script=script,
                    voice=speech,
                    api_key=key,
                )
            )
    return callers


def first_answer(caller: TextCaller, since: float) -> float | None:
    """When something was answered that a caller said since a moment."""
    found = [line.answered_at for call in caller.calls for line in call.said if line.answered_at and line.at >= since]
    return min(found, default=None)


async def _answered_since(callers: Sequence[TextCaller], since: float) -> None:
    while any(first_answer(caller, since) is None for caller in callers):
        await asyncio.sleep(0.1)


async def _well_again(callers: Sequence[TextCaller]) -> tuple[list[float], list[Violation]]:
    """How soon each caller is answered from now on, and who is not."""
    since = time.time()
    with suppress(TimeoutError):
        async with asyncio.timeout(WELL_WITHIN):
            await _answered_since(callers, since)
    times = {caller: first_answer(caller, since) for caller in callers}
    late = [
        Violation("all is well again", f"nobody answered {caller.name} within {WELL_WITHIN:.0f} s", _last(caller))
        for caller, at in times.items()
        if at is None
    ]
    return [at - since for at in times.values() if at is not None], late


def _last(caller: TextCaller) -> str:
    return caller.calls[-1].name if caller.calls else caller.name


async def _watch(books: Books, found: list[Violation]) -> None:
    """Look all the time whether two personas are at work in one conversation."""
    seen: dict[int, int] = {}
    while True:
        await asyncio.sleep(LOOK_EVERY)
        with suppress(psycopg.Error, TimeoutError, OSError):
            twice = await books.twice()
            seen = {session: seen.get(session, 0) + 1 for session in twice}
            found += [
                Violation("one persona", "two jobs of one persona run", session=session)
                for session, looks in seen.items()
                if looks == TWICE_FOR
            ]


def judge(outcome: Outcome, records: Records, receiver: Receiver) -> None:
    """Add to what was found on the way what the records tell."""
    faults = Faults(outcome.done)
    outcome.sessions = records.sessions
    calls: dict[str, Call] = {call.room: call for caller in outcome.callers for call in caller.calls}
    by_room: dict[str, list[int]] = {}
    over: dict[str, float] = {}
    found = [*records.wrong]
    for session in records.sessions:
        by_room.setdefault(session["room_name"], []).append(session["id"])
        over[session["room_name"]] = max(over.get(session["room_name"], 0.0), session["ended"] or math.inf)
        found += judge_session(session, calls.get(session["room_name"]), faults)
    for room, call in calls.items():
        rows = [row for session in by_room.get(room, []) for row in records.lines.get(session, [])]
        found += judge_lines(call, rows, faults)
        found += judge_call(call, faults, over=over.get(room))
    found += judge_events(records.events)
    received = [(each.headers.get("webhook-id", ""), each.body) for each in receiver.received]
    found += judge_webhooks(records.events, records.deliveries, received)
    outcome.violations += found
    outcome.counts = {
        "events": len(records.events),
        "webhooks": len(records.deliveries),
        "of them tried again": sum(1 for each in records.deliveries if each["attempts"] > 1),
        "personas lost": sum(len(session["lost"]) for session in records.sessions),
        "refusals to callers": sum(len(caller.refused) for caller in outcome.callers),
    }
