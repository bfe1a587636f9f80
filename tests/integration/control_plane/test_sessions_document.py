"""Section 8 of the API's document: its examples are replayed, and every documented key comes back with its type."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlmodel import col, select, update

from control_plane.events.models import Event
from control_plane.sessions.models import Session, TranscriptLine
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

CREATED = {
    "session": {
        "id": 42,
        "project_id": 1,
        "room_name": "proj_my-room",
        "status": "active",
        "session_type": "voice",
        "created_at": "2026-03-31T10:00:00Z",
    }
}
LISTED = {
    "sessions": [
        {
            "id": 42,
            "room_name": "proj_my-room",
            "agent_name": "Support Agent",
            "status": "completed",
            "session_type": "voice",
            "duration": 185,
            "message_count": 12,
            "started_at": "2026-03-31T10:00:00Z",
            "ended_at": "2026-03-31T10:03:05Z",
        }
    ],
    "total": 156,
    "page": 1,
    "total_pages": 7,
}
DETAIL = {
    "session": {
        "id": 42,
        "room_name": "proj_my-room",
        "agent_name": "Support Agent",
        "llm_provider": "openai",
        "llm_model": "gpt-4o",
        "status": "completed",
        "duration_seconds": 185,
        "message_count": 12,
        "started_at": "2026-03-31T10:00:00Z",
    },
    "costs": {"total": 0.045, "llm": 0.038, "stt": 0.005, "tts": 0.002},
}
TRANSCRIPT = {
    "session_id": 42,
    "transcripts": [
        {"speaker": "user", "content": "Hello", "timestamp_ms": 0, "created_at": "2026-03-31T10:00:00Z"},
        {"speaker": "agent", "content": "Hi! How can I help?", "timestamp_ms": 1200, "created_at": "…"},
    ],
}


def lacks(documented: Any, answered: Any, path: str = "") -> list[str]:
    """Where an answer lacks a documented key, or has it with another type."""
    match documented, answered:
        case dict(), dict():
            missing = [f"{path}.{key}" for key in documented if key not in answered]
            inside = (lacks(documented[key], answered[key], f"{path}.{key}") for key in documented if key in answered)
            return missing + [problem for problems in inside for problem in problems]
        case list(), list():
            assert documented, path
            assert answered, path
            return [problem for row in answered for problem in lacks(documented[0], row, f"{path}[]")]
        case float(), int() | float():
            return []
        case _:
            return [] if type(documented) is type(answered) else [f"{path}: {answered!r}"]


async def an_agent(tenant: Tenant, **more: object) -> int:
    return await tenant.make_agent(**{"llm_provider": "openai", "llm_model": "gpt-4o", **more})


async def a_session(tenant: Tenant, **more: object) -> int:
    made = await tenant.http.post("/sessions", json={"room_name": "proj_my-room", **more})
    assert made.status_code == 201, made.text
    return int(made.json()["session"]["id"])


async def test_every_example_of_the_document_comes_back_with_its_keys_and_types(platform: Platform) -> None:
    tenant = await platform.tenant()
    agent = await an_agent(tenant)
    body = {"room_name": "proj_my-room", "session_type": "voice"}
    more = {"agent_config_id": agent, "caller_identity": "user1", "metadata": {"campaign": "spring"}}
    created = await tenant.http.post("/sessions", json=body | more)
    assert created.status_code == 201, created.text
    assert lacks(CREATED, created.json()) == []
    session = created.json()["session"]["id"]

    for line in (
        {"speaker": "user", "content": "Hello", "timestamp_ms": 0},
        {"speaker": "agent", "content": "Hi! How can I help you today?", "timestamp_ms": 1200},
        {"speaker": "user", "content": "I need to update my billing info", "timestamp_ms": 5200, "is_final": True},
    ):
        added = await tenant.http.post("/sessions/proj_my-room/transcript", json=line)
        assert added.status_code == 201, added.text
        assert lacks({"success": True, "transcript": TRANSCRIPT["transcripts"][0]}, added.json()) == []  # type: ignore[index]
        assert added.json()["transcript"]["content"] == line["content"]

    ended = await tenant.http.post("/sessions/proj_my-room/end", json={"summary": "Customer asked about billing"})
    assert ended.status_code == 200, ended.text
    assert lacks({"success": True, "session": LISTED["sessions"][0]}, ended.json()) == []  # type: ignore[index]

    listed = await tenant.http.get("/sessions?status=completed&per_page=10")
    assert lacks(LISTED, listed.json()) == []
    assert (listed.json()["total"], listed.json()["page"], listed.json()["total_pages"]) == (1, 1, 1)

    detail = await tenant.http.get(f"/sessions/{session}/detail")
    assert lacks(DETAIL, detail.json()) == []
    shown = detail.json()["session"]
    assert {key: shown[key] for key in ("summary", "metadata", "caller_identity", "message_count", "session_type")} == {
        "summary": "Customer asked about billing",
        "metadata": {"campaign": "spring"},
        "caller_identity": "user1",
        "message_count": 3,
        "session_type": "voice",
    }

    assert lacks(TRANSCRIPT, (await tenant.http.get(f"/sessions/{session}/transcript")).json()) == []
    text = await tenant.http.get(f"/sessions/{session}/transcript/text")
    assert text.headers["content-type"].startswith("text/plain")
    assert text.text == (
        "[00:00] User: Hello\n"
        "[00:01] Agent: Hi! How can I help you today?\n"
        "[00:05] User: I need to update my billing info\n"
    )


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", None),
        (b"", "application/json"),
        (b"null", "application/json"),
        (b"{}", "application/json; charset=utf-8"),
        (b"", "text/plain"),
        (b"good bye", "text/plain"),
        (b"42", "text/plain"),
        (b"a=b", "application/x-www-form-urlencoded"),
        (b"\xff\xfe", "application/octet-stream"),
        (b"[" * 100_000, "text/plain"),
    ],
)
async def test_a_session_ends_without_a_body_and_with_any_that_says_nothing(
    platform: Platform, content: bytes, kind: str | None
) -> None:
    tenant = await platform.tenant()
    await a_session(tenant)
    headers = {"Content-Type": kind} if kind else {}
    ended = await tenant.http.post("/sessions/my-room/end", content=content, headers=headers)
    assert ended.status_code == 200, ended.text
    assert ended.json()["session"]["summary"] is None


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
async def test_what_is_json_is_obeyed_whatever_it_is_called(platform: Platform, kind: str) -> None:
    tenant = await platform.tenant()
    await a_session(tenant)
    content = json.dumps({"summary": "short", "duration": 185}).encode()
    ended = await tenant.http.post("/sessions/my-room/end", content=content, headers={"Content-Type": kind})
    shown = ended.json()["session"]
    assert (shown["summary"], shown["duration"], shown["duration_seconds"]) == ("short", 185, 185)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{", "application/json"),
        (b"\xff", "application/json"),
        (b"[]", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"duration": -1}', "application/json"),
        (b'{"duration": "long"}', "text/plain"),
        (b'{"summary": 7}', "text/plain"),
        (b'{"summary": "\\u0000"}', "application/vnd.api+json"),
    ],
)
async def test_a_wrong_end_changes_nothing(platform: Platform, content: bytes, kind: str) -> None:
    tenant = await platform.tenant()
    await a_session(tenant)
    refused = await tenant.http.post("/sessions/my-room/end", content=content, headers={"Content-Type": kind})
    assert (refused.status_code, refused.json()["code"]) == (400, "INVALID_REQUEST"), refused.text
    assert (await tenant.http.post("/sessions", json={"room_name": "my-room"})).status_code == 409


async def test_a_list_is_narrowed_by_every_documented_filter(platform: Platform) -> None:
    tenant = await platform.tenant()
    agent = await an_agent(tenant)
    voice = await a_session(tenant, room_name="a", agent_config_id=agent)
    phone = await a_session(tenant, room_name="b", session_type="sip")
    await tenant.http.post("/sessions/a/end")
    async with platform.database.platform() as db:
        begin = datetime(2026, 3, 31, 10, tzinfo=UTC)
        await db.exec(update(Session).where(col(Session.id) == voice).values(started_at=begin))
    for query, found in (
        ("", [phone, voice]),
        ("status=active", [phone]),
        ("status=completed", [voice]),
        (f"agent_config_id={agent}", [voice]),
        ("session_type=sip", [phone]),
        ("to=2026-03-31", [voice]),
        ("from=2026-03-31&to=2026-03-31", [voice]),
        ("to=2026-03-30", []),
        ("from=2026-03-31T10:00:00Z&to=2026-03-31T10:00:00", [voice]),
        ("from=2026-03-31T12:00:01%2B02:00", [phone]),
        ("page=2&per_page=1", [voice]),
        ("page=9", []),
    ):
        answer = (await tenant.http.get(f"/sessions?{query}")).json()
        assert [row["id"] for row in answer["sessions"]] == found, query
    assert answer["total"] == 2


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"room_name": None}, 400),
        ({"room_name": "a b"}, 400),
        ({"session_type": "video"}, 400),
        ({"metadata": []}, 400),
        ({"agent_config_id": "1"}, 400),
        ({"agent_config_id": 999}, 404),
        ({"room_name": "theirs_r"}, 403),
    ],
)
async def test_a_wrong_session_is_refused(platform: Platform, change: dict[str, object], status: int) -> None:
    tenant, _ = await platform.tenant(), await platform.tenant("theirs")
    answer = await tenant.http.post("/sessions", json={"room_name": "r"} | change)
    assert answer.status_code == status, answer.text
    assert (await tenant.http.get("/sessions")).json()["total"] == 0


@pytest.mark.parametrize("unwilling", ["agent", "project"])
async def test_an_agent_or_project_that_keeps_no_transcripts_keeps_none_of_a_customers_own_server_either(
    platform: Platform, unwilling: str
) -> None:
    tenant = await platform.tenant()
    if unwilling == "project":
        kept = await tenant.http.patch(f"/projects/{tenant.project.id}", json={"store_transcripts": False})
        assert kept.status_code == 200
    agent = await an_agent(tenant, store_transcripts=unwilling == "project")
    session = await a_session(tenant, agent_config_id=agent)
    line = {"speaker": "user", "content": "my secret"}
    assert (await tenant.http.post("/sessions/my-room/transcript", json=line)).status_code == 201
    assert (await tenant.http.get(f"/sessions/{session}/transcript")).json()["transcripts"] == []
    async with platform.database.platform() as db:
        assert (await db.exec(select(TranscriptLine))).all() == []
        assert "my secret" not in str([row.data for row in (await db.exec(select(Event))).all()])
