"""A conversation of a persona with doubles around it: its session, its room, its models and where it reports to."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from livekit.rtc import EventEmitter, ParticipantKind

from agents import conversation
from agents.calling import PersonaJob
from agents.contract import CallEnded, Command, EndReason, Report, UsageCounted
from agents.conversation import Conversation
from tests.support.jobs import persona_job

SETTINGS = SimpleNamespace(
    livekit_url="ws://127.0.0.1:1",
    tts_model="m",
    tts_voice="v",
    models_url=None,
    spool_dir=Path("/dev/null"),
    is_dense=False,
)


class FakeSpeech:
    """Something that is being said until `over`."""

    def __init__(self) -> None:
        self.over = asyncio.Event()

    async def wait_for_playout(self) -> None:
        await self.over.wait()


class FakeSession(EventEmitter[str]):
    """As much of the framework's session as a conversation touches; `acts` is what it was asked, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.acts: list[str] = []
        self.output = SimpleNamespace(audio=None, transcription=None)
        self.current_speech: FakeSpeech | None = None
        self.user_state = self.agent_state = "listening"

    async def start(self, *_: object, **__: object) -> None: ...

    async def aclose(self) -> None: ...

    async def interrupt(self, *, force: bool = False) -> None:
        if self.current_speech is not None and not self.current_speech.over.is_set():
            self.acts.append("interrupted")

    def say(self, text: str, *, allow_interruptions: bool = True, **_: object) -> asyncio.Future[None]:
        self.acts.append(text)
        said: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        said.set_result(None)
        return said


class FakeRoom(EventEmitter[str]):
    """A room with some people."""

    def __init__(self, *people: str) -> None:
        super().__init__()
        self.remote_participants = {identity: person(identity) for identity in people}
        self.shown: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self.local_participant = SimpleNamespace(set_attributes=self.shown.put)

    def register_text_stream_handler(self, _topic: str, _handler: object) -> None: ...


def person(identity: str) -> SimpleNamespace:
    return SimpleNamespace(identity=identity, kind=ParticipantKind.PARTICIPANT_KIND_STANDARD, attributes={})


class FakeReporter:
    """Keeps the reports, and passes commands of the platform on."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.command: Callable[[Command], None] = lambda command: None

    def report(self, report: Report) -> None:
        self.reports.append(report)

    def on_command(self, callback: Callable[[Command], None]) -> None:
        self.command = callback

    def end(self, reason: EndReason) -> None:
        self.command(Command(action="end", job_id="AJ_1", reason=reason))

    def wind_up(self, reason: EndReason) -> None:
        self.command(Command(action="wind_up", job_id="AJ_1", reason=reason))

    transferred: str | None = "busy"
    """Why a transfer failed; None where it was done."""

    async def transfer(self, to: str) -> str | None:
        self.reports.append(to)  # type: ignore[arg-type]
        return self.transferred

    def used(self) -> list[UsageCounted]:
        return [report for report in self.reports if isinstance(report, UsageCounted)]


class FakeModels:
    """As much of the models as a conversation touches."""

    def __init__(self) -> None:
        self.stt, self.llm, self.tts = (EventEmitter[str]() for _ in range(3))
        self.stt.unheard, self.stt.is_wide = (lambda: None), False
        self.counted = [self.stt, self.llm, self.tts]
        self.tools: list[object] = []
        self.pictures = None

    def on_change(self, tell: Callable[[Report], None]) -> None: ...


class Call:
    """A conversation with doubles around it."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *people: str,
        job: PersonaJob | None = None,
        session: FakeSession | None = None,
    ) -> None:
        self.session, self.reporter = session or FakeSession(), FakeReporter()
        monkeypatch.setattr(conversation, "build_session", lambda job, models, **_: self.session)
        self.models = FakeModels()
        self.room = FakeRoom(*people)
        doubles: Any = (self.room, None, self.models, self.reporter, SETTINGS)
        self.conversation = Conversation(job or persona_job(), *doubles)
        self.running = asyncio.create_task(self.conversation.run())

    def agent_goes(self, old: str, new: str) -> None:
        self.session.emit("agent_state_changed", SimpleNamespace(old_state=old, new_state=new))

    async def ended(self) -> CallEnded:
        async with asyncio.timeout(5):
            await self.running
        last = self.reporter.reports[-1]
        assert isinstance(last, CallEnded)
        return last

    async def until_begun(self) -> None:
        """Until the persona has the word."""
        for _ in range(10):
            await asyncio.sleep(0)
