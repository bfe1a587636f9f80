"""What LiveKit tells, and what it fails to tell: hooks, lost hooks, dropped dispatches."""

import asyncio
import base64
import hashlib
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import jwt
import pytest
from sqlmodel import col, select, update

from control_plane.events.models import Event
from control_plane.media.server import LiveParticipant, LiveRoom
from control_plane.rooms.models import Participant, Room
from control_plane.sessions.models import Slot, Worker
from control_plane.sessions.slots import StandingSigner
from control_plane.supervisor.dispatch import redispatch
from control_plane.supervisor.reconciler import Reconciler
from tests.support.platform import SECRET_KEY, Platform, Tenant

pytestmark = pytest.mark.anyio

SECRET = "devsecret-devsecret-devsecret-devsecret"


async def hook(platform: Platform, event: str, *, number: int, secret: str = SECRET, **content: object) -> int:
    """Post a hook as livekit-server does; the answer's status."""
    body = json.dumps({"event": event, "id": f"EV_{number}", "createdAt": str(int(time.time())), **content})
    digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
    claims = {"iss": "devkey", "sha256": digest, "exp": int(time.time()) + 60, "nbf": int(time.time()) - 5}
    token = jwt.encode(claims, secret, algorithm="HS256")
    headers = {"Authorization": token, "Content-Type": "application/webhook+json"}
    async with httpx2.AsyncClient(timeout=30) as client:
        return (await client.post(f"{platform.url}/livekit/webhook", content=body, headers=headers)).status_code


def room(sid: str = "RM_1") -> dict[str, object]:
    return {"name": "proj_r", "sid": sid, "creationTime": "1700000000", "emptyTimeout": 300}


def person(identity: str = "ada", sid: str = "PA_1") -> dict[str, object]:
    return {"identity": identity, "sid": sid, "state": "ACTIVE", "joinedAt": "1700000001", "name": "Ada"}


async def facts(platform: Platform) -> list[str]:
    async with platform.database.platform() as db:
        return list((await db.exec(select(Event.type).order_by(col(Event.id)))).all())


WHOLE_STORY = [
    ("room_started", {"room": room()}),
    ("participant_joined", {"room": room(), "participant": person()}),
    ("track_published", {"room": room(), "participant": person(), "track": {"sid": "TR_1", "source": "MICROPHONE"}}),
    ("participant_left", {"room": room(), "participant": person() | {"disconnectReason": "CLIENT_INITIATED"}}),
    ("room_finished", {"room": room()}),
]
TOLD = [
    "room.created",
    "room.started",
    "participant.joined",
    "track.published",
    "track.unpublished",  # by who left
    "participant.left",
    "room.finished",
]


async def test_what_people_call_themselves_and_their_tracks_hides_nothing(platform: Platform) -> None:
    await platform.tenant()
    ada, track = person() | {"name": "A\x00da"}, {"sid": "TR_1", "source": "MICROPHONE", "name": "\x00"}
    story: list[tuple[str, dict[str, Any]]] = [("participant_joined", {}), ("track_published", {"track": track})]
    for number, (event, content) in enumerate(story):
        assert await hook(platform, event, number=number, room=room(), participant=ada, **content) == 200
    async with platform.database.platform() as db:
        stay = (await db.exec(select(Participant))).one()
    assert (stay.name, [each["name"] for each in stay.tracks]) == ("Ada", [""])


async def test_hooks_become_rows_and_facts_once_however_often_they_come(platform: Platform) -> None:
    tenant = await platform.tenant()
    for _ in range(2):
        for number, (event, content) in enumerate(WHOLE_STORY):
            assert await hook(platform, event, number=number, **content) == 200
    assert await facts(platform) == TOLD
    shown = (await tenant.http.get("/rooms/r")).json()["room"]
    assert (shown["status"], shown["sid"], shown["numParticipants"]) == ("closed", "RM_1", 0)


async def test_a_hook_with_a_wrong_signature_changes_nothing(platform: Platform) -> None:
    await platform.tenant()
    assert await hook(platform, "room_started", number=1, secret="x" * 40, room=room()) == 401
    assert await facts(platform) == []


async def test_people_are_listed_with_their_tracks(platform: Platform) -> None:
    tenant = await platform.tenant()
    for number, (event, content) in enumerate(WHOLE_STORY[:3]):
        await hook(platform, event, number=number, **content)
    listed = (await tenant.http.get("/rooms/r/participants")).json()["participants"]
    assert [(row["identity"], row["state"]) for row in listed] == [("ada", "ACTIVE")]
    assert listed[0]["tracks"][0]["source"] == "microphone"


async def test_a_room_of_an_unknown_project_is_nobodys(platform: Platform) -> None:
    await platform.tenant()
    assert await hook(platform, "room_started", number=1, room=room() | {"name": "stranger_r"}) == 200
    assert await facts(platform) == []


def live(platform: Platform) -> LiveRoom:
    found = LiveRoom("proj_r", "RM_1", 1_700_000_000, 300, 0)
    platform.media.rooms["proj_r"] = found
    platform.media.people["proj_r"] = [
        LiveParticipant("PA_1", "ada", "Ada", "standard", "ACTIVE", 1_700_000_001, hidden=False, tracks=[])
    ]
    return found


async def reconcile(platform: Platform) -> None:
    await Reconciler(platform.database, platform.media, platform.app.state.clock).reconcile()


async def test_without_any_hook_the_reconciler_tells_the_same(platform: Platform) -> None:
    tenant = await platform.tenant()
    reconciler = Reconciler(platform.database, platform.media, platform.app.state.clock)
    live(platform)
    await reconciler.reconcile()
    assert (await tenant.http.get("/rooms/r")).json()["room"]["numParticipants"] == 1
    platform.media.people["proj_r"] = []
    await reconciler.reconcile()
    platform.media.rooms.clear()
    await reconciler.reconcile()
    assert await facts(platform) == [fact for fact in TOLD if not fact.startswith("track.")]
    assert (await tenant.http.get("/rooms")).json()["rooms"] == []


async def test_hooks_and_reconciler_at_once_tell_everything_once(platform: Platform) -> None:
    await platform.tenant()
    live(platform)
    hooks = [hook(platform, event, number=number, **content) for number, (event, content) in enumerate(WHOLE_STORY[:2])]
    await asyncio.gather(*hooks, reconcile(platform), reconcile(platform))
    assert sorted(await facts(platform)) == ["participant.joined", "room.created", "room.started"]


async def wait_for_persona(platform: Platform, tenant: Tenant) -> None:
    """A person who has been alone in a room for a while, with a persona asked for."""
    await platform.add_worker()
    await tenant.make_agent(name="Ada")
    assert (await tenant.http.post("/token", json={"identity": "u", "room": "r"})).status_code == 200
    live(platform)
    await reconcile(platform)
    past = datetime.now(UTC) - timedelta(seconds=10)
    async with platform.database.platform() as db:
        await db.exec(update(Slot).values(dispatched_at=past))
        await db.exec(update(Participant).values(joined_at=past))


async def dispatch_again(platform: Platform) -> int:
    clock, held = platform.app.state.clock, platform.settings.slot_lifetime
    return await redispatch(
        platform.database, platform.media, clock, StandingSigner(SECRET_KEY, "slot"), slot_lifetime=held
    )


async def test_a_dropped_dispatch_is_made_again_when_a_worker_is_there(platform: Platform) -> None:
    tenant = await platform.tenant()
    await wait_for_persona(platform, tenant)
    async with platform.database.platform() as db:
        await db.exec(update(Worker).values(connected=False))
    assert await dispatch_again(platform) == 0
    async with platform.database.platform() as db:
        await db.exec(update(Worker).values(connected=True))
    assert await dispatch_again(platform) == 1
    assert await dispatch_again(platform) == 0
    assert [call[:2] for call in platform.media.calls] == [("dispatch", "proj_r")]
    async with platform.database.platform() as db:
        slot = (await db.exec(select(Slot))).one()
    assert slot.expires_at - slot.dispatched_at == platform.settings.slot_lifetime


async def test_a_room_that_a_token_made_goes_with_its_session(platform: Platform) -> None:
    tenant = await platform.tenant()
    live(platform)
    await reconcile(platform)
    async with platform.database.platform() as db:
        assert (await db.exec(select(Room.origin))).one() == "token"
    await tenant.http.post("/sessions", json={"room_name": "r"})
    async with platform.jobs(), asyncio.timeout(60):
        await tenant.http.post("/sessions/r/end")
        while ("close_room", "proj_r") not in platform.media.calls:
            await asyncio.sleep(0.02)
