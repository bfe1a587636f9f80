"""Rooms whose conversation is over: whoever comes back to one is not left alone in it, and none stays open."""

from dataclasses import replace
from datetime import timedelta

import jwt
import pytest
from sqlmodel import col, delete, select, update

from agents.calling import PersonaJob
from control_plane.clock import Clock
from control_plane.jobs.models import Job
from control_plane.media.server import LiveParticipant, LiveRoom
from control_plane.rooms.models import Participant, Room, RoomOrigin, RoomStatus
from control_plane.sessions.ending import CLOSE_ROOM, close_room
from control_plane.sessions.models import Session
from control_plane.supervisor.reconciler import Reconciler
from tests.support.platform import Platform, Tenant
from tests.support.uplink import FakeWorker, ticket_of, worker

pytestmark = pytest.mark.anyio


async def opened(platform: Platform, tenant: Tenant, sid: str, origin: str = RoomOrigin.TOKEN) -> Room:
    """LiveKit has a room of this name."""
    return await platform.add(Room(project_id=tenant.project.id, name="r", full_name="proj_r", sid=sid, origin=origin))


async def gone(platform: Platform) -> None:
    """LiveKit has finished the room that was there."""
    async with platform.database.platform() as db:
        await db.exec(update(Room).values(status=RoomStatus.CLOSED))


async def a_call_that_is_over(
    platform: Platform, tenant: Tenant, fake: FakeWorker, *, reason: str = "caller_left"
) -> str:
    """A conversation in that room, from its ticket, which is returned, to its end."""
    ticket = await ticket_of(tenant)
    await opened(platform, tenant, "RM_1")
    job = PersonaJob.model_validate((await fake.exchange(ticket))["job"])
    await fake.report(job, 1, type="call.started.v1")
    assert (await fake.report(job, 2, type="call.ended.v1", reason=reason, duration_ms=1000))["refused"] is None
    return ticket


async def closed(platform: Platform) -> list[str]:
    """Do what is to be done to rooms; those that LiveKit was told to delete by it."""
    async with platform.database.platform() as db:
        wanted = (await db.exec(select(Job.payload).where(Job.kind == CLOSE_ROOM).order_by(col(Job.id)))).all()
        await db.exec(update(Job).where(col(Job.kind) == CLOSE_ROOM).values(state="done"))
    platform.media.calls.clear()
    for payload in wanted:
        await close_room(platform.database, Clock(), platform.media, dict(payload))
    return [call[1] for call in platform.media.calls if call[0] == "close_room"]


@pytest.mark.parametrize("told", [True, False])
async def test_whoever_comes_back_to_a_room_whose_conversation_is_over_is_not_left_alone(
    platform: Platform, tenant: Tenant, told: bool
) -> None:
    async with worker(platform) as fake:
        ticket = await a_call_that_is_over(platform, tenant, fake)
        assert await closed(platform) == ["proj_r"]
        await gone(platform)
        if told:  # else the hook is late
            await opened(platform, tenant, "RM_2")
        answer = await fake.exchange(ticket, job_id="AJ_2")
        assert answer["refused"] == "this ticket opens nothing"
        assert "proj_r" in await closed(platform)


async def test_people_who_may_be_talking_on_without_us_are_left_together(platform: Platform, tenant: Tenant) -> None:
    async with worker(platform) as fake:
        ticket = await a_call_that_is_over(platform, tenant, fake, reason="transferred")
        assert (await fake.exchange(ticket, job_id="AJ_2"))["refused"]
        assert await closed(platform) == []


async def test_a_room_that_the_customer_made_since_stays(platform: Platform, tenant: Tenant) -> None:
    async with worker(platform) as fake:
        ticket = await a_call_that_is_over(platform, tenant, fake)
        await gone(platform)
        await opened(platform, tenant, "RM_2", RoomOrigin.API)
        assert (await fake.exchange(ticket, job_id="AJ_2"))["refused"]
        assert await closed(platform) == []


async def test_a_conversation_that_has_begun_since_is_not_closed(platform: Platform, tenant: Tenant) -> None:
    async with worker(platform) as fake:
        ticket = await a_call_that_is_over(platform, tenant, fake)
        await gone(platform)
        next_ticket = await ticket_of(tenant)
        await opened(platform, tenant, "RM_2")
        await platform.add(
            Participant(
                project_id=tenant.project.id,
                room_id=(await rooms(platform))[-1],
                sid="PA_1",
                identity="caller",
                kind="standard",
                joined_at=Clock().now(),
            )
        )
        assert (await fake.exchange(ticket, job_id="AJ_2"))["refused"]
        assert (await fake.exchange(next_ticket, job_id="AJ_3"))["job"]
        assert await closed(platform) == []
        async with platform.database.platform() as db:
            assert [*(await db.exec(select(Session.status).order_by(col(Session.id)))).all()] == ["completed", "active"]


async def test_a_room_that_was_taken_over_to_be_closed_is_closed_by_whoever_goes_on(
    platform: Platform, tenant: Tenant
) -> None:
    """Its server was dead, another took it over, and who asked for that died before the room was deleted."""
    async with worker(platform) as fake:
        await a_call_that_is_over(platform, tenant, fake)
        await gone(platform)
        await opened(platform, tenant, "RM_2")
        assert await closed(platform) == ["proj_r"]


async def comes_back(
    platform: Platform, tenant: Tenant, fake: FakeWorker, *, since: timedelta = timedelta(minutes=1)
) -> Reconciler:
    """After a conversation and its room, the caller is in the room again; nobody heard of the ticket that their token
    brought."""
    await a_call_that_is_over(platform, tenant, fake)
    await closed(platform)
    await gone(platform)
    await opened(platform, tenant, "RM_2")
    room_id, began = (await rooms(platform))[-1], Clock().now() - since
    who = {"sid": "PA_1", "identity": "caller", "kind": "standard"}
    await platform.add(Participant(project_id=tenant.project.id, room_id=room_id, joined_at=began, **who))
    async with platform.database.platform() as db:
        await db.exec(update(Session).values(ended_at=began))
    shown = {"name": "", "state": "ACTIVE", "joined_at": int(began.timestamp()), "hidden": False, "tracks": []}
    platform.media.rooms["proj_r"] = LiveRoom("proj_r", "RM_2", began.timestamp(), 300, 0, num_participants=1)
    platform.media.people["proj_r"] = [LiveParticipant(**(who | shown))]
    platform.media.asked_for = {"proj_r"}
    return Reconciler(platform.database, platform.media, Clock())


async def test_whoever_comes_back_unheard_is_found_alone_by_a_pass(platform: Platform, tenant: Tenant) -> None:
    async with worker(platform) as fake:
        reconciler = await comes_back(platform, tenant, fake)
        await reconciler.reconcile()
        assert await closed(platform) == ["proj_r"]


async def test_whoever_comes_back_just_now_may_still_be_turned_away(platform: Platform, tenant: Tenant) -> None:
    async with worker(platform) as fake:
        reconciler = await comes_back(platform, tenant, fake, since=timedelta(seconds=5))
        await reconciler.reconcile()
        assert await closed(platform) == []


async def test_people_whose_tokens_bring_no_agent_talk_on_in_a_name_that_was_a_conversations(
    platform: Platform, tenant: Tenant
) -> None:
    async with worker(platform) as fake:
        reconciler = await comes_back(platform, tenant, fake)
        platform.media.asked_for.clear()
        await reconciler.reconcile()
        assert await closed(platform) == []


async def test_whoever_comes_back_to_a_room_that_a_lost_persona_made_anew_is_found_alone(
    platform: Platform, tenant: Tenant
) -> None:
    async with worker(platform) as fake:
        reconciler = await comes_back(platform, tenant, fake)
        platform.media.asked_for.clear()  # a token brings its agent into a room that it makes, and into no other
        token = (await tenant.http.post("/token", json={"identity": "caller", "room": "elsewhere"})).json()["token"]
        claims = jwt.decode(token, options={"verify_signature": False})
        [person] = platform.media.people["proj_r"]
        platform.media.people["proj_r"] = [replace(person, attributes=claims["attributes"])]
        await reconciler.reconcile()
        assert await closed(platform) == ["proj_r"]


@pytest.mark.parametrize(("origin", "expected"), [(RoomOrigin.TOKEN, ["proj_r"]), (RoomOrigin.API, [])])
async def test_an_empty_room_that_a_lost_persona_made_anew_is_closed_before_its_time(
    platform: Platform, tenant: Tenant, origin: RoomOrigin, expected: list[str]
) -> None:
    async with worker(platform) as fake:
        await a_call_that_is_over(platform, tenant, fake)
        await closed(platform)
        await gone(platform)
        await opened(platform, tenant, "RM_2", origin)
        began = Clock().now() - timedelta(seconds=70)
        async with platform.database.platform() as db:
            await db.exec(update(Session).values(ended_at=began))
            await db.exec(delete(Job))
        platform.media.rooms["proj_r"] = LiveRoom("proj_r", "RM_2", began.timestamp(), 300, 0)
        await Reconciler(platform.database, platform.media, Clock()).reconcile()
        assert await closed(platform) == expected


@pytest.mark.parametrize(("age", "expected"), [(400, ["proj_r"]), (330, [])])
async def test_a_room_that_nobody_entered_and_its_dead_server_does_not_close_is_closed(
    platform: Platform, tenant: Tenant, age: int, expected: list[str]
) -> None:
    await opened(platform, tenant, "RM_1", RoomOrigin.API)
    platform.media.rooms["proj_r"] = LiveRoom("proj_r", "RM_1", Clock().now().timestamp() - age, 300, 0)
    await Reconciler(platform.database, platform.media, Clock()).reconcile()
    assert await closed(platform) == expected


async def rooms(platform: Platform) -> list[int]:
    """By when they began."""
    async with platform.database.platform() as db:
        return [*(await db.exec(select(Room.id).order_by(col(Room.id)))).all()]
