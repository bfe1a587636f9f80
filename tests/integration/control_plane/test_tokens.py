"""Tokens: the room they open, the agents they bring, and who is refused."""

import asyncio
import json
from datetime import timedelta

import httpx2
import jwt
import pytest
from sqlmodel import col, select, update

from control_plane.clock import Clock
from control_plane.errors import Unavailable
from control_plane.ids import fingerprint
from control_plane.rooms.models import Room
from control_plane.sessions.models import Slot, Worker
from control_plane.sessions.slots import Ticket
from tests.support.platform import Platform
from tests.support.statements import statements

pytestmark = pytest.mark.anyio


async def test_a_token_opens_one_room_and_brings_its_agent(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    agent = await tenant.make_agent()
    answer = await tenant.http.post("/token", json={"identity": "user1", "room": "my-room"})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["room"] == "proj_my-room"
    assert body["agents_dispatched"] == [agent]
    claims = jwt.decode(body["token"], options={"verify_signature": False})
    assert claims["video"]["room"] == "proj_my-room"
    assert set(claims["video"]) == {
        "roomJoin",
        "room",
        "canPublish",
        "canSubscribe",
        "canPublishData",
        "canUpdateOwnMetadata",
    }
    dispatch = claims["roomConfig"]["agents"][0]
    assert dispatch["agentName"] == "parley"
    assert "You help" not in dispatch["metadata"]
    assert platform.media.calls == []


async def test_a_second_caller_does_not_bring_a_second_agent(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    await tenant.make_agent()
    await tenant.http.post("/rooms", json={"name": "r"})
    asked = [await tenant.http.post("/token", json={"identity": who, "room": "r"}) for who in "ab"]
    assert asked[0].json()["agents_dispatched"] == asked[1].json()["agents_dispatched"]
    assert [call[0] for call in platform.media.calls] == ["create_room", "dispatch"]


def dispatches(answer: httpx2.Response) -> list[dict[str, str]]:
    """What a token's room configuration brings."""
    claims = jwt.decode(answer.json()["token"], options={"verify_signature": False})
    return [json.loads(agent["metadata"]) for agent in claims.get("roomConfig", {"agents": []})["agents"]]


async def test_whoever_makes_the_room_brings_the_agent_that_an_earlier_token_asked_for(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    first_agent, second_agent = await tenant.make_agent(), await tenant.make_agent()
    first = await tenant.http.post("/token", json={"identity": "a", "room": "r"})
    later = Clock().now() + timedelta(seconds=100)
    monkeypatch.setattr(platform.app.state.clock, "now", lambda: later)
    async with platform.database.platform() as db:
        await db.exec(update(Worker).values(seen_at=later))
    again = await tenant.http.post("/token", json={"identity": "a", "room": "r"})
    assert again.json()["agents_dispatched"] == first.json()["agents_dispatched"] == [first_agent]
    assert dispatches(again) == dispatches(first) != []
    other = await tenant.http.post("/token", json={"identity": "b", "room": "r", "agent_config_id": second_agent})
    assert other.json()["agents_dispatched"] == [first_agent, second_agent]
    assert dispatches(other)[0] == dispatches(first)[0]
    alone = await tenant.http.post("/token", json={"identity": "c", "room": "r", "no_agent": True})
    assert alone.json()["agents_dispatched"] == dispatches(alone) == []
    async with platform.database.platform() as db:
        slots = (await db.exec(select(Slot).order_by(col(Slot.id)))).all()
    assert [slot.persona_ids for slot in slots] == [[first_agent], [second_agent]]
    assert {slot.expires_at for slot in slots} == {later + platform.settings.slot_lifetime}
    ticket = Ticket.parse(dispatches(other)[0]["ticket"])
    assert ticket is not None
    assert fingerprint(ticket.secret) == slots[0].ticket_hash
    await platform.add(Room(project_id=tenant.project.id, name="r", full_name="proj_r"))
    joined = await tenant.http.post("/token", json={"identity": "d", "room": "r"})
    assert joined.json()["agents_dispatched"] == [first_agent, second_agent]
    assert dispatches(joined) == []
    assert platform.media.calls == [], "they are on their way: nobody is asked for twice"


async def test_an_agent_for_a_running_room_is_dispatched_by_a_call(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    await tenant.make_agent()
    await tenant.http.post("/rooms", json={"name": "r"})
    answer = await tenant.http.post("/token", json={"identity": "a", "room": "r"})
    assert [call[:2] for call in platform.media.calls[1:]] == [("dispatch", "proj_r")]
    assert "roomConfig" not in jwt.decode(answer.json()["token"], options={"verify_signature": False})


async def test_a_dispatch_that_livekit_refuses_gives_its_slot_back(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    await tenant.make_agent()
    await tenant.http.post("/rooms", json={"name": "r"})
    platform.media.fail_next = Unavailable("LiveKit cannot be reached; try again")
    refused = await tenant.http.post("/token", json={"identity": "a", "room": "r"})
    assert refused.status_code == 503
    assert refused.headers["retry-after"].isdigit()
    again = await tenant.http.post("/token", json={"identity": "a", "room": "r"})
    assert len(again.json()["agents_dispatched"]) == 1


async def test_without_a_free_worker_a_token_with_an_agent_is_refused(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker(capacity=1)
    await tenant.make_agent()
    first = await tenant.http.post("/token", json={"identity": "a", "room": "r1"})
    second = await tenant.http.post("/token", json={"identity": "a", "room": "r2"})
    assert (first.status_code, second.status_code) == (200, 503)
    assert second.json()["code"] == "UNAVAILABLE"
    without = await tenant.http.post("/token", json={"identity": "a", "room": "r2", "no_agent": True})
    assert without.status_code == 200


async def test_sessions_are_admitted_up_to_the_plan_and_not_one_more(platform: Platform) -> None:
    tenant = await platform.tenant(plan="free")
    await platform.add_worker()
    await tenant.make_agent()
    answers = await asyncio.gather(
        *(tenant.http.post("/token", json={"identity": "a", "room": f"r{number}"}) for number in range(40))
    )
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 3 + [429] * 37
    refused = next(answer for answer in answers if answer.status_code == 429).json()
    assert refused["code"] == "QUOTA_EXCEEDED"
    assert refused["details"]["limit"] == refused["details"]["used"] == 3


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"identity": None}, 400, "INVALID_REQUEST"),
        ({"identity": "agent-1"}, 400, "INVALID_REQUEST"),
        ({"room": "no spaces"}, 400, "INVALID_REQUEST"),
        ({"room": ""}, 400, "INVALID_REQUEST"),
        ({"grants": {"roomAdmin": True}}, 400, "INVALID_REQUEST"),
        ({"grants": {"hidden": True}}, 400, "INVALID_REQUEST"),
        ({"ttl_seconds": 10**9}, 400, "INVALID_REQUEST"),
        ({"agent_config_id": 99}, 404, "NOT_FOUND"),
        ({"agent_config_id": "one"}, 400, "INVALID_REQUEST"),
    ],
)
async def test_a_wrong_token_request_says_what_is_wrong(
    platform: Platform, change: dict[str, object], status: int, code: str
) -> None:
    tenant = await platform.tenant()
    answer = await tenant.http.post("/token", json={"identity": "user1", "room": "my-room"} | change)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_foreign_and_inactive_agents_are_refused_for_a_token(platform: Platform) -> None:
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    foreign = await theirs.make_agent()
    asleep = await mine.make_agent(is_active=False)
    room = {"identity": "u", "room": "r"}
    assert (await mine.http.post("/token", json=room | {"agent_config_id": foreign})).status_code == 403
    assert (await mine.http.post("/token", json=room | {"agent_config_id": asleep})).status_code == 409


async def test_a_room_named_after_another_project_is_forbidden(platform: Platform) -> None:
    mine, _ = await platform.tenant("mine"), await platform.tenant("theirs")
    for path, body in (("/token", {"identity": "u", "room": "theirs_r"}), ("/rooms", {"name": "theirs_r"})):
        assert (await mine.http.post(path, json=body)).status_code == 403
    assert (await mine.http.get("/rooms/theirs_r")).status_code == 403
    own = await mine.http.post("/token", json={"identity": "u", "room": "mine_r", "no_agent": True})
    assert own.json()["room"] == "mine_r"


async def test_a_token_takes_one_statement_besides_the_key_check(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    await tenant.make_agent()
    made = (await tenant.http.post("/api-keys", json={"label": "fresh"})).json()["api_key"]
    header = {"X-API-Key": made["key"]}
    for room, expected in (("one", 2), ("two", 1)):  # the second time the key was seen a moment ago
        with statements() as sent:
            answer = await tenant.http.post("/token", json={"identity": "user1", "room": room}, headers=header)
        assert answer.status_code == 200
        assert len(sent) == expected, sent
    assert platform.media.calls == []
