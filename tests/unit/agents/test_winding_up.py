"""A call that is to wind up: the word reaches the conversation, which finishes, says goodbye and ends."""

import asyncio
from pathlib import Path

import pytest
from livekit.rtc import DisconnectReason, ParticipantKind

from agents import conversation
from agents.calling import PersonaJob
from agents.contract import CallReady, CallStarted, Command, Submission, TransferAsked
from agents.desk import JobDesk
from agents.reporter import Reporter
from agents.spool import Spool
from agents.words import ENGLISH
from tests.support.call_doubles import Call, FakeSpeech, person
from tests.support.jobs import persona_job

pytestmark = pytest.mark.anyio


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


async def test_a_command_of_the_platform_reaches_the_job_process(tmp_path: Path) -> None:
    async def fetch(job_id: str) -> PersonaJob:
        return persona_job()

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


@pytest.mark.parametrize(
    ("how", "reason"),
    [(DisconnectReason.PARTICIPANT_REMOVED, "api"), (DisconnectReason.CLIENT_INITIATED, "caller_left")],
)
async def test_a_phone_that_the_platform_hangs_up_did_not_leave_by_itself(
    monkeypatch: pytest.MonkeyPatch, how: "DisconnectReason.ValueType", reason: str
) -> None:
    call = Call(monkeypatch, job=persona_job(phone="sip_1"))
    phone = person("sip_1")
    phone.kind, phone.attributes = ParticipantKind.PARTICIPANT_KIND_SIP, {"sip.callStatus": "active"}
    call.room.remote_participants["sip_1"] = phone
    while not call.reporter.reports:
        await asyncio.sleep(0)
    del call.room.remote_participants["sip_1"]
    phone.disconnect_reason = how
    call.room.emit("participant_disconnected", phone)
    assert (await call.ended()).reason == reason
