"""What a worker's main process counts for its calls: what their processes report passes through it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agents import metrics
from agents.breaker import Breakers
from agents.calling import PersonaJob
from agents.chains import Chain, Member
from agents.contract import CallEnded, Submission, TransferAsked, TurnMeasured
from agents.desk import JobDesk
from agents.reporter import Reporter
from agents.spool import Spool
from agents.tally import take_attempts
from guard import exposition
from tests.support.jobs import persona_job
from tests.support.scraping import Labels, read, value

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)
JOB = persona_job(started_at=NOW, trace="0" * 31 + "1")
Found = dict[str, dict[Labels, float]]


def scrape() -> Found:
    return read(exposition.text().decode())


@asynccontextmanager
async def a_call(folder: Path) -> AsyncIterator[tuple[Reporter, list[Submission]]]:
    """A call's process and its main process; what reached the latter."""
    kept: list[Submission] = []

    async def fetch(job_id: str) -> PersonaJob:
        return JOB

    async def submit(submission: Submission) -> None: ...

    async def ask(asked: TransferAsked) -> None: ...

    spool = Spool(folder / "spool")
    desk = JobDesk(spool, fetch=fetch, submit=submit, ask=ask, on_report=lambda _, submission: kept.append(submission))
    await desk.open(folder / "jobs.sock")
    try:
        async with await Reporter.claim(folder / "jobs.sock", "AJ_1", timeout=20) as reporter:
            yield reporter, kept
        async with asyncio.timeout(20):
            while desk._lines:
                await asyncio.sleep(0.01)
    finally:
        await desk.close()
        spool.close()


async def test_models_that_a_call_asked_are_counted_by_what_they_did(tmp_path: Path) -> None:
    take_attempts()
    before = scrape()
    breakers = Breakers()
    members = [Member(name, name, breakers.of("llm", name)) for name in ("first", "second")]
    chain = Chain("llm", members, lambda _: None)
    async with a_call(tmp_path) as (reporter, _):
        for error in (TimeoutError(), OSError()):
            with pytest.raises(type(error)), chain.asking(members[0], is_last=False):
                raise error
        with chain.asking(members[1], is_last=True):
            pass
        reporter.report(CallEnded(at=NOW, reason="api", duration_ms=1))
    after = scrape()

    def counted(outcome: str) -> float:
        name, labels = "parley_model_attempts_total", {"service": "llm", "outcome": outcome}
        return value(after, name, **labels) - value(before, name, **labels)

    assert (counted("answered"), counted("failed"), counted("silent")) == (1, 1, 1)
    assert take_attempts() == []


async def test_every_report_of_a_call_names_its_trace(tmp_path: Path) -> None:
    async with a_call(tmp_path) as (reporter, kept):
        reporter.report(CallEnded(at=NOW, reason="api", duration_ms=1))
    assert [submission.trace for submission in kept] == [JOB.trace]


def test_what_a_process_makes_up_is_no_label() -> None:
    before = scrape()
    metrics.show_attempts([["llm", "exploded", 1], ["canary", "failed", 1]])
    assert scrape().get("parley_model_attempts_total") == before.get("parley_model_attempts_total")


def test_turns_and_ends_are_counted_from_their_reports() -> None:
    before = scrape()
    turn = TurnMeasured(
        at=NOW,
        speech_ended_at=NOW,
        audio_started_at=NOW + timedelta(seconds=1.2),
        model_ms=700.0,
        retrieval_ms=0.0,
        speech_ms=500.0,
    )
    metrics.show_report(turn.model_dump(mode="json"))
    greeting = TurnMeasured(at=NOW, audio_started_at=NOW)  # answers nobody's speech
    metrics.show_report(greeting.model_dump(mode="json"))
    metrics.show_report(CallEnded(at=NOW, reason="worker_lost", duration_ms=1).model_dump(mode="json"))
    after = scrape()

    def added(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert added("parley_turn_seconds_count", part="all") == 1
    assert added("parley_turn_seconds_sum", part="all") == pytest.approx(1.2)
    assert added("parley_turn_seconds_sum", part="model") == pytest.approx(0.7)
    assert added("parley_turn_seconds_count", part="retrieval") == 1
    assert added("parley_turn_seconds_count", part="recognition") == 0
    assert added("parley_worker_calls_ended_total", reason="worker_lost") == 1
