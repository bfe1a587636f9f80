"""A call in virtual time: our session with scripted models, or the bare one of the framework to compare with."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from livekit.agents import Agent, AgentSession

from agents.apologies import Apologies, say_sorry
from agents.attempts import Limits
from agents.breaker import Breakers
from agents.calling import PersonaJob
from agents.chains import Member
from agents.happenings import Happenings
from agents.persona import Persona
from agents.prepared import Sounds
from agents.recognisers import Recognisers
from agents.replies import Replies
from agents.reporter import Reporter
from agents.transcript import Transcript
from agents.turns import build_session
from agents.voices import Voices
from tests.support.jobs import persona_job
from tests.support.scripted import Person, Room, ScriptedVAD, Told
from tests.support.virtual import BEGIN

LIMITS = {"llm": Limits(3.0, 3.0, 10.0), "tts": Limits(2.0, 2.0, 10.0), "stt": Limits(10.0, 10.0, 10.0)}
"""As the settings have them."""


def virtual_job(**fields: Any) -> PersonaJob:
    """A conversation that begins with the virtual clock."""
    told: dict[str, Any] = {
        "room_name": "r",
        "instructions": "You are kind.",
        "started_at": datetime.fromtimestamp(BEGIN, UTC),
        "turn_taking": {"detection": "vad", "vad_min_silence": 0.1},
    }
    return persona_job(**told | fields)


@dataclass
class Chains:
    """What a job's models are to a session."""

    llm: Any
    tts: Any
    stt: Any
    thinks: bool = False


def chained(
    llm: Sequence[Any],
    tts: Sequence[Any],
    stt: Sequence[Any],
    tell: Callable[[Any], None],
    breakers: Breakers | None = None,
) -> Chains:
    """Chains of these, with the limits of the settings."""
    breakers = breakers or Breakers()

    def members(service: str, models: Sequence[Any]) -> list[Member[Any]]:
        return [Member(model.name, model, breakers.of(service, model.name)) for model in models]

    return Chains(
        Replies(members("llm", llm), LIMITS["llm"], tell),
        Voices(members("tts", tts), LIMITS["tts"], tell),
        Recognisers(members("stt", stt), LIMITS["stt"], tell),
    )


@dataclass
class Call:
    """A call that runs: what is heard of it, and what it tells."""

    session: Any
    room: Room
    told: Told
    lost: list[float] = field(default_factory=list)


class _Writer:
    """The worker's end of the socket, which takes everything."""

    def __init__(self) -> None:
        self.lines: list[Any] = []

    def write(self, line: bytes) -> None:
        self.lines.append(json.loads(line))

    async def drain(self) -> None: ...

    def close(self) -> None: ...


@asynccontextmanager
async def bare_call(llm: Any, tts: Any, stt: Any, person: Person) -> AsyncIterator[Call]:
    """The framework's own session, with the turn taking of ours."""
    job = virtual_job()
    ours = build_session(job, Chains(llm, tts, stt), voices=ScriptedVAD())  # type: ignore[arg-type]
    async with _running(ours, Agent(instructions=job.instructions), person) as room:
        yield Call(ours, room, Told())


@asynccontextmanager
async def our_call(
    make: Callable[[Callable[[Any], None]], Chains],
    person: Person,
    folder: Path,
    *,
    knowledge: Any = None,
    tools: Sequence[Any] = (),
) -> AsyncIterator[Call]:
    """The session of a persona with all that listens to it."""
    job = virtual_job(knowledge_capability="k" if knowledge else None)
    reporter = Reporter(asyncio.StreamReader(), _Writer())  # type: ignore[arg-type]
    reporter._job = job
    told = Told()

    def report(each: Any) -> None:
        told.report(each)
        Reporter.report(reporter, each)

    reporter.report = report  # type: ignore[method-assign]
    sending = asyncio.create_task(reporter._send())
    chains = make(report)
    sounds = Sounds(folder, "voice")
    persona = Persona(job, knowledge, list(tools), sounds=sounds)
    session = build_session(job, chains, voices=ScriptedVAD())  # type: ignore[arg-type]
    transcript = Transcript(job, session, persona, reporter)
    transcript._speaker = lambda: ("person", "Person")  # type: ignore[method-assign]
    session.on("user_input_transcribed", transcript.transcribed)
    session.on("conversation_item_added", transcript.added)
    Happenings(session, persona, reporter)
    lost: list[float] = []

    async def leave() -> None:
        await say_sorry(session, sounds)
        lost.append(asyncio.get_running_loop().time())

    apologies = Apologies(session, sounds, may_speak=lambda: True, lost=leave, unheard=chains.stt.unheard)
    persona.on_silence = apologies.failed
    async with _running(session, persona, person) as room:
        yield Call(session, room, told, lost)
        await apologies.close()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


@asynccontextmanager
async def _running(session: AgentSession[Any], agent: Agent, person: Person) -> AsyncIterator[Room]:
    room = Room()
    session.input.audio = person
    session.output.audio = room
    await session.start(agent, session_host=False, record=False)
    try:
        yield room
    finally:
        await session.aclose()


async def at(moment: float) -> None:
    """Until this moment of the loop's clock."""
    await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))
