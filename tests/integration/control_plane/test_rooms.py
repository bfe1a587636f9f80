"""Rooms over HTTP: the documented fields, and what is left when a request dies between its row and LiveKit's answer."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from sqlmodel import col, select

from control_plane.auth.models import ApiKey
from control_plane.errors import Unavailable
from control_plane.events.models import Event
from control_plane.gate.idempotency import request_hash
from control_plane.gate.models import IdempotentRequest
from control_plane.media.server import LiveParticipant, LiveRoom
from control_plane.rooms.models import Room
from control_plane.supervisor.reconciler import Reconciler
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

MICROPHONE = {"sid": "TR_1", "name": "mic", "type": "audio", "source": "microphone", "muted": False}
ADA = LiveParticipant("PA_1", "ada", "Ada", "standard", "ACTIVE", 1_711_900_010, hidden=False, tracks=[MICROPHONE])


async def reconcile(platform: Platform) -> None:
    await Reconciler(platform.database, platform.media, platform.app.state.clock).reconcile()


async def test_a_room_has_the_documented_fields_open_and_closed(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = await tenant.http.post("/rooms", json={"name": "my-room", "max_participants": 0, "metadata": "m"})
    assert (made.status_code, made.json()) == (
        201,
        {
            "success": True,
            "room": {
                "name": "my-room",
                "fullName": "proj_my-room",
                "sid": "RM_1",
                "emptyTimeout": 300,
                "maxParticipants": 0,
                "creationTime": 1_700_000_000,
            },
        },
    )
    platform.media.people["proj_my-room"] = [ADA]
    await reconcile(platform)
    listed = {"name": "my-room", "fullName": "proj_my-room", "numParticipants": 1, "createdAt": 1_700_000_000}
    assert (await tenant.http.get("/rooms")).json() == {"rooms": [listed]}
    shown = {
        "name": "my-room",
        "fullName": "proj_my-room",
        "sid": "RM_1",
        "status": "active",
        "numParticipants": 1,
        "maxParticipants": 0,
        "createdAt": 1_700_000_000,
        "participants": [{"identity": "ada", "name": "Ada", "joinedAt": 1_711_900_010}],
        "supervisors": [],
    }
    assert (await tenant.http.get("/rooms/my-room")).json() == {"room": shown}
    assert (await tenant.http.get("/rooms/proj_my-room")).json() == {"room": shown}
    person = {
        "identity": "ada",
        "name": "Ada",
        "state": "ACTIVE",
        "joinedAt": 1_711_900_010,
        "tracks": [MICROPHONE],
    }
    assert (await tenant.http.get("/rooms/my-room/participants")).json() == {"participants": [person]}

    await tenant.http.delete("/rooms/my-room")
    gone = {"status": "closed", "numParticipants": 0, "participants": []}
    assert (await tenant.http.get("/rooms/my-room")).json() == {"room": shown | gone}
    assert (await tenant.http.get("/rooms/my-room/participants")).json() == {"participants": []}
    again = await tenant.http.post("/rooms", json={"name": "my-room"})
    assert (again.status_code, again.json()["room"]["sid"]) == (201, "RM_3")


async def test_what_no_hook_tells_is_found_out_all_the_same(platform: Platform) -> None:
    tenant = await platform.tenant()
    await tenant.http.post("/rooms", json={"name": "r"})
    camera = MICROPHONE | {"sid": "TR_2", "type": "video"}
    reconciler = Reconciler(platform.database, platform.media, platform.app.state.clock)

    async def shown(*tracks: dict[str, object], name: str = "Ada", passes: int = 1) -> tuple[str, list[object]]:
        platform.media.people["proj_r"] = [replace(ADA, name=name, tracks=list(tracks))]
        for _ in range(passes):
            await reconciler.reconcile()
        listed = (await tenant.http.get("/rooms/r/participants")).json()["participants"][0]
        return listed["name"], listed["tracks"]

    muted = MICROPHONE | {"muted": True}
    assert await shown(MICROPHONE) == ("Ada", [MICROPHONE])
    assert await shown(muted, name="Countess") == ("Countess", [muted])
    assert await shown(muted, camera, name="Countess", passes=2) == ("Countess", [muted, camera])
    assert await shown(camera, name="Countess", passes=2) == ("Countess", [camera])
    assert (await told(platform))[-2:] == ["track.published", "track.unpublished"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "no spaces"}, "name"),
        ({"name": "n" * 129}, "name"),
        ({"name": 7}, "name"),
        ({"name": "r", "empty_timeout": 0}, "empty_timeout"),
        ({"name": "r", "empty_timeout": "soon"}, "empty_timeout"),
        ({"name": "r", "max_participants": -1}, "max_participants"),
        ({"name": "r", "max_participants": 2**40}, "max_participants"),
        ({"name": "r", "metadata": {"a": 1}}, "metadata"),
        ({"name": "r", "metadata": "a\x00"}, "metadata"),
    ],
)
async def test_a_wrong_room_is_refused_by_its_field(platform: Platform, body: object, field: str) -> None:
    tenant = await platform.tenant()
    answer = await tenant.http.post("/rooms", json=body)
    assert (answer.status_code, answer.json()["details"]["fields"][0]["field"]) == (400, field)
    assert platform.media.calls == []


async def test_an_open_name_is_a_conflict_even_where_no_room_is_left_in_the_plan(platform: Platform) -> None:
    tenant = await platform.tenant(plan="free")
    for number in range(5):
        assert (await tenant.http.post("/rooms", json={"name": f"r{number}"})).status_code == 201
    assert (await tenant.http.post("/rooms", json={"name": "r0"})).status_code == 409
    refused = await tenant.http.post("/rooms", json={"name": "r5"})
    assert (refused.status_code, refused.json()["details"]["resource"]) == (429, "rooms")


BODY = json.dumps({"name": "r", "empty_timeout": 600}).encode()


async def repeat(tenant: Tenant) -> httpx2.Response:
    headers = {"Idempotency-Key": "k-1", "Content-Type": "application/json"}
    return await tenant.http.post("/rooms", content=BODY, headers=headers)


async def die_between_row_and_answer(platform: Platform, tenant: Tenant) -> None:
    """Leave what a process leaves that was killed while it asked LiveKit for the room."""
    past = datetime.now(UTC) - timedelta(minutes=2)
    async with platform.database.platform() as db:
        name = f"{(await db.exec(select(ApiKey.key_id))).one()}\nk-1"
    await platform.add(
        Room(
            project_id=tenant.project.id,
            name="r",
            full_name="proj_r",
            empty_timeout=600,
            request_key=name,
            created_at=past,
        ),
        IdempotentRequest(
            project_id=tenant.project.id,
            key=name,
            request_hash=request_hash("POST", "/api/v1/rooms", b"", BODY),
            lease_until=past,
            created_at=past,
        ),
    )


async def told(platform: Platform) -> list[str]:
    async with platform.database.platform() as db:
        return list((await db.exec(select(Event.type).order_by(col(Event.id)))).all())


@pytest.mark.parametrize("is_told", [False, True], ids=["before LiveKit told", "after LiveKit told"])
async def test_a_repeat_finishes_the_room_of_a_request_that_died(platform: Platform, is_told: bool) -> None:
    tenant = await platform.tenant()
    await die_between_row_and_answer(platform, tenant)
    if is_told:
        platform.media.rooms["proj_r"] = LiveRoom("proj_r", "RM_1", 1_700_000_000, 600, 0)
        await reconcile(platform)
    finished = await repeat(tenant)
    assert finished.status_code == 201, finished.text
    assert finished.json()["room"] == {
        "name": "r",
        "fullName": "proj_r",
        "sid": "RM_1",
        "emptyTimeout": 600,
        "maxParticipants": 0,
        "creationTime": 1_700_000_000,
    }
    again = await repeat(tenant)
    assert (again.status_code, again.json()) == (201, finished.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert await told(platform) == ["room.created"]
    assert [room["name"] for room in (await tenant.http.get("/rooms")).json()["rooms"]] == ["r"]


async def test_a_repeat_opens_a_new_room_where_the_dead_one_was_given_up_meanwhile(platform: Platform) -> None:
    tenant = await platform.tenant()
    await die_between_row_and_answer(platform, tenant)
    await reconcile(platform)
    assert (await repeat(tenant)).status_code == 201


async def test_a_removal_that_nobody_tells_of_is_told_as_one(platform: Platform) -> None:
    tenant = await platform.tenant()
    assert (await tenant.http.post("/rooms", json={"name": "r"})).status_code == 201
    platform.media.people["proj_r"] = [ADA, replace(ADA, sid="PA_2", identity="bob", tracks=[])]
    await reconcile(platform)
    assert (await tenant.http.post("/rooms/r/kick/ada")).status_code == 200
    platform.media.people["proj_r"] = []  # and bob has left by himself; no hook tells of either
    await reconcile(platform)
    async with platform.database.platform() as db:
        left = (await db.exec(select(Event.data).where(Event.type == "participant.left"))).all()
    assert {event["identity"]: event["reason"] for event in left} == {"ada": "removed", "bob": "left"}


async def test_a_repeat_finds_the_room_that_was_made_though_the_answer_was_lost(platform: Platform) -> None:
    tenant = await platform.tenant()
    platform.media.fail_next = Unavailable("LiveKit cannot be reached; try again")
    assert (await repeat(tenant)).status_code == 503
    platform.media.rooms["proj_r"] = LiveRoom("proj_r", "RM_1", 1_700_000_000, 600, 0)  # it was made after all
    await reconcile(platform)
    assert (await tenant.http.post("/rooms", json={"name": "r"})).status_code == 409
    found = await repeat(tenant)
    assert found.status_code == 201, found.text
    assert (found.json()["room"]["name"], found.json()["room"]["emptyTimeout"]) == ("r", 600)
    again = await repeat(tenant)
    assert (again.status_code, again.json()) == (201, found.json())
    assert await told(platform) == ["room.created"]
    async with platform.database.platform() as db:
        rooms = (await db.exec(select(Room).order_by(col(Room.id)))).all()
    assert [(room.status, room.origin) for room in rooms] == [("closed", "api"), ("open", "api")]


async def test_another_request_does_not_take_over_the_room_of_one_that_died(platform: Platform) -> None:
    tenant = await platform.tenant()
    await die_between_row_and_answer(platform, tenant)
    for key in ({}, {"Idempotency-Key": "k-2"}):
        assert (await tenant.http.post("/rooms", json={"name": "r"}, headers=key)).status_code == 409


async def test_a_key_is_free_again_for_another_room_once_its_own_is_made(platform: Platform) -> None:
    tenant = await platform.tenant()
    assert (await repeat(tenant)).status_code == 201
    async with platform.database.platform() as db:
        assert (await db.exec(select(Room.request_key))).one() is None


async def test_a_room_that_livekit_made_though_it_answered_too_late_stays_open(platform: Platform) -> None:
    tenant = await platform.tenant()
    media = platform.media

    async def answer_too_late(name: str, **_: object) -> LiveRoom:
        media.rooms[name] = LiveRoom(name, "RM_late", 1_700_000_000, 600, 0)
        await reconcile(platform)
        raise Unavailable("LiveKit cannot be reached; try again")

    create_room, media.create_room = media.create_room, answer_too_late  # type: ignore[method-assign]
    assert (await repeat(tenant)).status_code == 503
    assert (await tenant.http.get("/rooms/r")).json()["room"]["status"] == "active"
    media.create_room = create_room  # type: ignore[method-assign]
    finished = await repeat(tenant)
    assert (finished.status_code, finished.json()["room"]["sid"]) == (201, "RM_late")


async def test_only_livekit_names_rooms_with_a_plus_and_they_can_be_joined(platform: Platform) -> None:
    tenant = await platform.tenant()
    name = "call_+17755550100_x"
    join = {"identity": "me", "room": name, "no_agent": True}
    for path, body, field in (
        ("/rooms", {"name": name}, "name"),
        ("/sessions", {"room_name": name}, "room_name"),
        ("/sip/dial", {"room_name": name, "phone_number": "+17751234567"}, "room_name"),
        ("/token", join, "room"),
    ):
        answer = await tenant.http.post(path, json=body)
        assert (answer.status_code, answer.json()["details"]["fields"][0]["field"]) == (400, field)
    full = f"proj_{name}"
    await platform.add(Room(project_id=tenant.project.id, name=name, full_name=full, sid="RM_1"))
    assert (await tenant.http.post("/token", json=join)).json()["room"] == full
    assert (await tenant.http.get(f"/rooms/{name}")).status_code == 200
