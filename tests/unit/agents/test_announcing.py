"""People are told that they are recorded: before anything else, once, to the end; when they had heard it is known."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from agents import announcing
from agents.announcing import Announcement
from agents.calling import PersonaJob, Resumed
from agents.contract import CallStarted, Command, OptedOut, RecordingAnnounced
from agents.redacting import Redacting
from agents.words import ENGLISH, LANGUAGES
from tests.support.call_doubles import Call, FakeSession
from tests.support.jobs import persona_job

pytestmark = pytest.mark.anyio

TELLS = persona_job(recorded=True, announces=True, greeting="Hello!")


class Spoken(asyncio.Future[None]):
    """A sentence that is heard once it is done, unless it was cut off or never spoken."""

    interrupted = False
    chat_items: tuple[str, ...] = ("heard",)

    async def wait_for_playout(self) -> None:
        await self


class SpeakingSession(FakeSession):
    """One whose sentences take until they are done."""

    def __init__(self) -> None:
        super().__init__()
        self.spoken: list[Spoken] = []
        self.interruptible: list[bool] = []

    def say(self, text: str, *, allow_interruptions: bool = True, **_: object) -> Spoken:
        self.acts.append(text)
        self.interruptible.append(allow_interruptions)
        self.spoken.append(Spoken())
        return self.spoken[-1]


class Telling(Call):
    """A conversation whose sentences end when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, job: PersonaJob = TELLS) -> None:
        speaking = SpeakingSession()
        super().__init__(monkeypatch, "somebody", job=job, session=speaking)
        self.says = speaking
        self.conversation.persona.greet = lambda: speaking.acts.append("greeting")  # type: ignore[method-assign]
        self.conversation.persona.resume = lambda: speaking.acts.append("bridge")  # type: ignore[method-assign]

    @property
    def told(self) -> list[str]:
        return [each.text for each in self.reporter.reports if isinstance(each, RecordingAnnounced)]

    async def heard(self, **how: Any) -> None:
        """The sentence that is being said is over."""
        sentence = self.says.spoken[-1]
        for name, value in how.items():
            setattr(sentence, name, value)
        sentence.set_result(None)
        await self.until_begun()

    async def over(self) -> None:
        self.reporter.end("api")
        await self.ended()


async def test_nothing_is_said_and_no_recorder_asked_before_people_have_heard_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(announcing, "RECORDED_WITHIN", 5)
    call = Telling(monkeypatch)
    await call.until_begun()
    assert (call.says.acts, call.says.interruptible) == ([ENGLISH.recorded], [False])
    assert any(isinstance(each, CallStarted) for each in call.reporter.reports)
    assert (call.told, call.room.shown.empty()) == ([], True)

    await call.heard()
    assert call.told == [ENGLISH.recorded]
    assert call.room.shown.get_nowait() == {"parley.recorded": "true"}
    assert call.says.acts == [ENGLISH.recorded], "the first word waits for the recorder"

    call.reporter.command(Command(action="recorded", job_id="AJ_1"))
    await call.until_begun()
    assert call.says.acts == [ENGLISH.recorded, "greeting"]
    assert len(call.told) == 1, "the recorder that hears the room is the one that was told of"
    await call.over()


@pytest.mark.parametrize("how", [{"interrupted": True}, {"chat_items": ()}])
async def test_a_sentence_that_was_cut_off_or_never_heard_tells_nobody(
    monkeypatch: pytest.MonkeyPatch, how: dict[str, Any]
) -> None:
    call = Telling(monkeypatch)
    await call.until_begun()
    await call.heard(**how)
    assert (call.told, call.room.shown.empty()) == ([], True)
    assert call.says.acts[-1] == "greeting", "the conversation goes on, and is not recorded"
    await call.over()


async def test_a_persona_that_comes_back_tells_what_the_one_before_did_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcing, "RECORDED_WITHIN", 0.01)
    call = Telling(monkeypatch, TELLS.model_copy(update={"resumed": Resumed(elapsed=3)}))
    await call.until_begun()
    await call.heard()
    assert call.told == [ENGLISH.recorded]
    async with asyncio.timeout(5):
        while call.says.acts[-1] != "bridge":
            await asyncio.sleep(0)
    await call.over()


@pytest.mark.parametrize("heard", [True, False])
async def test_the_first_word_waits_for_its_recording_but_not_for_long(
    monkeypatch: pytest.MonkeyPatch, heard: bool
) -> None:
    monkeypatch.setattr(announcing, "RECORDED_WITHIN", 5 if heard else 0.05)
    call = Call(monkeypatch, "somebody", job=persona_job(recorded=True))
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


async def test_a_recording_that_somebody_else_begins_is_told_of_as_it_begins_and_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    call = Telling(monkeypatch, TELLS.model_copy(update={"recorded": False}))
    await call.until_begun()
    assert call.says.acts == ["greeting"]
    for _ in range(2):
        call.reporter.command(Command(action="recorded", job_id="AJ_1"))
        await call.until_begun()
    assert call.says.acts == ["greeting", ENGLISH.recorded]
    await call.heard()
    call.reporter.command(Command(action="recorded", job_id="AJ_1"))
    await call.until_begun()
    assert (call.told, len(call.says.acts)) == ([ENGLISH.recorded], 2)
    await call.over()


async def test_a_room_that_is_recorded_already_is_told_of_before_the_greeting(monkeypatch: pytest.MonkeyPatch) -> None:
    call = Telling(monkeypatch, TELLS.model_copy(update={"recorded": False, "is_recording": True}))
    await call.until_begun()
    assert call.says.acts == [ENGLISH.recorded]
    await call.heard()
    assert (call.told, call.says.acts) == ([ENGLISH.recorded], [ENGLISH.recorded, "greeting"])
    await call.over()


async def test_a_project_that_does_not_announce_tells_nothing_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    call = Telling(monkeypatch, TELLS.model_copy(update={"recorded": False, "announces": False}))
    call.reporter.command(Command(action="recorded", job_id="AJ_1"))
    await call.until_begun()
    assert (call.told, call.says.acts) == ([], ["greeting"])
    await call.over()


@pytest.mark.parametrize("notice", ["", "We record this, {}."])
@pytest.mark.parametrize("language", LANGUAGES)
async def test_it_is_said_in_the_persons_language_or_in_words_of_ones_own(language: str, notice: str) -> None:
    session, reports = SpeakingSession(), []
    room = SimpleNamespace(local_participant=SimpleNamespace(set_attributes=asyncio.Queue[Any]().put))
    job = TELLS.model_copy(update={"language": language, "notice": notice})
    announcement = Announcement(job, room, session, SimpleNamespace(report=reports.append))  # type: ignore[arg-type]
    telling = asyncio.create_task(announcement.tell())
    await asyncio.sleep(0)
    session.spoken[0].set_result(None)
    assert await telling
    assert session.acts == [each.text for each in reports] == [notice or LANGUAGES[language].recorded]


@pytest.mark.parametrize(("keeps", "text"), [(True, "Recorded, dear [phone]."), (False, "")])
def test_when_it_was_said_is_kept_and_whom_it_names_is_not(keeps: bool, text: str) -> None:
    redacting = Redacting(TELLS.redaction, keeps_words=keeps)
    if keeps:
        redacting = Redacting(persona_job(redaction={"names": []}).redaction)
    told = RecordingAnnounced(at=TELLS.started_at, text="Recorded, dear +1 775 123 4567.")
    assert redacting.has_to_be_kept(told)
    assert redacting.clear(told).text == text


PHONE = "sip_+17751234567"


@pytest.mark.parametrize("hangs_up", [False, True])
async def test_the_key_for_it_ends_a_call_out_also_of_whoever_hangs_up_at_once(
    monkeypatch: pytest.MonkeyPatch, hangs_up: bool
) -> None:
    monkeypatch.setattr("agents.phone.ENTERED_AFTER", 60 if hangs_up else 0.01)
    job = persona_job(phone=PHONE, called=True, opt_out_key="9", hears_keys=False)
    call = Call(monkeypatch, PHONE, job=job)
    callee = call.room.remote_participants[PHONE]
    callee.attributes = {"sip.callStatus": "active"}
    await call.until_begun()
    call.room.emit("sip_dtmf_received", SimpleNamespace(digit="9", participant=callee))
    if hangs_up:
        call.reporter.end("caller_left")
    last = await call.ended()
    opted = [each for each in call.reporter.reports if isinstance(each, OptedOut)]
    assert [each.by for each in opted] == ["key"]
    goodbye = [] if hangs_up else [ENGLISH.goodbyes["opted_out"]]
    assert ([each for each in call.session.acts if each in goodbye], last.failed) == (goodbye, False)
