"""A call that is to wind up: the word reaches the conversation, which finishes, says goodbye and ends; what it used is
reported turn by turn."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from livekit.agents.llm import ChatMessage
from livekit.agents.metrics import LLMMetrics, STTMetrics, TTSMetrics
from livekit.agents.metrics.base import Metadata
from livekit.rtc import DisconnectReason, EventEmitter, ParticipantKind

from agents import announcing, apologies, conversation
from agents.calling import PersonaJob
from agents.contract import (
    CallEnded,
    CallReady,
    CallStarted,
    Command,
    EndReason,
    Report,
    Submission,
    TransferAsked,
    UsageCounted,
)
from agents.conversation import Conversation
from agents.desk import JobDesk
from agents.reporter import Reporter
from agents.spool import Spool
from agents.words import ENGLISH, GERMAN
from tests.support.jobs import persona_job

pytestmark = pytest.mark.anyio

JOB = persona_job()
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

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *people: str, job: PersonaJob = JOB) -> None:
        self.session, self.reporter = FakeSession(), FakeReporter()
        monkeypatch.setattr(conversation, "build_session", lambda job, models, **_: self.session)
        self.models = FakeModels()
        self.room = FakeRoom(*people)
        self.conversation = Conversation(job, self.room, None, self.models, self.reporter, SETTINGS)  # type: ignore[arg-type]
        self.running = asyncio.create_task(self.conversation.run())

    def agent_goes(self, old: str, new: str) -> None:
        self.session.emit("agent_state_changed", SimpleNamespace(old_state=old, new_state=new))

    async def ended(self) -> CallEnded:
        await asyncio.wait_for(self.running, 5)
        last = self.reporter.reports[-1]
        assert isinstance(last, CallEnded)
        return last


@pytest.fixture
async def call(monkeypatch: pytest.MonkeyPatch) -> Call:
    """A call that has begun."""
    begun = Call(monkeypatch, "somebody")
    await asyncio.sleep(0)
    return begun


async def test_a_call_that_is_to_wind_up_says_goodbye_and_ends_well(call: Call) -> None:
    call.reporter.wind_up("budget")
    call.reporter.wind_up("budget")
    last = await call.ended()
    assert call.session.acts == [ENGLISH.goodbye]
    assert (last.reason, last.failed) == ("budget", False)


async def test_a_persona_in_an_empty_room_waits_and_then_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    call = Call(monkeypatch)
    for _ in range(5):
        await asyncio.sleep(0)
    assert [type(report) for report in call.reporter.reports] == [CallReady]
    call.room.emit("participant_connected", person("late"))
    call.reporter.end("api")
    assert (await call.ended()).reason == "api"
    assert [type(report) for report in call.reporter.reports][:2] == [CallReady, CallStarted]


async def test_a_persona_to_whom_nobody_comes_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "COME_WITHIN", 0.05)
    call = Call(monkeypatch)
    assert (await call.ended()).reason == "nobody_came"
    assert call.session.acts == []


async def test_what_is_being_said_is_finished_first(call: Call) -> None:
    speech = call.session.current_speech = FakeSpeech()
    call.reporter.wind_up("budget")
    for _ in range(5):
        await asyncio.sleep(0)
    assert call.session.acts == []
    speech.over.set()
    await call.ended()
    assert call.session.acts == [ENGLISH.goodbye]


async def test_whoever_wants_no_calls_hears_one_sentence_at_once(call: Call) -> None:
    call.session.current_speech = FakeSpeech()
    call.conversation._transcript.wish = "opted_out"
    call.reporter.wind_up("persona_ended")
    last = await call.ended()
    assert call.session.acts == ["interrupted", ENGLISH.goodbyes["opted_out"]]
    assert (last.reason, last.failed) == ("persona_ended", False)


async def test_a_caller_is_not_talked_over(call: Call) -> None:
    call.session.user_state = "speaking"
    call.reporter.wind_up("budget")
    for _ in range(5):
        await asyncio.sleep(0)
    assert call.session.acts == []
    call.session.user_state = "listening"
    await call.ended()
    assert call.session.acts == [ENGLISH.goodbye]


async def test_a_speech_without_end_is_not_waited_for(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "FINISH_WITHIN", 0.01)
    call.session.current_speech = FakeSpeech()
    call.reporter.wind_up("budget")
    assert (await call.ended()).reason == "budget"
    assert call.session.acts == ["interrupted", ENGLISH.goodbye]


async def test_an_end_at_once_does_not_wait_for_the_goodbye(call: Call) -> None:
    call.session.current_speech = FakeSpeech()
    call.reporter.wind_up("budget")
    await asyncio.sleep(0)
    call.reporter.end("api")
    assert (await call.ended()).reason == "api"
    assert call.session.acts == []


async def test_a_call_that_is_handed_on_ends_as_lost_and_without_a_goodbye(call: Call) -> None:
    call.session.current_speech = FakeSpeech()
    call.reporter.end("worker_lost")
    last = await call.ended()
    assert (last.reason, last.failed) == ("worker_lost", True)
    assert call.session.acts == []


async def test_a_persona_that_still_waits_for_somebody_is_handed_on_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    call = Call(monkeypatch)
    for _ in range(5):
        await asyncio.sleep(0)
    call.reporter.end("worker_lost")
    last = await call.ended()
    assert (last.reason, last.failed) == ("worker_lost", True)


def llm(tokens: int) -> LLMMetrics:
    return LLMMetrics(
        label="l",
        request_id="r",
        timestamp=0,
        duration=0,
        ttft=0,
        cancelled=False,
        completion_tokens=1,
        prompt_tokens=tokens,
        prompt_cached_tokens=0,
        total_tokens=tokens,
        tokens_per_second=0,
        metadata=Metadata(model_name="gpt-4o", model_provider="api.openai.com"),
    )


def stt(seconds: float) -> STTMetrics:
    named = Metadata(model_name="whisper-1", model_provider="api.openai.com")
    return STTMetrics(
        label="l",
        request_id="r",
        timestamp=0,
        duration=0,
        audio_duration=seconds,
        streamed=True,
        metadata=named,
    )


def tts(characters: int) -> TTSMetrics:
    return TTSMetrics(
        label="l",
        request_id="r",
        timestamp=0,
        ttfb=0,
        duration=0,
        audio_duration=1.5,
        cancelled=False,
        characters_count=characters,
        streamed=False,
        metadata=Metadata(model_name="tts-1", model_provider="api.openai.com"),
    )


async def test_each_turn_reports_what_it_used_and_the_end_reports_the_rest(call: Call) -> None:
    call.models.stt.emit("metrics_collected", stt(0.0))  # only tells of a connection
    call.models.stt.emit("metrics_collected", stt(2.5))
    call.models.llm.emit("metrics_collected", llm(100))
    call.models.llm.emit("metrics_collected", llm(0))  # cut off by the caller, who spoke on
    call.models.tts.emit("metrics_collected", tts(40))
    call.agent_goes("speaking", "listening")
    turn = {used.service: used for used in call.reporter.used()}
    assert (turn["llm"].input_tokens, turn["llm"].output_tokens, turn["llm"].requests) == (200, 2, 2)
    assert (turn["stt"].audio_seconds, turn["stt"].requests, turn["stt"].model) == (2.5, 1, "whisper-1")
    assert (turn["tts"].characters, turn["tts"].audio_seconds, turn["tts"].provider) == (40, 1.5, "api.openai.com")

    call.agent_goes("speaking", "listening")
    assert len(call.reporter.used()) == 3, "a turn that used nothing reports nothing"

    call.models.llm.emit("metrics_collected", llm(7))
    call.reporter.end("api")
    await call.ended()
    assert sum(used.input_tokens for used in call.reporter.used()) == 207
    assert isinstance(call.reporter.reports[-1], CallEnded), "nothing is reported after the end"


async def test_a_command_of_the_platform_reaches_the_job_process(tmp_path: Path) -> None:
    async def fetch(job_id: str) -> PersonaJob:
        return JOB

    async def submit(submission: Submission) -> None: ...

    async def ask(asked: TransferAsked) -> None: ...

    spool = Spool(tmp_path)
    desk = JobDesk(spool, fetch=fetch, submit=submit, ask=ask, on_report=lambda job_id, submission: None)
    await desk.open(tmp_path / "jobs.sock")
    heard: asyncio.Queue[Command] = asyncio.Queue()
    wanted = [Command(action="wind_up", job_id="AJ_1", reason="budget"), Command(action="end", job_id="AJ_1")]
    try:
        async with await Reporter.claim(tmp_path / "jobs.sock", "AJ_1", timeout=5) as reporter:
            reporter.on_command(heard.put_nowait)
            for command in wanted:
                desk.command(command)
            async with asyncio.timeout(5):
                assert [await heard.get(), await heard.get()] == wanted
    finally:
        await desk.close()
        spool.close()


@pytest.mark.parametrize("heard", [True, False])
async def test_the_first_word_waits_for_its_recording_but_not_for_long(
    monkeypatch: pytest.MonkeyPatch, heard: bool
) -> None:
    monkeypatch.setattr(announcing, "RECORDED_WITHIN", 5 if heard else 0.05)
    call = Call(monkeypatch, "somebody", job=JOB.model_copy(update={"recorded": True}))
    assert await call.room.shown.get() == {"parley.recorded": "true"}
    await asyncio.sleep(0)
    assert call.reporter.reports == []
    if heard:
        call.reporter.command(Command(action="recorded", job_id="AJ_1"))
    async with asyncio.timeout(2):
        while not any(isinstance(report, CallStarted) for report in call.reporter.reports):
            await asyncio.sleep(0.01)
    call.reporter.command(Command(action="unrecorded", job_id="AJ_1"))
    assert await call.room.shown.get() == {"parley.recorded": ""}
    call.reporter.end("api")
    await call.ended()


@pytest.mark.parametrize(
    ("how", "reason"),
    [(DisconnectReason.PARTICIPANT_REMOVED, "api"), (DisconnectReason.CLIENT_INITIATED, "caller_left")],
)
async def test_a_phone_that_the_platform_hangs_up_did_not_leave_by_itself(
    monkeypatch: pytest.MonkeyPatch, how: "DisconnectReason.ValueType", reason: str
) -> None:
    call = Call(monkeypatch, job=JOB.model_copy(update={"phone": "sip_1"}))
    phone = person("sip_1")
    phone.kind, phone.attributes = ParticipantKind.PARTICIPANT_KIND_SIP, {"sip.callStatus": "active"}
    call.room.remote_participants["sip_1"] = phone
    while not call.reporter.reports:
        await asyncio.sleep(0)
    del call.room.remote_participants["sip_1"]
    phone.disconnect_reason = how
    call.room.emit("participant_disconnected", phone)
    assert (await call.ended()).reason == reason


async def begun(call: Call) -> None:
    """Until the persona has the word."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_call_whose_models_all_fail_twice_ends_with_a_word_and_says_why(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apologies, "PAUSE", 0.0)
    failure = SimpleNamespace(error=SimpleNamespace(recoverable=False), source=None)
    await begun(call)
    call.session.emit("error", SimpleNamespace(error=SimpleNamespace(recoverable=True), source=None))
    call.session.emit("error", failure)
    call.session.emit("error", failure)
    ended = await call.ended()
    assert (ended.reason, ended.failed) == ("model_failed", True)
    assert ENGLISH.sorry in call.session.acts


FALLBACK = "+17751234567"


@pytest.mark.parametrize("problem", [None, "busy"])
async def test_a_phone_whose_models_all_fail_is_sent_to_the_fallback_number_or_hears_why_not(
    monkeypatch: pytest.MonkeyPatch, problem: str | None
) -> None:
    monkeypatch.setattr(apologies, "PAUSE", 0.0)
    call = Call(monkeypatch, job=JOB.model_copy(update={"phone": "sip_+1", "fallback_number": FALLBACK}))
    call.reporter.transferred = problem
    phone = person("sip_+1")
    phone.attributes = {"sip.callStatus": "active"}
    call.room.remote_participants["sip_+1"] = phone
    call.room.emit("participant_connected", phone)
    await begun(call)
    for _ in range(2):
        call.session.emit("error", SimpleNamespace(error=SimpleNamespace(recoverable=False), source=None))
    ended = await call.ended()
    assert (ended.reason, ended.failed) == ("model_failed", True)
    assert FALLBACK in call.reporter.reports
    assert (ENGLISH.sorry in call.session.acts) == (problem is not None)


async def test_without_a_phone_there_is_nobody_to_transfer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apologies, "PAUSE", 0.0)
    call = Call(monkeypatch, "somebody", job=JOB.model_copy(update={"fallback_number": FALLBACK, "language": "de-AT"}))
    await begun(call)
    for _ in range(2):
        call.session.emit("error", SimpleNamespace(error=SimpleNamespace(recoverable=False), source=None))
    await call.ended()
    assert FALLBACK not in call.reporter.reports
    assert GERMAN.sorry in call.session.acts


async def test_an_apology_between_two_answers_ends_nothing(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apologies, "PAUSE", 0.0)
    failure = SimpleNamespace(error=SimpleNamespace(recoverable=False), source=None)
    answer, apology = (
        SimpleNamespace(item=ChatMessage(role="assistant", content=[text]), created_at=time.time())
        for text in ("We open at nine.", ENGLISH.apology)
    )
    await begun(call)
    for _ in range(3):
        call.session.emit("error", failure)
        call.session.emit("conversation_item_added", apology)
        call.session.emit("conversation_item_added", answer)
    call.conversation.end("api")
    assert (await call.ended()).reason == "api"
