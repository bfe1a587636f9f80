"""A call whose models all fail: what its people hear, where a phone is sent, and when it ends."""

import time
from types import SimpleNamespace

import pytest
from livekit.agents.llm import ChatMessage

from agents import apologies
from agents.words import ENGLISH, GERMAN
from tests.support.call_doubles import Call, person
from tests.support.jobs import persona_job

pytestmark = pytest.mark.anyio

FALLBACK = "+17751234567"


async def test_a_call_whose_models_all_fail_twice_ends_with_a_word_and_says_why(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apologies, "PAUSE", 0.0)
    failure = SimpleNamespace(error=SimpleNamespace(recoverable=False), source=None)
    await call.until_begun()
    call.session.emit("error", SimpleNamespace(error=SimpleNamespace(recoverable=True), source=None))
    call.session.emit("error", failure)
    call.session.emit("error", failure)
    ended = await call.ended()
    assert (ended.reason, ended.failed) == ("model_failed", True)
    assert ENGLISH.sorry in call.session.acts


@pytest.mark.parametrize("problem", [None, "busy"])
async def test_a_phone_whose_models_all_fail_is_sent_to_the_fallback_number_or_hears_why_not(
    monkeypatch: pytest.MonkeyPatch, problem: str | None
) -> None:
    monkeypatch.setattr(apologies, "PAUSE", 0.0)
    call = Call(monkeypatch, job=persona_job(phone="sip_+1", fallback_number=FALLBACK))
    call.reporter.transferred = problem
    phone = person("sip_+1")
    phone.attributes = {"sip.callStatus": "active"}
    call.room.remote_participants["sip_+1"] = phone
    call.room.emit("participant_connected", phone)
    await call.until_begun()
    for _ in range(2):
        call.session.emit("error", SimpleNamespace(error=SimpleNamespace(recoverable=False), source=None))
    ended = await call.ended()
    assert (ended.reason, ended.failed) == ("model_failed", True)
    assert FALLBACK in call.reporter.reports
    assert (ENGLISH.sorry in call.session.acts) == (problem is not None)


async def test_without_a_phone_there_is_nobody_to_transfer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apologies, "PAUSE", 0.0)
    call = Call(monkeypatch, "somebody", job=persona_job(fallback_number=FALLBACK, language="de-AT"))
    await call.until_begun()
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
    await call.until_begun()
    for _ in range(3):
        call.session.emit("error", failure)
        call.session.emit("conversation_item_added", apology)
        call.session.emit("conversation_item_added", answer)
    call.conversation.end("api")
    assert (await call.ended()).reason == "api"
