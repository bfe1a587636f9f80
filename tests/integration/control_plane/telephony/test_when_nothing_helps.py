"""What becomes of people whom nothing helps any more: somebody else, an apology, or a word of the page; then an end."""

import asyncio
import json
from typing import Any

import pytest
from sqlmodel import col, select, update

from agents.calling import DispatchMetadata, PersonaJob
from control_plane.clock import Clock
from control_plane.events.models import Event
from control_plane.media.server import LiveParticipant, LiveRoom
from control_plane.rooms.models import Participant, Room
from control_plane.sessions.models import Slot, Worker
from control_plane.sessions.slots import StandingSigner
from control_plane.sessions.watch import BACK_WITHIN, TOLD_WITHIN, give_up, room_gone
from control_plane.supervisor.reconciler import Reconciler
from control_plane.telephony.models import Transfer
from sip.outcomes import of_status
from tests.support.calls import CALLEE, CALLER, ROOM, asked_for, calls_of, exchange, later
from tests.support.partings import work_off
from tests.support.platform import SECRET_KEY, Platform, Tenant
from tests.support.uplink import FakeWorker, ticket_of, worker
from tests.support.webhooks import until

pytestmark = pytest.mark.anyio


async def people_are_there(platform: Platform, room: str, identity: str, kind: str) -> None:
    platform.media.rooms[room] = LiveRoom(room, "RM_1", 1_700_000_000, 300, 0)
    person = LiveParticipant("PA_1", identity, "Ada", kind, "ACTIVE", 1_700_000_001, hidden=False, tracks=[])
    platform.media.people[room] = [person]
    await Reconciler(platform.database, platform.media, Clock()).reconcile()
    async with platform.database.platform() as db:
        assert (await db.exec(select(Participant.identity))).all() == [identity]


async def a_visitor(platform: Platform, tenant: Tenant, fake: FakeWorker) -> PersonaJob:
    job = PersonaJob.model_validate((await fake.exchange(await ticket_of(tenant)))["job"])
    await fake.report(job, 1, type="call.started.v1")
    await people_are_there(platform, "proj_r", "caller", "standard")
    return job


async def a_caller(
    platform: Platform, tenant: Tenant, line: DispatchMetadata, fake: FakeWorker, **agent: Any
) -> PersonaJob:
    known = (await tenant.http.get("/agents")).json()["agents"][0]["id"]
    assert (await tenant.http.patch(f"/agents/{known}", json=agent)).status_code == 200
    job = (await exchange(platform, line)).job
    assert job is not None
    await fake.report(job, 1, type="call.started.v1")
    await people_are_there(platform, ROOM, CALLER, "sip")
    return job


async def lose(platform: Platform, fake: FakeWorker, job: PersonaJob, times: int = 4) -> None:
    """The persona dies again and again."""
    async with platform.database.platform() as db:
        slot = (await db.exec(select(Slot.id).where(Slot.session_id == job.session_id))).one()
    ticket = str(StandingSigner(SECRET_KEY, "slot").sign(slot, job.persona_id))
    await fake.report(job, 9, type="call.ended.v1", reason="worker_lost", failed=True, duration_ms=0)
    for number in range(2, times + 1):
        answer = await fake.exchange(ticket, job_id=f"AJ_again_{number}", room=job.room_name)
        job = PersonaJob.model_validate(answer["job"])
        assert not job.only_apologises
        await fake.report(job, 9, type="call.ended.v1", reason="worker_lost", failed=True, duration_ms=0)


async def session_of(tenant: Tenant, job: PersonaJob) -> tuple[str, str | None, str | None]:
    session = (await tenant.http.get(f"/sessions/{job.session_id}/detail")).json()["session"]
    return session["status"], session["outcome"], session["end_reason"]


async def told(platform: Platform, kind: str) -> int:
    async with platform.database.platform() as db:
        return len((await db.exec(select(Event.id).where(Event.type == kind))).all())


def sent(platform: Platform, name: str) -> list[tuple[Any, ...]]:
    return [call for call in platform.media.calls if call[0] == name]


FAILED = ("completed", "failed", "worker_lost")


async def test_a_phone_is_transferred_to_the_fallback_number_once_however_often_that_is_begun(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    async with worker(platform) as fake:
        job = await a_caller(platform, tenant, line, fake, fallback_number=CALLEE)
        await lose(platform, fake, job)
        assert await session_of(tenant, job) == ("active", None, None)
        await asyncio.gather(*(work_off(platform) for _ in range(3)))
        await work_off(platform)
    assert [call[1:] for call in platform.dialer.calls if call[0] == "transfer"] == [(ROOM, CALLER, f"tel:{CALLEE}")]
    assert await session_of(tenant, job) == FAILED
    assert (await told(platform, "session.failed"), await told(platform, "session.ended")) == (1, 1)
    async with platform.database.platform() as db:
        (row,) = (await db.exec(select(Transfer))).all()
    assert (row.asked_by, row.status) == ("platform", "done")
    assert sent(platform, "send_data") == []


async def test_a_transfer_whose_maker_died_in_the_middle_is_not_made_again(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    async with worker(platform) as fake:
        job = await a_caller(platform, tenant, line, fake, fallback_number=CALLEE)
        await lose(platform, fake, job)
        (call,) = await calls_of(tenant)
        row = Transfer(
            project_id=tenant.project.id,
            call_id=call["id"],
            address=f"tel:{CALLEE}",
            asked_by="platform",
            longest_seconds=60,
            at=Clock().now(),
        )
        await platform.add(row)
        await work_off(platform)
    assert await asked_for(platform, "transfer") == 0
    assert await session_of(tenant, job) == FAILED


@pytest.mark.parametrize("why", ["policy", "busy"])
async def test_a_phone_that_may_not_be_transferred_hears_an_apology_of_a_worker(
    platform: Platform, tenant: Tenant, line: DispatchMetadata, why: str
) -> None:
    if why == "policy":
        policy = {"do_not_call": [CALLEE]}
        assert (await tenant.http.put(f"/projects/{tenant.project.id}/dial-policy", json=policy)).status_code == 200
    else:
        platform.dialer.answer = of_status(486, "Busy Here")
    async with worker(platform) as fake:
        job = await a_caller(platform, tenant, line, fake, fallback_number=CALLEE, language="de")
        await lose(platform, fake, job)
        working = asyncio.create_task(work_off(platform))

        async def is_dispatched() -> bool:
            return bool(sent(platform, "dispatch"))

        await until(is_dispatched)
        ticket = json.loads(sent(platform, "dispatch")[-1][2])["ticket"]
        answer = await fake.exchange(ticket, job_id="AJ_sorry", room=ROOM)
        apology = PersonaJob.model_validate(answer["job"])
        assert (apology.only_apologises, apology.recorded, apology.language) == (True, False, "de")
        second = await fake.exchange(ticket, job_id="AJ_sorry_2", room=ROOM)
        assert "already" in second["refused"]
        await fake.report(apology, 1, type="call.started.v1")
        await fake.report(apology, 2, type="call.ended.v1", reason="worker_lost", failed=True, duration_ms=5000)
        assert await working == 1
    assert await session_of(tenant, job) == FAILED
    assert await asked_for(platform, "transfer") == (0 if why == "policy" else 1)
    assert sent(platform, "send_data") == []


async def test_without_a_worker_pages_are_asked_to_say_it_themselves(platform: Platform, tenant: Tenant) -> None:
    async with worker(platform) as fake:
        job = await a_visitor(platform, tenant, fake)
        await fake.report(job, 2, type="call.ended.v1", reason="worker_lost", failed=True, duration_ms=0)
    async with platform.database.platform() as db:
        await db.exec(update(Worker).where(col(Worker.id) != "w1").values(connected=False))

    async def is_gone() -> bool:
        async with platform.database.platform() as db:
            return not any((await db.exec(select(Worker.connected))).all())

    await until(is_gone)
    await give_up(platform.database, later(BACK_WITHIN.total_seconds() - 5))
    assert await work_off(platform) == 0
    await give_up(platform.database, later(BACK_WITHIN.total_seconds() + 1))
    await give_up(platform.database, later(BACK_WITHIN.total_seconds() + 2))
    assert await session_of(tenant, job) == ("active", None, None)
    assert await work_off(platform) == 1
    ((_, room, data, topic, identities),) = sent(platform, "send_data")
    assert (room, json.loads(data), topic, identities) == (
        "proj_r",
        {"say": "sorry", "language": "en"},
        "parley.notice",
        [],
    )
    assert await session_of(tenant, job) == FAILED
    assert await work_off(platform) == 1
    assert len(sent(platform, "send_data")) == 1
    assert await told(platform, "session.failed") == 1


async def test_a_worker_that_takes_the_apology_and_dies_leaves_nobody_behind(
    platform: Platform, tenant: Tenant
) -> None:
    async with worker(platform) as fake:
        job = await a_visitor(platform, tenant, fake)
        await lose(platform, fake, job)
        working = asyncio.create_task(work_off(platform))

        async def is_dispatched() -> bool:
            return bool(sent(platform, "dispatch"))

        await until(is_dispatched)
        ticket = json.loads(sent(platform, "dispatch")[-1][2])["ticket"]
        apology = PersonaJob.model_validate((await fake.exchange(ticket, job_id="AJ_sorry"))["job"])
        await fake.report(apology, 1, type="call.ended.v1", reason="not_started", failed=True, duration_ms=0)
        await working
    assert await session_of(tenant, job) == FAILED


async def test_whoever_hangs_up_before_anything_is_said_has_been_failed_too(
    platform: Platform, tenant: Tenant, line: DispatchMetadata
) -> None:
    async with worker(platform) as fake:
        job = await a_caller(platform, tenant, line, fake, fallback_number=CALLEE)
        await lose(platform, fake, job)
        platform.media.people[ROOM] = []
        platform.media.rooms.clear()
        async with platform.database.platform() as db:
            await db.exec(update(Room).values(status="closed"))
        async with platform.database.platform() as db:
            await room_gone(db, Clock(), ROOM, "RM_1")
        assert await session_of(tenant, job) == FAILED
        await work_off(platform)
    assert await asked_for(platform, "transfer") == 0


async def test_a_session_that_was_given_up_and_goes_on_all_the_same_is_ended(
    platform: Platform, tenant: Tenant
) -> None:
    async with worker(platform) as fake:
        job = await a_visitor(platform, tenant, fake)
        await lose(platform, fake, job)
    soon, late = (BACK_WITHIN + TOLD_WITHIN).total_seconds() - 20, (BACK_WITHIN + TOLD_WITHIN).total_seconds() + 5
    await give_up(platform.database, later(soon))
    assert await session_of(tenant, job) == ("active", None, None)
    await give_up(platform.database, later(late))
    assert await session_of(tenant, job) == FAILED
