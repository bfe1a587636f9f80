"""An account with several projects: a browser's session says in which of them it asks, and reaches no other's."""

import json
from typing import Any

import httpx2
import pytest
import websockets
from sqlalchemy import text

from tests.support.console import browser
from tests.support.platform import Platform

pytestmark = pytest.mark.anyio

PROFESSIONAL = text("update account set plan = 'professional'")


async def new_project(client: httpx2.AsyncClient, name: str) -> int:
    made = await client.post("/projects", json={"name": name})
    assert made.status_code == 201, made.text
    return int(made.json()["project"]["id"])


@pytest.fixture
async def second(platform: Platform, grace: httpx2.AsyncClient) -> int:
    """Another project of the account."""
    async with platform.database.platform() as db:
        await db.execute(PROFESSIONAL)
    await platform.app.state.limiter._redis.flushall()
    return await new_project(grace, "Second")


def of(project: Any) -> dict[str, str]:
    return {"X-Project": str(project)}


async def agents(client: httpx2.AsyncClient, **headers: Any) -> list[str]:
    answer = await client.get("/agents", **headers)
    assert answer.status_code == 200, answer.text
    return [agent["name"] for agent in answer.json()["agents"]]


async def test_a_session_works_in_the_project_it_names(grace: httpx2.AsyncClient, second: int) -> None:
    await grace.post("/agents", json={"name": "In the first"})
    made = await grace.post("/agents", json={"name": "In the second"}, headers=of(second))
    assert made.status_code == 201, made.text
    assert await agents(grace) == ["In the first"]
    assert await agents(grace, headers=of(second)) == ["In the second"]
    first = (await grace.get("/account")).json()["account"]["project"]["id"]
    assert await agents(grace, headers=of(first)) == ["In the first"]
    trail = (await grace.get("/audit", headers=of(second))).json()["entries"]
    assert [entry["action"] for entry in trail] == ["POST /agents"]


async def test_nobody_gets_into_a_project_of_another_account(
    platform: Platform, grace: httpx2.AsyncClient, second: int
) -> None:
    theirs = await platform.tenant("theirs")
    async with browser(platform) as mallory:
        await mallory.post("/auth/signup", json={"email": "mallory@example.org", "password": "a long enough one"})
        for project in (second, theirs.project.id, 999_999):
            refused = await mallory.get("/agents", headers=of(project))
            assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
            written = await mallory.post("/agents", json={"name": "Trojan"}, headers=of(project))
            assert written.status_code == 403
    assert await agents(grace, headers=of(second)) == []
    assert await agents(theirs.http) == []


@pytest.mark.parametrize("given", ["", "0", "-1", "1.0", "abc", "1 2", "9" * 17, str(2**53)])
async def test_what_is_no_project_is_refused_by_name(grace: httpx2.AsyncClient, given: str) -> None:
    refused = await grace.get("/agents", headers=of(given))
    assert (refused.status_code, refused.json()["code"]) == (400, "INVALID_REQUEST")
    assert refused.json()["details"]["fields"][0]["field"] == "X-Project"


async def test_two_projects_are_none(grace: httpx2.AsyncClient, second: int) -> None:
    first = (await grace.get("/account")).json()["account"]["project"]["id"]
    twice = [("X-Project", str(first)), ("X-Project", str(second))]
    assert (await grace.get("/agents", headers=twice)).status_code == 400


async def test_a_key_stays_in_its_own_project(platform: Platform, grace: httpx2.AsyncClient, second: int) -> None:
    tenant = await platform.tenant()
    assert (await tenant.http.get("/agents", headers=of(tenant.project.id))).status_code == 200
    assert (await tenant.http.get("/agents", headers=of(second))).status_code == 403
    sibling = (await grace.post("/api-keys", json={"label": "one", "project_id": second})).json()["api_key"]["key"]
    first = (await grace.get("/account")).json()["account"]["project"]["id"]
    async with httpx2.AsyncClient(base_url=f"{platform.url}/api/v1", headers={"X-API-Key": sibling}) as program:
        assert (await program.get("/agents", headers=of(first))).status_code == 403
        assert (await program.get("/agents", headers=of(second))).status_code == 200


async def test_a_session_that_ended_is_told_so_whatever_it_names(grace: httpx2.AsyncClient, second: int) -> None:
    cookie = grace.cookies["parley_session"]
    await grace.post("/auth/logout", headers=of(second))
    grace.cookies.set("parley_session", cookie)
    assert (await grace.get("/agents", headers=of(second))).status_code == 401


async def test_a_ticket_opens_the_socket_of_the_project_it_was_made_in(
    platform: Platform, grace: httpx2.AsyncClient, second: int
) -> None:
    async with platform.jobs():
        made = await grace.post("/monitor/tickets", headers=of(second))
        url = f"{platform.url.replace('http', 'ws')}/ws/monitor?ticket={made.json()['ticket']}"
        async with websockets.connect(url) as socket:
            await socket.send(json.dumps({"action": "subscribe", "channel": "rooms"}))
            assert json.loads(await socket.recv())["type"] == "subscribed"
            assert (await grace.post("/rooms", json={"name": "elsewhere"})).status_code == 201
            assert (await grace.post("/rooms", json={"name": "here"}, headers=of(second))).status_code == 201
            told = json.loads(await socket.recv())
            assert (told["type"], told["data"]["room_name"]) == ("room.created", "here")
