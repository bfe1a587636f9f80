"""A worker that dies in mid-answer: what its persona was heard saying is in the transcript, and the next one knows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select, update

from agents.calling import PersonaJob
from control_plane.sessions.models import SessionJob
from tests.integration.control_plane.test_brought_back import begin, dispatch_again, say
from tests.integration.control_plane.test_monitor import hear, monitor, subscribe
from tests.support.platform import Platform, Tenant
from tests.support.uplink import FakeWorker, lease_watch, ticket_of, watch_for, worker
from tests.support.webhooks import until

pytestmark = pytest.mark.anyio

ANSWER = "We open at nine, and"


async def show(fake: FakeWorker, job: PersonaJob, **report: Any) -> None:
    """Report what is not kept."""
    now = datetime.now(UTC).isoformat()
    about = {"session_id": job.session_id, "epoch": job.epoch, "sequence": 0, "capability": job.capability}
    await fake.say(type="report", **about, report={"at": now, "room_name": job.room_name} | report)


async def speak(platform: Platform, tenant: Tenant, fake: FakeWorker, job: PersonaJob, text: str, ms: int) -> None:
    """The persona is heard, and whoever watches reads what it says."""
    async with monitor(platform, tenant.key) as socket:
        await subscribe(socket, "room:r")
        await show(fake, job, type="persona.state.v1", state="speaking")
        about = {"speaker": "agent", "identity": job.identity, "timestamp_ms": ms}
        await show(fake, job, type="line.interim.v1", text=text, **about)
        await hear(socket, "transcript.new")


async def until_missed(platform: Platform) -> None:
    async def is_missed() -> bool:
        async with platform.database.platform() as db:
            lease = (await db.exec(select(SessionJob.lease_until))).one()
        return lease < datetime.now(UTC) + timedelta(seconds=1.5)

    await until(is_missed)


async def lines(tenant: Tenant, job: PersonaJob) -> list[tuple[str, str]]:
    transcript = (await tenant.http.get(f"/sessions/{job.session_id}/transcript")).json()["transcripts"]
    return [(line["speaker"], line["content"]) for line in transcript]


async def test_what_was_heard_of_an_answer_is_written_down_and_the_next_persona_knows_it(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform, name="w2") as other:
        async with worker(platform) as fake:
            job = await begin(platform, tenant, fake)
            await say(fake, job, 2, "user", "When do you open?")
            await speak(platform, tenant, fake, job, ANSWER, 3000)
        await until_missed(platform)
        assert await watch_for(*lease_watch(platform), 2) == 1
        said = [("user", "When do you open?"), ("agent", ANSWER)]
        assert await lines(tenant, job) == said
        (again,) = await dispatch_again(platform)
        second = PersonaJob.model_validate((await other.exchange(again["ticket"], job_id="AJ_2"))["job"])
        assert second.resumed is not None
        assert [(line.text, line.cut_off) for line in second.resumed.said] == [(said[0][1], False), (ANSWER, True)]


async def test_it_is_written_down_by_whoever_notices_first(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform, name="w2") as other:
        ticket = await ticket_of(tenant)
        async with worker(platform) as fake:
            job = PersonaJob.model_validate((await fake.exchange(ticket))["job"])
            await fake.report(job, 1, type="call.started.v1")
            await speak(platform, tenant, fake, job, ANSWER, 3000)
        await until_missed(platform)
        async with platform.database.platform() as db:
            await db.exec(update(SessionJob).values(lease_until=datetime.now(UTC) - timedelta(seconds=1)))
        second = PersonaJob.model_validate((await other.exchange(ticket, job_id="AJ_2"))["job"])
        assert second.resumed is not None
        assert [(line.text, line.cut_off) for line in second.resumed.said] == [(ANSWER, True)]
        assert await lines(tenant, job) == [("agent", ANSWER)]


async def test_what_was_written_down_already_is_not_written_twice(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = await begin(platform, tenant, fake)
        await speak(platform, tenant, fake, job, ANSWER, 3000)
        await say(fake, job, 3, "agent", "We open at nine, and close at five.")
    await until_missed(platform)
    assert await watch_for(*lease_watch(platform), 2) == 1
    assert await lines(tenant, job) == [("agent", "We open at nine, and close at five.")]


@pytest.mark.parametrize(("whole", "there"), [("We open at nine, and close at five.", []), ("Yes?", ["Yes?"])])
async def test_a_worker_that_is_back_too_late_does_not_tell_it_twice(
    platform: Platform, whole: str, there: list[str]
) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = await begin(platform, tenant, fake)
        await speak(platform, tenant, fake, job, ANSWER, 3000)
    await until_missed(platform)
    assert await watch_for(*lease_watch(platform), 2) == 1
    async with worker(platform) as fake:
        await say(fake, job, 3, "agent", whole)
    assert sorted(text for _, text in await lines(tenant, job)) == [ANSWER, *there]


async def test_a_worker_that_is_back_tells_it_itself(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = await begin(platform, tenant, fake)
        await speak(platform, tenant, fake, job, ANSWER, 3000)
    await until_missed(platform)
    async with worker(platform) as fake:
        await fake.say(type="heartbeat", calls=["AJ_1"])
        await say(fake, job, 3, "agent", "We open at nine.", interrupted=True)
        await show(fake, job, type="persona.state.v1", state="listening")
        await fake.report(job, 4, type="call.ended.v1", reason="worker_lost", failed=True, duration_ms=0)
    assert await lines(tenant, job) == [("agent", "We open at nine.")]


async def test_where_no_words_are_kept_these_are_not_either(platform: Platform) -> None:
    tenant = await platform.tenant()
    await tenant.http.patch(f"/projects/{tenant.project.id}", json={"store_transcripts": False})
    async with worker(platform) as fake:
        job = await begin(platform, tenant, fake)
        await speak(platform, tenant, fake, job, ANSWER, 3000)
    await until_missed(platform)
    async with platform.database.platform() as db:
        assert (await db.exec(select(SessionJob.begun))).one() is None
    assert await watch_for(*lease_watch(platform), 2) == 1
    assert await lines(tenant, job) == []
