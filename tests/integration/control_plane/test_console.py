"""People at a browser: signing up, logging in and out, sessions, and what pages of other sites cannot do."""

import asyncio
import json
from datetime import timedelta

import httpx2
import pytest
import websockets
from sqlmodel import select

from control_plane.accounts.models import Account, Project
from control_plane.auth.models import ConsoleSession
from control_plane.auth.passwords import hash_password
from control_plane.auth.sessions import MOST, SessionCookie
from control_plane.ids import fingerprint
from tests.support.clocks import TurnedClock
from tests.support.console import EMAIL, PASSWORD, WHO, browser, new_window
from tests.support.platform import Platform

pytestmark = pytest.mark.anyio


async def test_who_signs_up_is_logged_in_and_can_begin(grace: httpx2.AsyncClient) -> None:
    account = (await grace.get("/account")).json()["account"]
    assert (account["email"], account["name"], account["plan"], account["active_keys"]) == (EMAIL, "Grace", "free", 1)
    made = await grace.post("/agents", json={"name": "First"})
    assert made.status_code == 201, made.text
    assert [agent["name"] for agent in (await grace.get("/agents")).json()["agents"]] == ["First"]
    entries = (await grace.get("/audit")).json()["entries"]
    assert [entry["action"] for entry in entries] == ["POST /agents", "POST /auth/signup"]
    assert {entry["key_id"][:4] for entry in entries} == {"ses_"}


async def test_a_page_learns_who_has_logged_in_without_being_refused(
    platform: Platform, grace: httpx2.AsyncClient
) -> None:
    mine = await grace.get("/auth/session")
    assert mine.json() == (await grace.get("/account")).json()
    async with browser(platform) as nobody:
        assert (await nobody.get("/auth/session")).json() == {"account": None}
        assert (await nobody.get("/account")).status_code == 401
    key = {"X-API-Key": (await platform.tenant()).key}
    async with httpx2.AsyncClient(base_url=f"{platform.url}/api/v1", headers=key, timeout=30) as program:
        assert (await program.get("/auth/session")).json() == {"account": None}
    elsewhere = await grace.get("/auth/session", headers={"Sec-Fetch-Site": "cross-site"})
    assert elsewhere.status_code == 403
    await grace.post("/auth/logout")
    assert (await grace.get("/auth/session")).json() == {"account": None}


async def test_the_first_key_is_shown_at_sign_up_and_opens_the_same_project(platform: Platform) -> None:
    async with browser(platform) as client:
        made = (await client.post("/auth/signup", json=WHO)).json()
        await client.post("/agents", json={"name": "Mine"})
    key = {"X-API-Key": made["api_key"]["key"]}
    async with httpx2.AsyncClient(base_url=f"{platform.url}/api/v1", headers=key, timeout=30) as program:
        assert [agent["name"] for agent in (await program.get("/agents")).json()["agents"]] == ["Mine"]
        assert (await program.get("/account")).json()["account"]["project"] == made["project"]


async def test_the_cookie_is_closed_to_scripts_and_other_sites_and_kept_as_a_hash(platform: Platform) -> None:
    async with browser(platform) as client:
        answer = await client.post("/auth/signup", json=WHO)
    cookie = answer.headers["set-cookie"]
    name, _, rest = cookie.partition("=")
    token = rest.partition(";")[0]
    attributes = {part.strip().lower() for part in rest.split(";")[1:]}
    assert name == "parley_session"
    assert {"httponly", "samesite=lax", "path=/", "max-age=2592000"} <= attributes
    assert not {part for part in attributes if part.startswith("domain")}
    assert len(token) > 30
    assert token not in answer.text
    async with platform.database.platform() as db:
        row = (await db.exec(select(ConsoleSession))).one()
    assert row.hash == fingerprint(token)
    assert token not in row.model_dump_json(exclude={"hash"})


async def test_behind_https_the_cookie_is_secure_and_of_this_host_alone(platform: Platform) -> None:
    platform.app.state.cookie = SessionCookie("https://parley.example.org")
    async with browser(platform) as client:
        cookie = (await client.post("/auth/signup", json=WHO)).headers["set-cookie"].lower()
    assert cookie.startswith("__host-parley_session=")
    assert "; secure" in cookie
    assert "; path=/" in cookie
    assert "domain" not in cookie


async def test_logging_in_again_makes_another_session_whatever_cookie_was_there(
    platform: Platform, grace: httpx2.AsyncClient
) -> None:
    former = grace.cookies["parley_session"]
    assert (await grace.post("/auth/login", json=WHO)).status_code == 200
    assert grace.cookies["parley_session"] != former
    async with browser(platform) as thief:
        thief.cookies.set("parley_session", former)
        assert (await thief.get("/account")).status_code == 401
    async with browser(platform) as victim:
        victim.cookies.set("parley_session", "cs_chosen-by-somebody-else")
        answer = await victim.post("/auth/login", json=WHO)
        assert answer.status_code == 200
        assert "cs_chosen-by-somebody-else" not in answer.headers["set-cookie"]


async def test_logging_out_ends_the_session_in_all_processes(platform: Platform, grace: httpx2.AsyncClient) -> None:
    token = grace.cookies["parley_session"]
    async with platform.second_process() as url, browser(platform, url) as elsewhere:
        elsewhere.cookies.set("parley_session", token)
        assert (await elsewhere.get("/account")).status_code == 200
        answer = await grace.post("/auth/logout")
        assert answer.status_code == 200
        assert 'parley_session=""' in answer.headers["set-cookie"]
        assert (await elsewhere.get("/account")).status_code == 401
    assert (await grace.get("/account")).status_code == 401
    assert (await grace.post("/auth/logout")).status_code == 401


async def test_a_session_ends_by_itself(platform: Platform, grace: httpx2.AsyncClient) -> None:
    later = TurnedClock()
    platform.app.state.clock = platform.app.state.keys.clock = later
    for days in (6, 12, 18, 24, 29):  # used every week
        later.ahead = timedelta(days=days)
        assert (await grace.get("/account")).status_code == 200, days
        await platform.app.state.keys.write_use()
    later.ahead = timedelta(days=31)
    assert (await grace.get("/account")).status_code == 401
    later.ahead = timedelta()
    await new_window(platform)
    assert (await grace.post("/auth/login", json=WHO)).status_code == 200
    later.ahead = timedelta(days=8)  # not used for a week
    await asyncio.sleep(0)
    assert (await grace.get("/account")).status_code == 401
    later.ahead = timedelta()


async def test_an_account_has_only_so_many_sessions(platform: Platform, grace: httpx2.AsyncClient) -> None:
    first = grace.cookies["parley_session"]
    async with browser(platform) as other:
        for number in range(MOST):
            if number % 8 == 0:
                await new_window(platform)
            other.cookies.clear()
            assert (await other.post("/auth/login", json=WHO)).status_code == 200
        assert (await other.get("/account")).status_code == 200
        other.cookies.clear()
        other.cookies.set("parley_session", first)
        assert (await other.get("/account")).status_code == 401
    async with platform.database.platform() as db:
        assert len((await db.exec(select(ConsoleSession))).all()) == MOST


FOREIGN: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    {"Sec-Fetch-Site": "same-site", "Origin": "https://other.example.org"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "Same-Origin, same-origin"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=lambda headers: " ".join(headers.values()) or "empty")
async def test_a_page_of_another_site_changes_nothing(platform: Platform, headers: dict[str, str]) -> None:
    async with httpx2.AsyncClient(base_url=f"{platform.url}/api/v1", timeout=30) as client:
        assert (await client.post("/auth/signup", json=WHO)).status_code == 201
        body = json.dumps({"label": "stolen"})
        forged = headers | {"Content-Type": "text/plain"}
        for path in ("/api-keys", "/account/support-keys", "/auth/logout", "/auth/login", "/auth/signup"):
            answer = await client.post(path, content=body, headers=forged)
            assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN"), (path, answer.text)
        assert (await client.delete("/api-keys/1", headers=headers)).status_code == 403
        assert (await client.patch("/projects/1", json={"name": "n"}, headers=headers)).status_code == 403
        keys = (await client.get("/api-keys")).json()["api_keys"]
        assert [(key["label"], key["status"]) for key in keys] == [("First key", "active")]


async def test_a_page_of_another_site_reads_nothing_with_the_cookie(grace: httpx2.AsyncClient) -> None:
    for site in ("cross-site", "same-site"):
        assert (await grace.get("/account", headers={"Sec-Fetch-Site": site})).status_code == 403
    answer = await grace.get("/account", headers={"Sec-Fetch-Site": "none"})
    assert answer.status_code == 200
    assert "access-control-allow-credentials" not in answer.headers


async def test_a_program_with_a_key_is_not_asked_where_it_comes_from(platform: Platform) -> None:
    tenant = await platform.tenant()
    answer = await tenant.http.post("/agents", json={"name": "n"}, headers=FOREIGN[0])
    assert answer.status_code == 201


async def test_a_key_goes_before_the_cookie(platform: Platform, grace: httpx2.AsyncClient) -> None:
    tenant = await platform.tenant()
    with_key = await grace.get("/account", headers={"X-API-Key": tenant.key})
    assert with_key.json()["account"]["email"] == "proj@example.org"
    assert (await grace.get("/account", headers={"X-API-Key": "pk_wrong"})).status_code == 401
    token = grace.cookies["parley_session"]
    async with httpx2.AsyncClient(base_url=f"{platform.url}/api/v1", timeout=30) as program:
        assert (await program.get("/account", headers={"X-API-Key": token})).status_code == 401


async def test_the_account_that_parley_up_makes_can_log_in(platform: Platform) -> None:
    account = Account(email="demo@parley.invalid", password_hash=await hash_password(PASSWORD))
    await platform.add(account)
    await platform.add(Project(account_id=account.id, slug="proj", name="Demo"))
    async with browser(platform) as client:
        for email in ("demo@parley.invalid", " Demo@Parley.invalid "):
            assert (await client.post("/auth/login", json={"email": email, "password": PASSWORD})).status_code == 200
        assert (await client.get("/account")).json()["account"]["project"]["slug"] == "proj"
        for wrong in ("", "nobody", "@", "a" * 254):
            answer = await client.post("/auth/login", json={"email": wrong, "password": PASSWORD})
            assert answer.status_code == 401, wrong
        assert (await client.post("/auth/login", json={"email": "a" * 255, "password": ""})).status_code == 400


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "p" * 201}, "password"),
        ({"password": "nul\x00nul\x00"}, "password"),
        ({"plan": "enterprise"}, "plan"),
        ({"name": 7}, "name"),
    ],
)
async def test_a_wrong_sign_up_is_refused_without_repeating_it(
    platform: Platform, change: dict[str, object], field: str
) -> None:
    async with browser(platform) as client:
        answer = await client.post("/auth/signup", json=WHO | change)
    assert (answer.status_code, answer.json()["details"]["fields"][0]["field"]) == (400, field)
    assert PASSWORD not in answer.text
    assert "set-cookie" not in answer.headers


async def test_an_address_signs_up_once(platform: Platform, grace: httpx2.AsyncClient) -> None:
    async with browser(platform) as client:
        both = [client.post("/auth/signup", json=WHO | {"email": "two@example.org"}) for _ in range(2)]
        assert sorted(answer.status_code for answer in await asyncio.gather(*both)) == [201, 409]
        again = await client.post("/auth/signup", json=WHO | {"email": "GRACE@example.org"})
        assert (again.status_code, again.json()["code"]) == (409, "CONFLICT")


async def test_an_operator_may_keep_sign_up_to_himself(platform: Platform) -> None:
    settings = platform.app.state.settings
    platform.app.state.settings = settings.model_copy(update={"sign_up": False})
    async with browser(platform) as client:
        assert (await client.post("/auth/signup", json=WHO)).status_code == 403


async def test_a_monitor_opened_from_the_console_closes_with_the_session(
    platform: Platform, grace: httpx2.AsyncClient
) -> None:
    made = await grace.post("/monitor/tickets")
    assert made.status_code == 201, made.text
    url = platform.url.replace("http", "ws", 1) + f"/ws/monitor?ticket={made.json()['ticket']}"
    async with websockets.connect(url) as socket:
        await socket.send(json.dumps({"action": "subscribe", "channel": "rooms"}))
        assert json.loads(await socket.recv())["type"] == "subscribed"
        await grace.post("/auth/logout")
        async with asyncio.timeout(60):
            await socket.wait_closed()
        assert socket.close_code == 4001


async def test_a_change_of_plan_counts_for_an_open_session_at_once(
    platform: Platform, grace: httpx2.AsyncClient
) -> None:
    account = (await grace.get("/account")).json()["account"]
    operator = {"X-API-Key": platform.settings.admin_key.get_secret_value()}  # type: ignore[union-attr]
    async with httpx2.AsyncClient(base_url=f"{platform.url}/api/v1", headers=operator, timeout=30) as client:
        await client.patch(f"/admin/accounts/{account['id']}", json={"plan": "enterprise"})
    assert (await grace.get("/quota")).json()["plan"] == "enterprise"
