"""People at a browser: signing up, logging in and out, sessions, and what pages of other sites cannot do."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest
import websockets
from sqlmodel import select

from control_plane.accounts.models import Account, Project
from control_plane.auth.models import ConsoleSession
from control_plane.auth.passwords import PasswordDesk, hash_password
from control_plane.auth.sessions import MOST, SessionCookie
from control_plane.clock import Clock
from control_plane.errors import Unavailable
from control_plane.ids import fingerprint
from tests.support.platform import Platform

pytestmark = pytest.mark.anyio

EMAIL, PASSWORD = "grace@example.org", "correct horse battery staple"
WHO = {"email": EMAIL, "password": PASSWORD}


@asynccontextmanager
async def browser(platform: Platform, url: str = "") -> AsyncIterator[httpx2.AsyncClient]:
    """Something with a jar for cookies, which says where its requests come from as browsers do."""
    headers = {"Origin": platform.url, "Sec-Fetch-Site": "same-origin"}
    async with httpx2.AsyncClient(base_url=f"{url or platform.url}/api/v1", headers=headers, timeout=30) as client:
        yield client


@pytest.fixture
async def grace(platform: Platform) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser in which somebody has signed up."""
    async with browser(platform) as client:
        made = await client.post("/auth/signup", json=WHO | {"name": "Grace"})
        assert made.status_code == 201, made.text
        yield client


async def new_window(platform: Platform) -> None:
    """As if a minute had gone by: the windows of tries are empty."""
    await platform.app.state.limiter._redis.flushall()


class LaterClock(Clock):
    """A clock that is ahead."""

    ahead = timedelta()

    def now(self) -> Any:
        return super().now() + self.ahead


async def test_who_signs_up_is_logged_in_and_can_begin(grace: httpx2.AsyncClient) -> None:
    account = (await grace.get("/account")).json()["account"]
    assert (account["email"], account["name"], account["plan"], account["active_keys"]) == (EMAIL, "Grace", "free", 1)
    made = await grace.post("/agents", json={"name": "First"})
    assert made.status_code == 201, made.text
    assert [agent["name"] for agent in (await grace.get("/agents")).json()["agents"]] == ["First"]
    entries = (await grace.get("/audit")).json()["entries"]
    assert [entry["action"] for entry in entries] == ["POST /agents", "POST /auth/signup"]
    assert {entry["key_id"][:4] for entry in entries} == {"ses_"}


async def test_the_first_key_is_shown_at_sign_up_and_opens_the_same_project(platform: Platform) -> None:
    async with browser(platform) as client:
        made = (await client.post("/auth/signup", json=WHO)).json()
        await client.post("/agents", json={"name": "Mine"})
    key = {"X-API-Key": made["api_key"]["key"]}
    async with httpx2.AsyncClient(base_url=f"{platform.url}/api/v1", headers=key) as program:
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


async def test_a_new_password_ends_the_other_sessions_and_renews_ones_own(
    platform: Platform, grace: httpx2.AsyncClient
) -> None:
    former = grace.cookies["parley_session"]
    async with browser(platform) as elsewhere:
        await elsewhere.post("/auth/login", json=WHO)
        assert (await elsewhere.get("/account")).status_code == 200
        change = {"current_password": PASSWORD, "new_password": "another long sentence"}
        assert (await grace.post("/auth/password", json=change)).status_code == 200
        assert (await elsewhere.get("/account")).status_code == 401
        assert (await grace.get("/account")).status_code == 200
        elsewhere.cookies.clear()
        elsewhere.cookies.set("parley_session", former)
        assert (await elsewhere.get("/account")).status_code == 401
        elsewhere.cookies.clear()
        assert (await elsewhere.post("/auth/login", json=WHO)).status_code == 401
        new = WHO | {"password": "another long sentence"}
        assert (await elsewhere.post("/auth/login", json=new)).status_code == 200


async def test_a_password_is_changed_only_by_who_knows_it(platform: Platform, grace: httpx2.AsyncClient) -> None:
    wrong = {"current_password": "a guess of it", "new_password": "another long sentence"}
    refused = await grace.post("/auth/password", json=wrong)
    assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
    key = (await grace.post("/api-keys", json={"label": "k"})).json()["api_key"]["key"]
    right = wrong | {"current_password": PASSWORD}
    async with httpx2.AsyncClient(base_url=f"{platform.url}/api/v1", headers={"X-API-Key": key}) as program:
        assert (await program.post("/auth/password", json=right)).status_code == 403
        assert (await program.post("/auth/logout")).status_code == 403
    guesses = [(await grace.post("/auth/password", json=wrong)).status_code for _ in range(12)]
    assert guesses[-1] == 429
    assert (await grace.get("/account")).status_code == 200
    await new_window(platform)
    both = [grace.post("/auth/password", json=right | {"new_password": f"password number {n}"}) for n in range(2)]
    assert sorted(answer.status_code for answer in await asyncio.gather(*both)) in ([200, 401], [200, 403])


class HeldDesk(PasswordDesk):
    """Its first answer is held back until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.compared, self.let_go = asyncio.Event(), asyncio.Event()

    async def verify(self, password: str, kept: str | None) -> bool:
        right = await super().verify(password, kept)
        if not self.compared.is_set():
            self.compared.set()
            await self.let_go.wait()
        return right


async def test_a_log_in_with_a_password_that_is_being_changed_opens_nothing(
    platform: Platform, grace: httpx2.AsyncClient
) -> None:
    desk = platform.app.state.passwords = HeldDesk()
    async with browser(platform) as elsewhere:
        late = asyncio.create_task(elsewhere.post("/auth/login", json=WHO))
        async with asyncio.timeout(20):
            await desk.compared.wait()
        change = {"current_password": PASSWORD, "new_password": "another long sentence"}
        assert (await grace.post("/auth/password", json=change)).status_code == 200
        desk.let_go.set()
        assert (await late).status_code == 401
        assert (await elsewhere.get("/account")).status_code == 401
        assert (await grace.get("/account")).status_code == 200


async def test_a_stranger_who_guesses_does_not_keep_the_owner_from_another_password(
    platform: Platform, grace: httpx2.AsyncClient
) -> None:
    async with browser(platform) as stranger:
        guesses = [await stranger.post("/auth/login", json=WHO | {"password": "a wrong one"}) for _ in range(11)]
    assert guesses[-1].status_code == 429
    change = {"current_password": PASSWORD, "new_password": "another long sentence"}
    assert (await grace.post("/auth/password", json=change)).status_code == 200


async def test_a_session_ends_by_itself(platform: Platform, grace: httpx2.AsyncClient) -> None:
    later = LaterClock()
    platform.app.state.clock = platform.app.state.keys.clock = later
    for days in (6, 12, 18, 24, 29):  # used every week
        LaterClock.ahead = timedelta(days=days)
        assert (await grace.get("/account")).status_code == 200, days
        await platform.app.state.keys.write_use()
    LaterClock.ahead = timedelta(days=31)
    assert (await grace.get("/account")).status_code == 401
    LaterClock.ahead = timedelta()
    await new_window(platform)
    assert (await grace.post("/auth/login", json=WHO)).status_code == 200
    LaterClock.ahead = timedelta(days=8)  # not used for a week
    await asyncio.sleep(0)
    assert (await grace.get("/account")).status_code == 401
    LaterClock.ahead = timedelta()


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
    async with httpx2.AsyncClient(base_url=f"{platform.url}/api/v1") as program:
        assert (await program.get("/account", headers={"X-API-Key": token})).status_code == 401


class CountedDesk(PasswordDesk):
    """Tells how often it has worked: once is what an answer takes."""

    worked = 0

    async def _work(self, work: Any, *given: str) -> Any:
        self.worked += 1
        return await super()._work(work, *given)


async def test_whether_an_address_has_an_account_is_not_told_by_a_log_in(
    platform: Platform, grace: httpx2.AsyncClient
) -> None:
    """Neither by the answer, nor by the work it takes, nor by the limit."""
    await platform.add(Account(email="none@example.org"))  # an account without a password
    desk = platform.app.state.passwords = CountedDesk()
    told = set()
    async with browser(platform) as stranger:
        for email in (EMAIL, "nobody@example.org", "none@example.org"):
            await new_window(platform)
            desk.worked = 0
            guess = {"email": email, "password": "a wrong one"}
            answers = [await stranger.post("/auth/login", json=guess) for _ in range(12)]
            shown = tuple(
                (answer.status_code, answer.json().get("limit"), answer.json()["error"]) for answer in answers
            )
            told.add((shown, desk.worked))
    ((answers_shown, worked),) = told
    assert (
        answers_shown
        == ((401, None, "E-mail address or password is wrong"),) * 10 + ((429, 10, "Rate limit exceeded"),) * 2
    )
    assert worked == 10


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


async def test_guesses_are_limited_by_where_they_come_from(platform: Platform) -> None:
    async with browser(platform) as stranger:
        tries = [{"email": f"user{n}@example.org", "password": "a wrong one"} for n in range(33)]
        answers = [await stranger.post("/auth/login", json=body) for body in tries]
    assert [answer.status_code for answer in answers] == [401] * 30 + [429] * 3


async def test_guesses_at_once_are_counted_exactly(platform: Platform, grace: httpx2.AsyncClient) -> None:
    guess = WHO | {"password": "a wrong one"}
    async with browser(platform) as stranger:
        answers = await asyncio.gather(*(stranger.post("/auth/login", json=guess) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 10
    assert (await grace.get("/account")).status_code == 200


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


async def test_the_same_text_in_two_spellings_is_the_same_password(platform: Platform) -> None:
    async with browser(platform) as client:
        composed, decomposed = "pâssword of gråce", "pa\u0302ssword of gra\u030ace"
        await client.post("/auth/signup", json=WHO | {"password": composed})
        assert (await client.post("/auth/login", json=WHO | {"password": decomposed})).status_code == 200
        assert (await client.post("/auth/login", json=WHO | {"password": composed + " "})).status_code == 401


async def test_passwords_are_kept_as_argon2id() -> None:
    kept = await hash_password(PASSWORD)
    found = re.match(r"\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$", kept)
    assert found is not None
    memory, passes, lanes = map(int, found.groups())
    assert (memory >= 46 * 1024, passes >= 1, lanes >= 1) == (True, True, True)
    desk = PasswordDesk()
    assert await desk.verify(PASSWORD, kept)
    assert not await desk.verify(PASSWORD + ".", kept)
    assert not await desk.verify(PASSWORD, None)


async def test_a_flood_of_passwords_is_told_to_come_again() -> None:
    desk = PasswordDesk()
    answers = await asyncio.gather(*(desk.verify("x", None) for _ in range(80)), return_exceptions=True)
    assert sum(isinstance(answer, Unavailable) for answer in answers) == 16
    assert sum(answer is False for answer in answers) == 64


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
        async with asyncio.timeout(20):
            await socket.wait_closed()
        assert socket.close_code == 4001


async def test_a_change_of_plan_counts_for_an_open_session_at_once(
    platform: Platform, grace: httpx2.AsyncClient
) -> None:
    account = (await grace.get("/account")).json()["account"]
    operator = {"X-API-Key": platform.settings.admin_key.get_secret_value()}  # type: ignore[union-attr]
    async with httpx2.AsyncClient(base_url=f"{platform.url}/api/v1", headers=operator) as client:
        await client.patch(f"/admin/accounts/{account['id']}", json={"plan": "enterprise"})
    assert (await grace.get("/quota")).json()["plan"] == "enterprise"
