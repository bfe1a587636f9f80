"""The primary surface over real HTTP and PostgreSQL: shapes, errors, ownership."""

import json
from typing import Any

import httpx2
import pytest

from control_plane.errors import Unavailable
from guard.logs import hide_secrets
from tests.support.platform import Platform, Tenant
from tests.support.statements import statements

pytestmark = pytest.mark.anyio

PERSONA = {"name": "Receptionist", "instructions": "You help.", "greeting": "Hello {{name}}."}


async def make_agent(tenant: Tenant, **changes: object) -> int:
    return await tenant.make_agent(**(PERSONA | changes))


async def test_a_request_without_a_good_key_is_refused(platform: Platform) -> None:
    async with httpx2.AsyncClient(base_url=platform.url, timeout=30) as client:
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
