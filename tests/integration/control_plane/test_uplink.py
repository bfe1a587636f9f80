"""The uplink as a worker uses it: tickets, reports, repeats, leases, loss."""

import asyncio
import json
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from sqlmodel import col, select, update
from websockets.exceptions import ConnectionClosed

from agents.calling import PersonaJob
from control_plane.clock import Clock
from control_plane.events.log import EventLog
from control_plane.events.models import Event
from control_plane.rooms.models import Participant, Room
from control_plane.sessions.ending import end_session, lock_session
from control_plane.sessions.models import Session, SessionJob, Slot, Worker
from control_plane.sessions.watch import room_gone
from tests.support.database import somebody_waits
from tests.support.platform import Platform, Tenant
from tests.support.statements import statements
from tests.support.uplink import FakeWorker, lease_watch, ticket_of, watch_for, worker
from tests.support.uplink_client import submission_of

pytestmark = pytest.mark.anyio


async def open_call(platform: Platform, tenant: Tenant, fake: FakeWorker) -> PersonaJob:
    """A session that has started."""
    job = PersonaJob.model_validate((await fake.exchange(await ticket_of(tenant)))["job"])
    assert (await fake.report(job, 1, type="call.started.v1"))["refused"] is None
    return job


async def facts(platform: Platform) -> list[str]:
    async with platform.database.platform() as db:
        return list((await db.exec(select(Event.type).order_by(col(Event.id)))).all())


async def connected(platform: Platform) -> bool:
    async with platform.database.platform() as db:
        return (await db.exec(select(Worker.connected))).one()


async def come_and_go(platform: Platform, tenant: Tenant) -> None:
    """The caller of that session has been in its room, as LiveKit tells it."""
    room = Room(project_id=tenant.project.id, name="r", full_name="proj_r", sid="RM_1", origin="token")
    await platform.add(room)
    now = datetime.now(UTC)
    about = {"project_id": tenant.project.id, "room_id": room.id, "sid": "PA_1", "identity": "caller"}
    await platform.add(Participant(**about, kind="standard", joined_at=now, left_at=now))


async def close_room(platform: Platform) -> None:
    """LiveKit has finished that room."""
    async with platform.database.platform() as db:
        await db.exec(update(Room).values(status="closed"))
        await room_gone(db, Clock(), "proj_r", "RM_1")


async def session_of(tenant: Tenant, job: PersonaJob) -> dict[str, Any]:
    session: dict[str, Any] = (await tenant.http.get(f"/sessions/{job.session_id}/detail")).json()["session"]
    return session


async def test_a_wrong_worker_token_opens_nothing(platform: Platform) -> None:
    with pytest.raises(ConnectionClosed) as closed:
        async with worker(platform, token="wrong"):
            pass
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4001


async def test_a_ticket_becomes_a_job_with_all_a_call_needs(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = PersonaJob.model_validate((await fake.exchange(await ticket_of(tenant)))["job"])
    assert (job.instructions, job.greeting) == ("You help Ada.", "Hello Ada.")
    assert (job.room_name, job.identity, job.epoch) == ("proj_r", "agent-" + str(job.persona_id), 1)


async def test_the_same_job_gets_the_same_session_again(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        ticket = await ticket_of(tenant)
        first, second = await fake.exchange(ticket), await fake.exchange(ticket)
    assert first["job"]["session_id"] == second["job"]["session_id"]
    assert first["job"]["epoch"] == second["job"]["epoch"] == 1


async def test_tickets_that_open_nothing_are_refused_by_word(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        ticket = await ticket_of(tenant)
        assert (await fake.exchange("tk_wrong.1"))["refused"]
        assert (await fake.exchange("nonsense"))["refused"]
        assert (await fake.exchange(ticket, room="proj_other"))["refused"]
        async with platform.database.platform() as db:
            await db.exec(update(Slot).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
        assert "expired" in (await fake.exchange(ticket))["refused"]


async def test_a_line_reported_twice_is_kept_once(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = await open_call(platform, tenant, fake)
        line = {"type": "line.spoken.v1", "speaker": "user", "text": "Hello\x00 there", "timestamp_ms": 1200}
        for _ in range(3):
            assert (await fake.report(job, 2, **line))["refused"] is None
    transcript = (await tenant.http.get(f"/sessions/{job.session_id}/transcript")).json()["transcripts"]
    assert [(entry["speaker"], entry["content"]) for entry in transcript] == [("user", "Hello there")]
    assert (await facts(platform)).count("transcript.line") == 1


async def test_reports_that_come_together_are_written_together_and_each_has_its_verdict(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = await open_call(platform, tenant, fake)
    uplink, lines = platform.app.state.uplink, range(2, 22)
    line = {"type": "line.spoken.v1", "speaker": "user"}
    said = [submission_of(job, n, text=f"line {n}", timestamp_ms=n, **line) for n in lines]
    with statements() as sent:
        verdicts = await uplink.submit(*said)
    assert [(each.sequence, each.refused) for each in verdicts] == [(n, None) for n in lines]
    assert len(sent) <= len(said) + 6, "the session, its facts and the commit once for all"
    forged = submission_of(job, 30, type="line.whistled.v9")
    with_one = await uplink.submit(said[0], forged, submission_of(job, 22, **said[0].report))
    assert [(each.sequence, each.refused is None) for each in with_one] == [(2, True), (30, False), (22, True)]
    transcript = (await tenant.http.get(f"/sessions/{job.session_id}/transcript")).json()["transcripts"]
    assert sorted(entry["content"] for entry in transcript) == sorted([*(f"line {n}" for n in lines), "line 2"])
    assert (await facts(platform)).count("transcript.line") == len(transcript)


async def test_a_report_with_another_calls_capability_is_refused(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = await open_call(platform, tenant, fake)
        forged = job.model_copy(update={"session_id": job.session_id + 1})
        verdict = await fake.report(forged, 2, type="call.ended.v1", reason="api", duration_ms=1)
        unknown = await fake.report(job, 3, type="line.whistled.v9")
    assert verdict["refused"]
    assert unknown["refused"]
    assert (await session_of(tenant, job))["status"] == "active"


async def test_the_end_of_a_call_completes_its_session_and_frees_its_place(platform: Platform) -> None:
    tenant = await platform.tenant(plan="free")
    async with worker(platform) as fake:
        job = await open_call(platform, tenant, fake)
        await fake.report(job, 2, type="call.ended.v1", reason="caller_left", duration_ms=5000)
        await fake.report(job, 2, type="call.ended.v1", reason="caller_left", duration_ms=5000)
    session = await session_of(tenant, job)
    assert (session["status"], session["outcome"], session["end_reason"]) == ("completed", "ok", "caller_left")
    async with platform.database.platform() as db:
        assert (await db.exec(select(Slot))).all() == []
    told = await facts(platform)
    assert (told.count("session.started"), told.count("session.ended")) == (1, 1)


async def test_a_call_whose_worker_disappears_fails_and_does_not_stay_active(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = await open_call(platform, tenant, fake)
    async with asyncio.timeout(60):
        while platform.app.state.hub.find("w1") is not None or await connected(platform):
            await asyncio.sleep(0.01)
    leases, clock = lease_watch(platform)
    assert await watch_for(leases, clock, 0) == 0  # in the second of grace after the lost uplink
    assert await watch_for(leases, clock, 1) == 1
    session = await session_of(tenant, job)
    assert (session["status"], session["outcome"], session["end_reason"]) == ("completed", "failed", "worker_lost")
    assert (await facts(platform))[-2:] == ["session.ended", "session.failed"]


async def test_a_control_plane_that_is_stopped_takes_no_worker_for_lost(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with AsyncExitStack() as later:
        async with platform.second_process() as url:
            fake = await later.enter_async_context(worker(platform, url=url))
            await open_call(platform, tenant, fake)
        assert await connected(platform)
        async with platform.database.platform() as db:
            lease = (await db.exec(select(SessionJob.lease_until))).one()
        assert lease > datetime.now(UTC) + timedelta(seconds=2)


async def test_a_worker_that_comes_back_keeps_its_calls(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        await open_call(platform, tenant, fake)
    leases, clock = lease_watch(platform)
    assert await watch_for(leases, clock, 0) == 0
    async with worker(platform) as fake:
        await fake.say(type="heartbeat", calls=["AJ_1"])
        await fake.exchange("tk_nothing.1", job_id="AJ_2")  # answered after the heartbeat
        assert await watch_for(leases, clock, 14) == 0
    async with platform.database.platform() as db:
        lease = (await db.exec(select(SessionJob.lease_until))).one()
    assert lease > datetime.now(UTC)


async def test_a_session_ended_by_the_api_ends_its_call(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = await open_call(platform, tenant, fake)
        assert (await tenant.http.post("/sessions/r/end")).status_code == 200
        command = await fake.hear("command")
        assert (command["action"], command["job_id"]) == ("end", "AJ_1")
        await fake.say(type="heartbeat", calls=["AJ_1"])  # and again, for a worker that missed it
        assert (await fake.hear("command"))["job_id"] == "AJ_1"
    async with platform.database.platform() as db:
        assert (await db.exec(select(Session.end_reason).where(Session.id == job.session_id))).one() == "api"


async def test_a_session_that_ends_while_another_of_its_agents_comes_is_no_deadlock(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    agents = [await tenant.make_agent() for _ in range(2)]
    body = {"identity": "caller", "room": "r", "agent_config_ids": agents}
    claims = jwt.decode(
        (await tenant.http.post("/token", json=body)).json()["token"], options={"verify_signature": False}
    )
    first, second = (json.loads(agent["metadata"])["ticket"] for agent in claims["roomConfig"]["agents"])
    async with worker(platform) as fake:
        job = (await fake.exchange(first))["job"]
        async with platform.database.platform() as db:
            session = await lock_session(db, job["session_id"], project_id=tenant.project.id)
            assert session is not None
            coming = asyncio.create_task(fake.exchange(second, job_id="AJ_2"))
            await somebody_waits(db)
            now = datetime.now(UTC)
            await end_session(db, EventLog(db, Clock()), session, outcome="ok", reason="api", at=now)
        assert (await coming)["refused"] == "this ticket opens nothing"
        assert (await facts(platform)).count("session.ended") == 1


async def test_a_call_that_ended_while_nobody_heard_its_worker_has_not_failed(platform: Platform) -> None:
    tenant = await platform.tenant()
    leases, clock = lease_watch(platform)
    async with worker(platform) as fake:
        job = await open_call(platform, tenant, fake)
        await come_and_go(platform, tenant)
        assert await watch_for(leases, clock, 40) == 0, "what it has to say comes with a control plane"
        verdict = await fake.report(job, 2, type="call.ended.v1", reason="caller_left", duration_ms=1000)
        assert verdict["refused"] is None
    session = await session_of(tenant, job)
    assert (session["outcome"], session["end_reason"]) == ("ok", "caller_left")


async def test_a_call_whose_beginning_is_still_to_be_told_ends_as_its_worker_says(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = PersonaJob.model_validate((await fake.exchange(await ticket_of(tenant)))["job"])
        await come_and_go(platform, tenant)
        await close_room(platform)
        assert (await session_of(tenant, job))["status"] == "active"
        await fake.report(job, 1, type="call.started.v1")
        await fake.report(job, 2, type="call.ended.v1", reason="caller_left", duration_ms=1000)
    session = await session_of(tenant, job)
    assert (session["outcome"], session["end_reason"]) == ("ok", "caller_left")
    told = await facts(platform)
    assert (told.count("session.started"), told.count("session.ended")) == (1, 1)


async def test_a_call_that_never_began_is_abandoned_where_its_worker_is_gone(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with worker(platform) as fake:
        job = PersonaJob.model_validate((await fake.exchange(await ticket_of(tenant)))["job"])
        await come_and_go(platform, tenant)
    async with asyncio.timeout(60):
        while await connected(platform):
            await asyncio.sleep(0.02)
    await close_room(platform)
    session = await session_of(tenant, job)
    assert (session["outcome"], session["end_reason"]) == ("abandoned", "not_started")


async def test_a_persona_whom_livekit_shows_has_begun_though_nobody_could_be_told(platform: Platform) -> None:
    tenant = await platform.tenant()
    leases, clock = lease_watch(platform)
    async with worker(platform) as fake:
        job = PersonaJob.model_validate((await fake.exchange(await ticket_of(tenant)))["job"])
        room = Room(project_id=tenant.project.id, name="r", full_name="proj_r", sid="RM_1", origin="token")
        await platform.add(room)
        about = {"project_id": tenant.project.id, "room_id": room.id, "joined_at": datetime.now(UTC)}
        await platform.add(Participant(**about, sid="PA_1", identity="caller", kind="standard"))
        await platform.add(Participant(**about, sid="PA_2", identity=job.identity, kind="agent"))
        assert await watch_for(leases, clock, 60) == 0
        assert await watch_for(leases, clock, 61) == 1, "it does not wait for that for ever"


async def test_a_call_that_all_have_left_fails_where_nothing_is_heard_of_it_for_a_minute(platform: Platform) -> None:
    tenant = await platform.tenant()
    leases, clock = lease_watch(platform)
    async with worker(platform) as fake:
        await open_call(platform, tenant, fake)
        await come_and_go(platform, tenant)
        assert await watch_for(leases, clock, 59) == 0
        assert await watch_for(leases, clock, 2) == 1
