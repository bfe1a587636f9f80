"""A call with scripted models: our session, our whole conversation, or the framework's bare session to compare with.

All by the clock of the loop, virtual or real.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from livekit.agents import Agent, AgentSession, vad
from livekit.agents.voice import io, room_io

from agents.apologies import Apologies, say_sorry
from agents.attempts import Limits
from agents.breaker import Breakers
from agents.calling import PersonaJob
from agents.chains import Member
from agents.conversation import Conversation
from agents.happenings import Happenings
from agents.persona import Persona
from agents.prepared import Sounds
from agents.recognisers import Recognisers
from agents.replies import Replies
from agents.reporter import Reporter
from agents.settings import WorkerSettings
from agents.transcript import Transcript
from agents.turns import build_session
from agents.voices import Voices
from tests.support.jobs import persona_job
from tests.support.memory_room import MemoryRoom
from tests.support.scripted import Person, Room, ScriptedVAD, Told
from tests.support.virtual import BEGIN

SEQUENCE = re.compile(rb'"sequence": ([1-9][0-9]*)')
"""In a report that is to be kept."""
LIMITS = {"llm": Limits(3.0, 3.0, 10.0), "tts": Limits(2.0, 2.0, 10.0), "stt": Limits(10.0, 10.0, 10.0)}
"""As the settings have them."""


ONLY_TEXT = room_io.RoomOptions(
    audio_input=False, audio_output=False, text_output=room_io.TextOutputOptions(sync_transcription=False)
)
"""Of a room whose sound is somewhere else."""


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
    tools: Sequence[Any] = ()
    pictures: Any = None

    @property
    def counted(self) -> list[Any]:
        return [self.stt, self.llm, self.tts]

    def on_change(self, tell: Callable[[Any], None]) -> None: ...


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
async def bare_call(
    llm: Any, tts: Any, stt: Any, person: Person, *, in_room: bool = False, **fields: Any
) -> AsyncIterator[Call]:
    """The framework's own session, with the turn taking of ours; `in_room` also shows what is said."""
    job = virtual_job(**fields)
    ours = build_session(job, Chains(llm, tts, stt), voices=ScriptedVAD())  # type: ignore[arg-type]
    async with _running(ours, Agent(instructions=job.instructions), person, in_room=in_room) as room:
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


class MainProcess:
    """The worker's main process as a job knows it: keeps each report, until it is stopped and takes nothing more."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader()
        self._is_stuck = False

    def stop(self) -> None:
        self._is_stuck = True

    def write(self, line: bytes) -> None:
        sequence = SEQUENCE.search(line)
        if sequence and not self._is_stuck:
            self.reader.feed_data(b'{"kept": %b}\n' % sequence[1])

    async def drain(self) -> None:
        if self._is_stuck:
            await asyncio.get_running_loop().create_future()

    def close(self) -> None: ...


class _Telling(Reporter):
    """Remembers what is reported."""

    def __init__(self, reader: asyncio.StreamReader, writer: Any, job: PersonaJob, told: Told) -> None:
        super().__init__(reader, writer)
        self._job, self._told = job, told

    def report(self, report: Any) -> None:
        self._told.report(report)
        super().report(report)


@asynccontextmanager
async def whole_call(
    job: PersonaJob,
    chains: Chains,
    person: io.AudioInput,
    folder: Path,
    *,
    knowledge: Any = None,
    main: tuple[asyncio.StreamReader, Any] | None = None,
    voices: vad.VAD | None = None,
) -> AsyncIterator[Call]:
    """A conversation as a job runs it, in a room in memory. `main` are the two ends of its line to the main process,
    `voices` what finds speech instead of a scripted one."""
    if main is None:
        kept = MainProcess()
        main = kept.reader, kept
    told, room = Told(), Room()
    settings = WorkerSettings(
        environment="development",
        worker_token="token",
        livekit_api_key="devkey",
        livekit_api_secret="secret",
        spool_dir=folder,
    )
    async with _Telling(*main, job, told) as reporter:
        conversation = Conversation(job, MemoryRoom(), knowledge, chains, reporter, settings)  # type: ignore[arg-type]
        session = conversation.session
        session._vad = voices or ScriptedVAD()
        session.input.audio, session.output.audio = person, room
        running = asyncio.create_task(conversation.run())
        try:
            yield Call(session, room, told)
        finally:
            conversation.end("api")
            await running


@asynccontextmanager
async def _running(
    session: AgentSession[Any], agent: Agent, person: Person, *, in_room: bool = False
) -> AsyncIterator[Room]:
    room = Room()
    session.input.audio = person
    session.output.audio = room
    around: dict[str, Any] = {"room": MemoryRoom(), "room_options": ONLY_TEXT} if in_room else {}
    await session.start(agent, session_host=False, record=False, **around)
    try:
        yield room
    finally:
        await session.aclose()


async def at(moment: float) -> None:
    """Until this moment of the loop's clock."""
    await asyncio.sleep(max(0.0, moment - asyncio.get_running_loop().time()))
