"""`GET /events`: the log page by page, with the ids that the monitor shows."""

import asyncio
import json
from typing import Any

import pytest
import websockets
from sqlalchemy import event

from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio


async def feed(tenant: Tenant, query: str = "") -> dict[str, Any]:
    answer = await tenant.http.get(f"/events{query}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def speak(tenant: Tenant) -> None:
    """A room, and one session in it with one line."""
    await tenant.http.post("/rooms", json={"name": "r"})
    await tenant.http.post("/sessions", json={"room_name": "r"})
    await tenant.http.post("/sessions/r/transcript", json={"speaker": "user", "content": "Hello", "timestamp_ms": 5})
    await tenant.http.post("/sessions/r/end")


async def wait_for(tenant: Tenant, count: int) -> list[dict[str, Any]]:
    """All events, once there are so many: they are numbered after their commit."""
    async with asyncio.timeout(60):
        while len(events := (await feed(tenant))["events"]) < count:
            await asyncio.sleep(0.05)
    return list(events)


async def test_events_come_in_order_under_their_webhook_names(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with platform.jobs():
        await speak(tenant)
        events = await wait_for(tenant, 4)
    assert [each["type"] for each in events] == ["room.created", "session.started", "transcript.line", "session.ended"]
    assert [each["id"] for each in events] == sorted(each["id"] for each in events)
    line = events[2]
    assert (line["monitor_type"], line["room_name"], line["project_id"]) == (
        "transcript.new",
        "proj_r",
        tenant.project.id,
    )
    assert (line["data"]["content"], line["data"]["timestamp_ms"]) == ("Hello", 5)
    assert len(line["timestamp"]) == len("2026-03-31T10:00:00.000Z")
    assert events[1]["monitor_type"] == "session.started"


async def test_a_reader_goes_on_where_it_stopped(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with platform.jobs():
        await speak(tenant)
        events = await wait_for(tenant, 4)
    first = await feed(tenant, "?limit=3")
    rest = await feed(tenant, f"?limit=3&after={first['next_after']}")
    assert first["events"] + rest["events"] == events
    assert rest["next_after"] == events[-1]["id"]
    assert await feed(tenant, f"?after={rest['next_after']}") == {"events": [], "next_after": rest["next_after"]}


async def test_a_reader_may_ask_for_some_types_only(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with platform.jobs():
        await speak(tenant)
        await wait_for(tenant, 4)
    for query in ("?types=session.ended,transcript.line", "?types=transcript.line&types=session.ended"):
        found = (await feed(tenant, query))["events"]
        assert [each["type"] for each in found] == ["transcript.line", "session.ended"]


async def test_the_ids_are_those_of_the_monitor(platform: Platform) -> None:
    tenant = await platform.tenant()
    async with (
        platform.jobs(),
        websockets.connect(f"{platform.url.replace('http', 'ws')}/ws/monitor?api_key={tenant.key}") as socket,
        asyncio.timeout(60),
    ):
        await socket.send(json.dumps({"action": "subscribe", "channel": "rooms"}))
        assert json.loads(await socket.recv())["type"] == "subscribed"
        await speak(tenant)
        shown = [json.loads(await socket.recv())["id"] for _ in range(4)]
        assert [each["id"] for each in await wait_for(tenant, 4)] == shown


async def test_another_projects_events_are_not_shown(platform: Platform) -> None:
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    async with platform.jobs():
        await speak(theirs)
        await wait_for(theirs, 4)
    assert await feed(mine) == {"events": [], "next_after": 0}


@pytest.mark.parametrize(
    "query", ["after=-1", f"after={2**63}", "after=x", "limit=0", "limit=101", "types=room.exploded", "types=a%00"]
)
async def test_a_wrong_question_names_its_field(platform: Platform, query: str) -> None:
    tenant = await platform.tenant()
    answer = await tenant.http.get(f"/events?{query}")
    assert answer.status_code == 400
    assert answer.json()["details"]["fields"][0]["field"] == query.split("=")[0]


async def test_a_page_takes_two_statements(platform: Platform) -> None:
    tenant = await platform.tenant()
    await feed(tenant)
    statements: list[str] = []
    engine = platform.database._engines[0].sync_engine
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    await feed(tenant)
    assert len(statements) == 2, statements
