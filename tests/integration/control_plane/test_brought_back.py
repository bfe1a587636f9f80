"""A persona that is lost in mid-call comes back: once, in the same session, with what was said; or the call fails."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select, update

from agents.calling import PersonaJob
from control_plane.clock import Clock
from control_plane.events.models import Event
from control_plane.media.server import LiveParticipant, LiveRoom
from control_plane.rooms.models import Room
from control_plane.sessions.models import Session, SessionJob, Slot
from control_plane.sessions.slots import StandingSigner
from control_plane.sessions.watch import BACK_WITHIN, give_up, room_gone
from control_plane.supervisor.dispatch import redispatch
from control_plane.supervisor.reconciler import Reconciler
from guard import exposition
from tests.support.calls import later
from tests.support.partings import work_off
from tests.support.platform import SECRET_KEY, Platform, Tenant
from tests.support.scraping import read, value
from tests.support.uplink import FakeWorker, lease_watch, ticket_of, watch_for, worker
from tests.support.webhooks import until

pytestmark = pytest.mark.anyio


async def somebody_is_there(platform: Platform) -> None:
    came = int(time.time()) - 30
    platform.media.rooms["proj_r"] = LiveRoom("proj_r", "RM_1", came, 300, 0)
    platform.media.people["proj_r"] = [
        LiveParticipant("PA_1", "caller", "Ada", "standard", "ACTIVE", came, hidden=False, tracks=[])
    ]
    await Reconciler(platform.database, platform.media, Clock()).reconcile()


async def begin(platform: Platform, tenant: Tenant, fake: FakeWorker, ticket: str = "") -> PersonaJob:
    """A conversation of somebody who is there."""
    job = PersonaJob.model_validate((await fake.exchange(ticket or await ticket_of(tenant)))["job"])
    await fake.report(job, 1, type="call.started.v1")
    await somebody_is_there(platform)
    return job


async def say(
    fake: FakeWorker, job: PersonaJob, sequence: int, speaker: str, text: str, *, interrupted: bool = False
) -> None:
    identity = job.identity if speaker == "agent" else "caller"
    line = {"speaker": speaker, "identity": identity, "text": text, "timestamp_ms": sequence * 1000}
    line["interrupted"] = interrupted
    assert (await fake.report(job, sequence, type="line.spoken.v1", **line))["refused"] is None


async def lose(fake: FakeWorker, job: PersonaJob, sequence: int, reason: str = "worker_lost") -> None:
    await fake.report(job, sequence, type="call.ended.v1", reason=reason, failed=True, duration_ms=0)


async def dispatch_again(platform: Platform, clock: Clock | None = None) -> list[dict[str, Any]]:
    """What is dispatched now."""
    signer, held = StandingSigner(SECRET_KEY, "slot"), platform.settings.slot_lifetime
    before = len(platform.media.calls)
    await redispatch(platform.database, platform.media, clock or Clock(), signer, slot_lifetime=held)
    return [json.loads(call[2]) for call in platform.media.calls[before:] if call[0] == "dispatch"]


async def detail(tenant: Tenant, job: PersonaJob) -> dict[str, Any]:
    session: dict[str, Any] = (await tenant.http.get(f"/sessions/{job.session_id}/detail")).json()["session"]
    return session


async def test_what_a_lost_persona_left_in_the_room_is_put_out_before_the_next_one_is_asked_for(
    platform: Platform,
) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = await begin(platform, tenant, fake)
        await lose(fake, job, 2)
        (again,) = await dispatch_again(platform)
        left = ("remove_participant", "proj_r", job.identity)
        assert [call for call in platform.media.calls if call[0] in ("remove_participant", "dispatch")][-2:] == [
            left,
            ("dispatch", "proj_r", json.dumps(again, separators=(",", ":"))),
        ]


async def test_another_persona_is_told_that_the_last_answer_was_cut_off(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = await begin(platform, tenant, fake)
        await say(fake, job, 2, "user", "When do you open?")
        await say(fake, job, 3, "agent", "We open at", interrupted=True)
        await lose(fake, job, 4)
        (again,) = await dispatch_again(platform)
        second = PersonaJob.model_validate((await fake.exchange(again["ticket"], job_id="AJ_2"))["job"])
        assert second.resumed is not None
        assert [(line.text, line.cut_off) for line in second.resumed.said] == [
            ("When do you open?", False),
            ("We open at", True),
        ]


async def test_another_persona_goes_on_with_what_was_said(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = await begin(platform, tenant, fake)
        assert job.resumed is None
        await say(fake, job, 2, "agent", "Hello Ada.")
        await say(fake, job, 3, "user", "My name is Grace.")
        await lose(fake, job, 4)
        assert (await detail(tenant, job))["status"] == "active"
        (again,) = await dispatch_again(platform)
        assert again["identity"] == job.identity
        assert await dispatch_again(platform) == []  # one is on its way
        second = PersonaJob.model_validate((await fake.exchange(again["ticket"], job_id="AJ_2"))["job"])
        assert (second.session_id, second.epoch, second.identity) == (job.session_id, 2, job.identity)
        assert second.instructions == job.instructions
        assert second.resumed is not None
        assert [(line.by, line.text) for line in second.resumed.said] == [
            ("persona", "Hello Ada."),
            ("person", "My name is Grace."),
        ]
        assert 0 <= second.resumed.elapsed < 60
        await fake.report(second, 1, type="call.started.v1")
        await fake.report(second, 2, type="call.ended.v1", reason="caller_left", duration_ms=1)
    session = await detail(tenant, job)
    assert (session["status"], session["outcome"], session["end_reason"]) == ("completed", "ok", "caller_left")
    async with platform.database.platform() as db:
        told = (await db.exec(select(Event.type).order_by(col(Event.id)))).all()
    assert (told.count("session.started"), told.count("session.ended"), told.count("session.failed")) == (1, 1, 0)


async def test_what_a_persona_tells_that_was_replaced_stands_before_what_the_next_one_tells(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = await begin(platform, tenant, fake)
        async with platform.database.platform() as db:
            await db.exec(update(Session).values(started_at=datetime.now(UTC) - timedelta(seconds=20)))
        await say(fake, job, 2, "user", "Are you there?")
        await lose(fake, job, 9)
        (again,) = await dispatch_again(platform)
        second = PersonaJob.model_validate((await fake.exchange(again["ticket"], job_id="AJ_2"))["job"])
        await say(fake, second, 30, "agent", "I am sorry.")
        await say(fake, job, 40, "user", "Hello?")  # its process stood still, and takes what waited for it for new
        lines = (await tenant.http.get(f"/sessions/{job.session_id}/transcript")).json()["transcripts"]
    assert [line["content"] for line in lines] == ["Are you there?", "Hello?", "I am sorry."]


async def test_however_often_a_persona_is_dispatched_one_comes(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        first = await ticket_of(tenant)
        await lose(fake, await begin(platform, tenant, fake, first), 2)
        (again,) = await dispatch_again(platform)
        (late,) = await dispatch_again(platform, later(5))
        assert (await fake.exchange(late["ticket"], job_id="AJ_2"))["job"]["epoch"] == 2
        for number, ticket in enumerate((again["ticket"], late["ticket"], first), 3):
            assert "already" in (await fake.exchange(ticket, job_id=f"AJ_{number}"))["refused"]
        assert await dispatch_again(platform) == []


async def test_how_long_a_caller_was_without_their_persona_is_measured(platform: Platform) -> None:
    tenant = await platform.tenant()

    def measured() -> float:
        return value(read(exposition.text().decode()), "parley_respawn_seconds_count")

    before = measured()
    async with worker(platform) as fake:
        await lose(fake, await begin(platform, tenant, fake), 2)
        (again,) = await dispatch_again(platform)
        job = PersonaJob.model_validate((await fake.exchange(again["ticket"], job_id="AJ_2"))["job"])
        for sequence in (1, 1):  # repeated, as any report may be
            await fake.report(job, sequence, type="call.started.v1")
    assert measured() - before == 1


async def test_a_worker_that_dies_is_replaced_by_another(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform, name="w2"):
        async with worker(platform) as fake:
            job = await begin(platform, tenant, fake)

        async def is_missed() -> bool:
            async with platform.database.platform() as db:
                lease = (await db.exec(select(SessionJob.lease_until))).one()
            return lease < datetime.now(UTC) + timedelta(seconds=1.5)

        await until(is_missed)
        leases, clock = lease_watch(platform)
        assert await watch_for(leases, clock, 2) == 1
        (again,) = await dispatch_again(platform)
        assert again["identity"] == job.identity


async def test_nobody_is_dispatched_where_no_worker_has_a_place(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = await begin(platform, tenant, fake)
        await lose(fake, job, 2)
        async with platform.database.platform() as db:
            slot = (await db.exec(select(Slot))).one()
            busy = [
                SessionJob(
                    project_id=slot.project_id,
                    session_id=job.session_id,
                    epoch=100 + number,
                    livekit_job_id=f"AJ_busy_{number}",
                    persona_id=10_000 + number,
                    identity=f"agent-{10_000 + number}",
                    worker_id="w1",
                    accepted_at=datetime.now(UTC),
                    lease_until=datetime.now(UTC) + timedelta(minutes=1),
                )
                for number in range(10)
            ]
            db.add_all(busy)
        assert await dispatch_again(platform) == []
        async with platform.database.platform() as db:
            await db.exec(
                update(SessionJob)
                .where(col(SessionJob.livekit_job_id) == "AJ_busy_0")
                .values(ended_at=datetime.now(UTC), identity="bot-of-a-host")
            )
        assert len(await dispatch_again(platform)) == 1


async def test_a_conversation_that_loses_its_persona_again_and_again_has_failed(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = await begin(platform, tenant, fake)
        for number in range(2, 5):
            await lose(fake, job, 9)
            (again,) = await dispatch_again(platform)
            job = PersonaJob.model_validate((await fake.exchange(again["ticket"], job_id=f"AJ_{number}"))["job"])
        await lose(fake, job, 9, "displaced")
    assert (await detail(tenant, job))["status"] == "active", (
        "its people are told first: telephony/test_when_nothing_helps"
    )
    await work_off(platform)
    session = await detail(tenant, job)
    assert (session["status"], session["outcome"], session["end_reason"]) == ("completed", "failed", "displaced")


async def test_a_persona_that_nobody_misses_is_not_brought_back(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = await begin(platform, tenant, fake)
        platform.media.people["proj_r"] = []
        await Reconciler(platform.database, platform.media, Clock()).reconcile()
        await lose(fake, job, 2)
    session = await detail(tenant, job)
    assert (session["status"], session["outcome"], session["end_reason"]) == ("completed", "ok", "caller_left")


async def test_who_hangs_up_as_their_persona_is_handed_on_has_missed_nothing(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = await begin(platform, tenant, fake)
        await lose(fake, job, 2)
    platform.media.people["proj_r"] = []
    await Reconciler(platform.database, platform.media, Clock()).reconcile()
    await give_up(platform.database, later(BACK_WITHIN.total_seconds() + 1))
    session = await detail(tenant, job)
    assert (session["status"], session["outcome"], session["end_reason"]) == ("completed", "ok", "caller_left")


@pytest.mark.parametrize("how", ["nobody comes", "the caller hangs up"])
async def test_a_persona_that_does_not_come_back_has_failed_its_caller(platform: Platform, how: str) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = await begin(platform, tenant, fake)
        await lose(fake, job, 2)
    await give_up(platform.database, later(BACK_WITHIN.total_seconds() - 5))
    assert (await detail(tenant, job))["status"] == "active"
    if how == "nobody comes":
        await give_up(platform.database, later(BACK_WITHIN.total_seconds() + 1))
        await work_off(platform)
    else:
        async with platform.database.platform() as db:
            await db.exec(update(Room).values(status="closed"))
        async with platform.database.platform() as db:
            await room_gone(db, Clock(), "proj_r", "RM_1")
    session = await detail(tenant, job)
    assert (session["status"], session["outcome"], session["end_reason"]) == ("completed", "failed", "worker_lost")


async def test_bots_take_no_places_of_callers(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = await begin(platform, tenant, fake)
        async with platform.database.platform() as db:
            for number in range(10):
                db.add(
                    SessionJob(
                        project_id=job.project_id,
                        session_id=job.session_id,
                        epoch=100 + number,
                        livekit_job_id=f"bot-{number}",
                        persona_id=0,
                        identity=f"bot-{number}",
                        worker_id="bots",
                        accepted_at=datetime.now(UTC),
                        lease_until=datetime.now(UTC) + timedelta(minutes=1),
                    )
                )
        assert (await tenant.http.post("/token", json={"identity": "u", "room": "another"})).status_code == 200
