"""What a persona was saying when its process died is on record, as far as it was heard at all."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from agents.audience import PersonaStated
from agents.begun import Begun
from agents.calling import PersonaJob, Resumed, Said
from agents.contract import LineInterim, LineSpoken, Submission
from agents.persona import CUT_OFF, Persona
from agents.worker import Taken, Worker
from tests.support.jobs import persona_job

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANSWER = "The garage costs twelve euros."


def interim(text: str, speaker: Any = "agent") -> LineInterim:
    return LineInterim(at=NOW, room_name="r", speaker=speaker, identity="agent-1", text=text, timestamp_ms=700)


def spoken(text: str) -> LineSpoken:
    return LineSpoken(at=NOW, speaker="agent", identity="agent-1", text=text, timestamp_ms=700)


def state(name: Any) -> PersonaStated:
    return PersonaStated(at=NOW, room_name="r", state=name)


SPEAKING, LISTENING = state("speaking"), state("listening")


async def told_after_death(worker: Worker, job: PersonaJob, *reports: Any) -> list[dict[str, Any]]:
    """What is on its way once the process of a job has died that had reported this."""

    async def exchanged() -> PersonaJob:
        return job

    exchange = asyncio.create_task(exchanged())
    await exchange
    worker._calls["AJ_1"] = Taken(exchange)
    for report in reports:
        content = report.model_dump(mode="json")
        told = Submission(session_id=job.session_id, epoch=job.epoch, sequence=0, capability="c", report=content)
        worker._on_report("AJ_1", told)
    worker._on_process_closed(SimpleNamespace(running_job=SimpleNamespace(job=SimpleNamespace(id="AJ_1"))))
    async with asyncio.timeout(20):
        await asyncio.gather(*worker._watches)
    waiting = worker.spool.waiting()
    assert [each.sequence for each in waiting] == sorted({each.sequence for each in waiting})
    return [each.report for each in waiting]


async def test_an_answer_that_died_in_mid_sentence_is_written_down_as_cut_off(worker: Worker) -> None:
    line, ended = await told_after_death(worker, persona_job(), interim("The"), SPEAKING, interim(ANSWER))
    assert (line["type"], line["text"], line["interrupted"]) == ("line.spoken.v1", ANSWER, True)
    assert (line["speaker"], line["identity"], line["timestamp_ms"]) == ("agent", "agent-1", 700)
    assert (ended["type"], ended["reason"]) == ("call.ended.v1", "worker_lost")


@pytest.mark.parametrize(
    "reports",
    [
        [],
        [interim(ANSWER)],
        [SPEAKING, interim(ANSWER), spoken(ANSWER)],
        [SPEAKING, interim(ANSWER), spoken(ANSWER), LISTENING, interim("We open at nine.")],
        [SPEAKING, interim(ANSWER), interim("")],
        [SPEAKING, interim("and on sundays", speaker="user")],
    ],
    ids=["nothing", "not heard yet", "written down", "the next one not heard yet", "taken back", "of a person"],
)
async def test_what_was_not_being_heard_is_not_made_up(worker: Worker, reports: list[Any]) -> None:
    told = await told_after_death(worker, persona_job(), *reports)
    assert [each["type"] for each in told] == ["call.ended.v1"]


async def test_where_no_words_are_kept_none_are_put_on_disk(worker: Worker) -> None:
    told = await told_after_death(worker, persona_job(keeps_words=False), SPEAKING, interim(ANSWER))
    assert [each["type"] for each in told] == ["call.ended.v1"]


@pytest.mark.parametrize(
    ("last", "asked"),
    [
        (Said(by="person", text="And on sundays?"), [{}]),
        (Said(by="persona", text=ANSWER, cut_off=True), [{"instructions": CUT_OFF}]),
        (Said(by="persona", text=ANSWER), []),
    ],
    ids=["a question", "an answer that was cut off", "an answer"],
)
def test_the_next_persona_goes_on_with_what_was_left_open(
    last: Said, asked: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[dict[str, str]] = []
    session = SimpleNamespace(say=lambda *_, **__: None, generate_reply=lambda **options: calls.append(options))
    monkeypatch.setattr(Persona, "session", session)
    Persona(persona_job(resumed=Resumed(elapsed=3.0, said=[last])), None, []).resume()
    assert calls == asked


def test_a_line_that_was_shown_after_it_was_written_down_is_no_other_one() -> None:
    begun = Begun()
    for report in (SPEAKING, spoken(ANSWER), interim(ANSWER)):
        begun.note(report.model_dump(mode="json"))
    assert begun.cut_off() is None
    begun.note(interim("We open at nine.").model_copy(update={"timestamp_ms": 9000}).model_dump(mode="json"))
    begun.note(spoken(ANSWER).model_dump(mode="json"))
    line = begun.cut_off()
    assert line is not None
    assert line.text == "We open at nine."
