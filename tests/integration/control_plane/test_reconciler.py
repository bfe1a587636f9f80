"""What nobody told: found by asking LiveKit, or by what is left over in our rows."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from livekit import api
from sqlmodel import col, select

from control_plane.clock import Clock
from control_plane.events.models import Event
from control_plane.livekit_hooks.service import take
from control_plane.media.server import LiveParticipant, LiveRoom
from control_plane.rooms.models import Participant, Room
from control_plane.sessions.models import Session, TranscriptLine
from control_plane.supervisor.reconciler import COMES_WITHIN, Reconciler
from control_plane.telephony.models import Call
from tests.support.calls import SteppedClock
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

PHONE = "sip_+17755550100"


@pytest.fixture
async def reconciler(platform: Platform) -> Reconciler:
    """One that keeps what it has seen."""
    return Reconciler(platform.database, platform.media, platform.app.state.clock)


def runs(platform: Platform, sid: str = "RM_1", *people: LiveParticipant, name: str = "proj_r", began: int = 1) -> None:
    platform.media.rooms[name] = LiveRoom(name, sid, 1_700_000_000 + began, 300, 0)
    platform.media.people[name] = list(people)


def somebody(identity: str = "ada", *, kind: str = "standard", **more: Any) -> LiveParticipant:
    shown = {"name": identity, "state": "ACTIVE", "joined_at": 1_700_000_002, "hidden": False, "tracks": []}
    return LiveParticipant(**{"sid": f"PA_{identity}", "identity": identity, "kind": kind} | shown | more)


async def hear(platform: Platform, event: str, number: int, *, at: float | None = None, **content: Any) -> None:
    hook = api.WebhookEvent(id=f"EV_{number}", event=event, created_at=int(at or time.time()), **content)
    async with platform.database.platform() as db:
        await take(db, platform.app.state.clock, hook)


async def told(platform: Platform, *types: str) -> list[tuple[str, Any]]:
    async with platform.database.platform() as db:
        events = (await db.exec(select(Event).where(col(Event.type).in_(types)).order_by(col(Event.id)))).all()
    return [(event.type, event.data.get("reason", event.data.get("status"))) for event in events]


async def read(platform: Platform, table: type[Any]) -> list[Any]:
    async with platform.database.platform() as db:
        return list((await db.exec(select(table).order_by(col(table.id)))).all())


async def test_a_phone_that_left_unheard_ends_its_call_in_the_next_pass(
    platform: Platform, tenant: Tenant, reconciler: Reconciler
) -> None:
    now = datetime.now(UTC)
    answered = {"status": "answered", "answered_at": now, "started_at": now, "identity": PHONE}
    await platform.add(Call(project_id=tenant.project.id, room_name="proj_r", phone_number="+17755550100", **answered))
    runs(platform, "RM_1", somebody(PHONE, kind="sip"))
    await reconciler.reconcile()
    runs(platform)
    await reconciler.reconcile()
    (call,) = await read(platform, Call)
    assert (call.status, call.reason) == ("ended", "hung up")


async def test_a_call_ends_with_its_room_though_no_hook_tells_of_either(
    platform: Platform, tenant: Tenant, reconciler: Reconciler
) -> None:
    now = datetime.now(UTC)
    answered = {"status": "answered", "answered_at": now, "started_at": now, "identity": PHONE}
    await platform.add(Call(project_id=tenant.project.id, room_name="proj_r", phone_number="+17755550100", **answered))
    runs(platform, "RM_1", somebody(PHONE, kind="sip"))
    await reconciler.reconcile()
    assert (await tenant.http.delete("/rooms/r")).status_code == 200
    await reconciler.reconcile()
    assert [call.status for call in await read(platform, Call)] == ["ended"]
    assert await told(platform, "participant.left") == [("participant.left", "room_closed")]


async def test_who_comes_and_goes_is_told_in_the_same_words_by_hook_and_by_pass(
    platform: Platform, tenant: Tenant, reconciler: Reconciler
) -> None:
    runs(platform, "RM_1", somebody("ada"), somebody("bob"))
    await reconciler.reconcile()
    runs(platform, "RM_1", somebody("bob"))
    await reconciler.reconcile()
    gone = api.ParticipantInfo(
        sid="PA_bob", identity="bob", disconnect_reason=api.DisconnectReason.CLIENT_INITIATED, joined_at=1_700_000_002
    )
    await hear(platform, "participant_left", 1, room=api.Room(name="proj_r", sid="RM_1"), participant=gone)
    assert await told(platform, "participant.left") == [("participant.left", "left")] * 2


async def test_a_name_that_begins_again_is_another_room(
    platform: Platform, tenant: Tenant, reconciler: Reconciler
) -> None:
    runs(platform, "RM_1", somebody("ada"))
    await reconciler.reconcile()
    runs(platform, "RM_2", somebody("bob"), began=9)
    assert (await tenant.http.post("/sessions", json={"room_name": "r"})).status_code == 201
    await reconciler.reconcile()
    assert [(room.sid, room.status) for room in await read(platform, Room)] == [("RM_1", "closed"), ("RM_2", "open")]
    assert [(stay.identity, stay.left_at is None) for stay in await read(platform, Participant)] == [
        ("ada", False),
        ("bob", True),
    ]
    assert await told(platform, "participant.left") == [("participant.left", "room_closed")]
    assert [session.status for session in await read(platform, Session)] == ["active"]
    # What is told late of the first changes nothing of the second.
    await hear(platform, "room_finished", 1, room=api.Room(name="proj_r", sid="RM_1"))
    await reconciler.reconcile()
    shown = (await tenant.http.get("/rooms/r")).json()["room"]
    assert (shown["sid"], shown["status"], shown["numParticipants"]) == ("RM_2", "active", 1)


async def test_a_room_of_a_call_that_is_being_placed_is_not_taken_for_gone(
    platform: Platform, tenant: Tenant, reconciler: Reconciler
) -> None:
    """It was written when the call was queued, and LiveKit makes it when the phone is called."""
    long_ago = datetime.now(UTC) - timedelta(minutes=20)
    owner = {"project_id": tenant.project.id}
    await platform.add(Room(name="r", full_name="proj_r", origin="dial", created_at=long_ago, **owner))
    for _ in range(COMES_WITHIN - 1):
        await reconciler.reconcile()
    runs(platform)
    await reconciler.reconcile()
    assert [(room.sid, room.status) for room in await read(platform, Room)] == [("RM_1", "open")]


async def test_a_room_that_never_comes_is_closed(platform: Platform, tenant: Tenant, reconciler: Reconciler) -> None:
    await platform.add(Room(project_id=tenant.project.id, name="r", full_name="proj_r", created_at=datetime.now(UTC)))
    for _ in range(COMES_WITHIN):
        await reconciler.reconcile()
    assert [room.status for room in await read(platform, Room)] == ["closed"]


async def test_clocks_that_disagree_close_no_room(platform: Platform, tenant: Tenant, reconciler: Reconciler) -> None:
    reconciler.clock = clock = SteppedClock()
    runs(platform, "RM_1", somebody("ada"))
    for minutes in (0, 10, -20):
        clock.at += timedelta(minutes=minutes)
        await reconciler.reconcile()
    assert [room.status for room in await read(platform, Room)] == ["open"]
    assert [stay.left_at for stay in await read(platform, Participant)] == [None]


async def test_a_late_hook_is_dated_by_itself(platform: Platform, tenant: Tenant) -> None:
    room, late = api.Room(name="proj_r", sid="RM_1", creation_time=1_700_000_000), int(time.time()) - 20
    ada = api.ParticipantInfo(sid="PA_ada", identity="ada", joined_at=1_700_000_002)
    await hear(platform, "participant_left", 1, at=late, room=room, participant=ada)
    await hear(platform, "room_finished", 2, at=late, room=room)
    (stay,), (closed,) = await read(platform, Participant), await read(platform, Room)
    assert stay.left_at == closed.closed_at == datetime.fromtimestamp(late + 1, UTC)


async def test_a_hook_whose_clock_is_wrong_is_dated_by_ours(platform: Platform, tenant: Tenant) -> None:
    room = api.Room(name="proj_r", sid="RM_1", creation_time=1_700_000_000)
    for number, (event, skew) in enumerate((("room_started", 0), ("room_finished", -600))):
        await hear(platform, event, number, at=time.time() + skew, room=room)
    (closed,) = await read(platform, Room)
    assert closed.closed_at > datetime.now(UTC) - timedelta(seconds=60)


async def test_a_session_ends_with_its_room_though_the_hook_is_lost(
    platform: Platform, tenant: Tenant, reconciler: Reconciler
) -> None:
    runs(platform, "RM_1", somebody("ada"))
    await reconciler.reconcile()
    assert (await tenant.http.post("/sessions", json={"room_name": "r"})).status_code == 201
    await tenant.http.delete("/rooms/r")
    await reconciler.reconcile()
    (session,) = await read(platform, Session)
    assert (session.status, session.outcome, session.end_reason) == ("completed", "ok", "room_closed")


async def test_a_conversation_that_nothing_goes_on_of_is_ended_and_its_name_is_free(
    platform: Platform, tenant: Tenant, reconciler: Reconciler
) -> None:
    for name in ("nothing", "said", "there", "called"):
        assert (await tenant.http.post("/sessions", json={"room_name": name})).status_code == 201
    runs(platform, "RM_1", somebody("ada"), name="proj_there")
    now = datetime.now(UTC)
    call = {"room_name": "proj_called", "phone_number": "+17755550100", "status": "queued", "started_at": now}
    await platform.add(Call(project_id=tenant.project.id, identity=PHONE, **call))
    clock = SteppedClock()
    for minutes, active in ((9, {"nothing", "said", "there", "called"}), (11, {"said", "there", "called"})):
        clock.at = Clock().now() + timedelta(minutes=minutes)
        if minutes == 11:
            async with platform.database.platform() as db:
                (said,) = (await db.exec(select(Session).where(Session.room_name == "proj_said"))).all()
            await platform.add(a_line(said, at=clock.at - timedelta(minutes=1)))
        await Reconciler(platform.database, platform.media, clock).reconcile()
        sessions = await read(platform, Session)
        assert {each.room_name.removeprefix("proj_") for each in sessions if each.status == "active"} == active
    (ended,) = [each for each in sessions if each.status != "active"]
    assert (ended.outcome, ended.end_reason) == ("abandoned", "not_started")
    assert (await tenant.http.post("/sessions", json={"room_name": "nothing"})).status_code == 201


def a_line(session: Session, *, at: datetime) -> TranscriptLine:
    said = {"sequence": 1, "speaker": "user", "content": "hello", "timestamp_ms": 0, "created_at": at}
    return TranscriptLine(project_id=session.project_id, session_id=session.id, **said)


async def test_a_pass_over_many_rooms_asks_livekit_for_few(platform: Platform, tenant: Tenant) -> None:
    asked: list[str] = []
    listing = platform.media.list_participants

    async def counted(room: str) -> list[LiveParticipant]:
        asked.append(room)
        return await listing(room)

    platform.media.list_participants = counted  # type: ignore[method-assign]
    for number in range(250):
        runs(platform, f"RM_{number}", somebody(f"p{number}"), name=f"proj_{number}")
    reconciler = Reconciler(platform.database, platform.media, platform.app.state.clock)
    for _ in range(3):
        before = len(asked)
        await reconciler.reconcile()
        assert len(asked) - before <= 100
    assert len(await read(platform, Participant)) == 250
