"""The primary surface over real HTTP and PostgreSQL: shapes, errors, ownership."""

import asyncio
import json
from datetime import timedelta
from typing import Any

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
from guard.logs import hide_secrets
from tests.support.platform import Platform, Tenant
from tests.support.statements import statements

pytestmark = pytest.mark.anyio

PERSONA = {"name": "Receptionist", "instructions": "You help.", "greeting": "Hello {{name}}."}


async def make_agent(tenant: Tenant, **changes: object) -> int:
    return await tenant.make_agent(**(PERSONA | changes))


async def test_a_request_without_a_good_key_is_refused(platform: Platform) -> None:
    async with httpx2.AsyncClient(base_url=platform.url) as client:
        missing = await client.get("/api/v1/agents")
        wrong = await client.get("/api/v1/agents", headers={"X-API-Key": "pk_wrong"})
    assert missing.status_code == wrong.status_code == 401
    assert missing.json() == {"error": "Missing X-API-Key header", "code": "UNAUTHORIZED"}
    assert wrong.json()["code"] == "UNAUTHORIZED"


async def test_a_revoked_key_is_refused_at_once(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = (await tenant.http.post("/api-keys", json={"label": "second"})).json()["api_key"]
    header = {"X-API-Key": made["key"]}
    assert (await tenant.http.get("/agents", headers=header)).status_code == 200
    assert (await tenant.http.delete(f"/api-keys/{made['id']}")).status_code == 200
    assert (await tenant.http.get("/agents", headers=header)).status_code == 401


async def test_an_agent_is_created_read_changed_and_deleted(platform: Platform) -> None:
    tenant = await platform.tenant()
    agent = await make_agent(tenant)
    changed = await tenant.http.patch(f"/agents/{agent}", json={"greeting": "Good morning."})
    assert changed.json()["agent"]["greeting"] == "Good morning."
    assert changed.json()["agent"]["instructions"] == "You help."
    assert (await tenant.http.delete(f"/agents/{agent}")).json()["success"] is True
    assert (await tenant.http.get(f"/agents/{agent}")).status_code == 404


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_another_projects_agent_is_forbidden_and_not_shown(platform: Platform, method: str) -> None:
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    agent = await make_agent(theirs, name="Canary")
    body = {"name": "Taken"} if method == "PATCH" else None
    answer = await mine.http.request(method, f"/agents/{agent}", json=body)
    assert answer.status_code == 403
    assert answer.json()["code"] == "FORBIDDEN"
    assert "Canary" not in answer.text
    assert (await theirs.http.get(f"/agents/{agent}")).json()["agent"]["name"] == "Canary"


async def test_a_token_opens_one_room_and_brings_its_agent(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    agent = await make_agent(tenant)
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
    await make_agent(tenant)
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
    first_agent, second_agent = await make_agent(tenant), await make_agent(tenant)
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
    await make_agent(tenant)
    await tenant.http.post("/rooms", json={"name": "r"})
    answer = await tenant.http.post("/token", json={"identity": "a", "room": "r"})
    assert [call[:2] for call in platform.media.calls[1:]] == [("dispatch", "proj_r")]
    assert "roomConfig" not in jwt.decode(answer.json()["token"], options={"verify_signature": False})


async def test_a_dispatch_that_livekit_refuses_gives_its_slot_back(platform: Platform) -> None:
    tenant = await platform.tenant()
    await platform.add_worker()
    await make_agent(tenant)
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
    await make_agent(tenant)
    first = await tenant.http.post("/token", json={"identity": "a", "room": "r1"})
    second = await tenant.http.post("/token", json={"identity": "a", "room": "r2"})
    assert (first.status_code, second.status_code) == (200, 503)
    assert second.json()["code"] == "UNAVAILABLE"
    without = await tenant.http.post("/token", json={"identity": "a", "room": "r2", "no_agent": True})
    assert without.status_code == 200


async def test_sessions_are_admitted_up_to_the_plan_and_not_one_more(platform: Platform) -> None:
    tenant = await platform.tenant(plan="free")
    await platform.add_worker()
    await make_agent(tenant)
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
    foreign = await make_agent(theirs)
    asleep = await make_agent(mine, is_active=False)
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
    await make_agent(tenant)
    made = (await tenant.http.post("/api-keys", json={"label": "fresh"})).json()["api_key"]
    header = {"X-API-Key": made["key"]}
    for room, expected in (("one", 2), ("two", 1)):  # the second time the key was seen a moment ago
        with statements() as sent:
            answer = await tenant.http.post("/token", json={"identity": "user1", "room": room}, headers=header)
        assert answer.status_code == 200
        assert len(sent) == expected, sent
    assert platform.media.calls == []


@pytest.mark.parametrize("path", ["/agents", "/agents/1", "/rooms", "/rooms/r", "/sessions", "/sessions/1/detail"])
async def test_a_read_takes_two_statements_at_most(platform: Platform, path: str) -> None:
    tenant = await platform.tenant()
    await make_agent(tenant)
    await tenant.http.post("/rooms", json={"name": "r"})
    await tenant.http.post("/sessions", json={"room_name": "r"})
    calls = len(platform.media.calls)
    with statements() as sent:
        assert (await tenant.http.get(path)).status_code == 200
    assert len(sent) <= 2, sent
    assert len(platform.media.calls) == calls


async def test_a_room_is_made_listed_and_closed(platform: Platform) -> None:
    tenant = await platform.tenant()
    made = (await tenant.http.post("/rooms", json={"name": "my-room", "empty_timeout": 600})).json()
    assert made["room"]["fullName"] == "proj_my-room"
    assert made["room"]["emptyTimeout"] == 600
    assert (await tenant.http.post("/rooms", json={"name": "my-room"})).status_code == 409
    assert [room["name"] for room in (await tenant.http.get("/rooms")).json()["rooms"]] == ["my-room"]
    closed = await tenant.http.delete("/rooms/my-room/")
    assert closed.json() == {"success": True, "message": "Room closed"}
    assert (await tenant.http.delete("/rooms/my-room")).status_code == 200
    assert (await tenant.http.get("/rooms/my-room")).json()["room"]["status"] == "closed"
    assert (await tenant.http.get("/rooms")).json()["rooms"] == []


async def test_a_room_that_livekit_refuses_is_not_left_open(platform: Platform) -> None:
    tenant = await platform.tenant()
    platform.media.fail_next = Unavailable("LiveKit cannot be reached; try again")
    assert (await tenant.http.post("/rooms", json={"name": "r"})).status_code == 503
    assert (await tenant.http.get("/rooms")).json()["rooms"] == []
    assert (await tenant.http.post("/rooms", json={"name": "r"})).status_code == 201


async def test_a_session_log_keeps_lines_once_and_ends(platform: Platform) -> None:
    tenant = await platform.tenant()
    opened = await tenant.http.post("/sessions", json={"room_name": "proj_r"})
    session = opened.json()["session"]["id"]
    assert (await tenant.http.post("/sessions", json={"room_name": "r"})).status_code == 409
    line = {"speaker": "user", "content": "Hello", "timestamp_ms": 5200, "sequence": 1}
    for _ in range(2):
        assert (await tenant.http.post("/sessions/r/transcript", json=line)).status_code == 201
    await tenant.http.post(
        "/sessions/r/transcript", json={"speaker": "agent", "content": "Hi", "timestamp_ms": 3_605_000}
    )
    ended = await tenant.http.post("/sessions/proj_r/end")
    assert ended.json()["session"]["status"] == "completed"
    assert (await tenant.http.post("/sessions/r/end")).status_code == 409
    text = await tenant.http.get(f"/sessions/{session}/transcript/text")
    assert text.text == "[00:05] User: Hello\n[1:00:05] Agent: Hi\n"
    listed = (await tenant.http.get("/sessions?status=completed&per_page=1")).json()
    assert (listed["total"], listed["sessions"][0]["message_count"]) == (1, 2)


@pytest.mark.parametrize("query", ["page=0", "per_page=0", "per_page=101", "status=unknown", "from=yesterday"])
async def test_a_wrong_filter_of_sessions_is_refused(platform: Platform, query: str) -> None:
    tenant = await platform.tenant()
    answer = await tenant.http.get(f"/sessions?{query}")
    assert answer.status_code == 400
    assert answer.json()["details"]["fields"][0]["field"] == query.split("=")[0]


async def test_a_knowledge_base_answers_from_what_it_was_given(platform: Platform) -> None:
    tenant = await platform.tenant()
    base = (await tenant.http.post("/knowledge-bases", json={"name": "FAQ"})).json()["knowledge_base"]["id"]
    text = "# Opening\n\nThe workshop opens at nine on weekdays.\n\n# Parking\n\nParking costs four dollars an hour."
    ingested = await tenant.http.post(f"/knowledge-bases/{base}/ingest", json={"content": text, "source_name": "a"})
    assert ingested.json()["chunks_created"] == 2
    query = {"knowledge_base_id": base, "query": "What does parking cost?", "top_k": 1}
    found = (await tenant.http.post("/knowledge/search", json=query)).json()
    assert "four dollars" in found["results"][0]["content"]
    assert 0 < found["results"][0]["score"] <= 1
    again = await tenant.http.post(
        f"/knowledge-bases/{base}/documents", files={"file": ("a.md", b"# Dogs\n\nAllowed.")}
    )
    assert again.status_code == 201
    other = await platform.tenant("other")
    assert (await other.http.post("/knowledge/search", json=query)).status_code == 403


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.exe", b"MZ"), ("a.txt", b"\xff\xfe\x00"), ("a.md", b"a\x00b"), ("a.json", b"[" * 100_000), ("a.txt", b"")],
)
async def test_a_document_that_cannot_be_read_leaves_the_base_as_it_was(
    platform: Platform, name: str, data: bytes
) -> None:
    tenant = await platform.tenant()
    base = (await tenant.http.post("/knowledge-bases", json={"name": "FAQ"})).json()["knowledge_base"]["id"]
    answer = await tenant.http.post(f"/knowledge-bases/{base}/documents", files={"file": (name, data)})
    assert answer.status_code == 400, answer.text
    assert (await tenant.http.get(f"/knowledge-bases/{base}")).json()["knowledge_base"]["chunk_count"] == 0


async def test_unreadable_requests_get_the_documented_shape(platform: Platform) -> None:
    tenant = await platform.tenant()
    unreadable = await tenant.http.post("/token", content=b"{", headers={"Content-Type": "application/json"})
    large = await tenant.http.post("/token", content=b'{"a":"' + b"x" * 2**20 + b'"}')
    unknown = await tenant.http.get("/nothing/here")
    method = await tenant.http.put("/agents")
    answers = (unreadable, large, unknown, method)
    assert [answer.status_code for answer in answers] == [400, 413, 404, 405]
    assert [answer.json()["code"] for answer in answers] == [
        "INVALID_REQUEST",
        "INVALID_REQUEST",
        "NOT_FOUND",
        "INVALID_REQUEST",
    ]


DEEP: Any = {}
for _ in range(300):
    DEEP = {"a": DEEP}


@pytest.mark.parametrize(
    "value",
    ["\x00", "\ud800", 2**70, DEEP["a"]],
    ids=["nul", "surrogate", "huge", "deep"],
)
@pytest.mark.parametrize(
    ("path", "field", "body"),
    [
        ("/sessions", "metadata", {"room_name": "r"}),
        ("/token", "variables", {"identity": "u", "room": "r"}),
    ],
)
async def test_free_json_that_cannot_be_kept_is_refused(
    platform: Platform, path: str, field: str, body: dict[str, object], value: object
) -> None:
    tenant = await platform.tenant()
    content = json.dumps(body | {field: {"a": value}})
    answer = await tenant.http.post(path, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["details"]["fields"][0]["field"] == field


@pytest.mark.parametrize("field", ["greeting", "language", "llm_provider", "llm_model", "voice_id", "instructions"])
async def test_text_that_cannot_be_kept_is_refused(platform: Platform, field: str) -> None:
    tenant = await platform.tenant()
    for text in ("\x00", "a\ud800"):
        content = json.dumps({"name": "n", field: text})
        answer = await tenant.http.post("/agents", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("given", ["0", "-1", "+1", "01", "1.0", "%201", "1e3", str(2**63), "x"])
async def test_an_id_is_digits_and_nothing_else(platform: Platform, given: str) -> None:
    tenant = await platform.tenant()
    assert (await tenant.http.get(f"/agents/{given}")).status_code == 400


def test_a_key_in_an_address_never_reaches_the_log() -> None:
    line = {"event": '127.0.0.1 - "WebSocket /ws/monitor?api_key=pk_0123456789abcdef0123&ticket=abc" [accepted]'}
    shown = hide_secrets(None, "info", line)["event"]
    assert "pk_0123" not in shown
    assert "abc" not in shown
