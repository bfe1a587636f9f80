"""One trace for each call, from its token to its last line, through both planes' code."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agents.calling import PersonaJob
from agents.tracing import CallTraces
from guard import traces
from tests.support.platform import Platform
from tests.support.statements import statements
from tests.support.tracing import Collected, collecting
from tests.support.uplink import FakeWorker, ticket_of, worker

pytestmark = pytest.mark.anyio

SECRET = "Canary Nightingale, 12 Elm Street"
"""What a person says."""
T0 = datetime.now(UTC)


def at(seconds: float) -> str:
    return (T0 + timedelta(seconds=seconds)).isoformat()


class TracedWorker:
    """A worker's main process: its own code follows the call that the platform sees."""

    def __init__(self, fake: FakeWorker) -> None:
        self.fake, self.traces, self.sequence = fake, CallTraces(), 0

    async def open(self, ticket: str, job_id: str = "AJ_1", room: str = "proj_r") -> PersonaJob:
        self.traces.offered(job_id)
        job = PersonaJob.model_validate((await self.fake.exchange(ticket, job_id=job_id, room=room))["job"])
        self.traces.opened(job_id, job)
        return job

    async def report(self, job: PersonaJob, job_id: str = "AJ_1", **report: Any) -> None:
        self.sequence += 1
        report = {"at": datetime.now(UTC).isoformat()} | report
        self.traces.reported(job_id, report)
        await self.fake.say(
            type="report",
            session_id=job.session_id,
            epoch=job.epoch,
            sequence=self.sequence,
            capability=job.capability,
            report=report,
            trace=job.trace,
        )
        assert (await self.fake.hear("verdict"))["refused"] is None


async def speak(called: TracedWorker, job: PersonaJob) -> None:
    await called.report(job, type="call.started.v1")
    await called.report(job, type="line.spoken.v1", speaker="user", text=SECRET, timestamp_ms=1000, duration_ms=900)
    await called.report(
        job,
        type="tool.used.v1",
        name="end_call",
        arguments=f'{{"why": "{SECRET}"}}',
        result=SECRET,
        began_at=at(2),
        ms=40.0,
    )
    await called.report(job, type="tool.used.v1", name=SECRET, began_at=at(2), ms=1.0)
    await called.report(
        job,
        type="turn.measured.v1",
        speech_ended_at=at(1),
        audio_started_at=at(2),
        recognition_ms=200.0,
        retrieval_ms=100.0,
        model_ms=500.0,
        speech_ms=200.0,
        unanswered=SECRET,
    )
    await called.report(job, type="fault.seen.v1", service="llm", source=SECRET, reason=SECRET, recovered=True)
    await called.report(job, type="line.spoken.v1", speaker="agent", text=SECRET, timestamp_ms=4000)
    await called.report(job, type="call.ended.v1", reason="caller_left", duration_ms=5000)


def ids(collected: Collected) -> set[int]:
    return {span.parent.span_id for span in collected.spans() if span.parent is not None}


async def test_a_call_is_one_trace_from_its_token_to_its_last_line(platform: Platform) -> None:
    tenant = await platform.tenant()
    with collecting() as collected:
        async with worker(platform) as fake:
            called = TracedWorker(fake)
            job = await called.open(await ticket_of(tenant))
            assert job.trace
            await speak(called, job)
    assert collected.trace_ids() == {job.trace}
    names = collected.names()
    for name in ("token", "dispatch", "exchange", "worker.exchange", "join", "turn", "tool", "line", "fault", "call"):
        assert name in names, name
    for part in ("turn.recognition", "knowledge.search", "turn.model", "turn.speech"):
        parent, turn = collected.one(part).parent, collected.one("turn").context
        assert parent is not None
        assert turn is not None
        assert parent.span_id == turn.span_id
    assert names.count("line") == 2
    assert names.count("report") == 8
    root = collected.one("token")
    assert root.parent is None
    assert f"{root.context.span_id:016x}" == traces.root_of(job.trace)  # type: ignore[union-attr]
    known = {span.context.span_id for span in collected.spans() if span.context}
    assert ids(collected) <= known, "nothing hangs in the air"
    assert dict(collected.one("call").attributes or {})["parley.session"] == job.session_id


async def test_nothing_that_anybody_said_or_is_called_is_in_a_trace(platform: Platform) -> None:
    tenant = await platform.tenant()
    with collecting() as collected:
        async with worker(platform) as fake:
            called = TracedWorker(fake)
            job = await called.open(await ticket_of(tenant))
            await speak(called, job)
    told = collected.text()
    for personal in ("Nightingale", "Elm Street", "Ada", 'caller"', "proj_r", "Receptionist"):
        assert personal not in told, personal


async def test_a_token_costs_no_statement_more_with_traces(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    await ticket_of(tenant)
    body = {"identity": "caller", "room": "r"}
    with statements() as without:
        assert (await tenant.http.post("/token", json=body)).status_code == 200
    with collecting(), statements() as traced:
        assert (await tenant.http.post("/token", json=body)).status_code == 200
    assert len(traced) == len(without)


async def test_without_traces_a_job_carries_none(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        called = TracedWorker(fake)
        job = await called.open(await ticket_of(tenant))
        assert job.trace == ""
        await called.report(job, type="call.started.v1")
