"""Passwords of the console: changed by who knows them, guessed no faster than allowed, kept as argon2id."""

import asyncio
import re
from datetime import timedelta
from io import StringIO
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from rich.console import Console
from sqlmodel import select

from control_plane.accounts.console.resetting import ResetSigner
from control_plane.accounts.models import Account
from control_plane.auth.passwords import PasswordDesk, hash_password
from control_plane.clock import Clock
from control_plane.errors import Unavailable
from parley.client import Access, Refused
from parley.commands.passwords import make_link
from tests.support.console import EMAIL, PASSWORD, WHO, browser, new_window
from tests.support.platform import ADMIN_KEY, Platform

pytestmark = pytest.mark.anyio


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
    async with httpx2.AsyncClient(base_url=f"{platform.url}/api/v1", headers={"X-API-Key": key}, timeout=30) as program:
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
        async with asyncio.timeout(60):
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


async def test_a_forgotten_password_is_set_anew_by_a_link_of_the_operators_once(
    platform: Platform, grace: httpx2.AsyncClient
) -> None:
    async with httpx2.AsyncClient(
        base_url=f"{platform.url}/api/v1/admin", headers={"X-API-Key": ADMIN_KEY}, timeout=30
    ) as operator:
        unknown = await operator.post("/password-links", json={"email": "nobody@example.org"})
        made, second = [(await operator.post("/password-links", json={"email": EMAIL})).json() for _ in range(2)]
    assert unknown.status_code == 404
    page, _, token = made["url"].partition("#")
    assert page == f"{platform.settings.public_url}/reset"
    async with browser(platform) as elsewhere:
        wrong = await elsewhere.post("/auth/reset", json={"token": token[:-1] + "x", "new_password": PASSWORD})
        short = await elsewhere.post("/auth/reset", json={"token": token, "new_password": "short"})
        assert (wrong.status_code, short.status_code) == (401, 400)
        assert (await grace.get("/account")).status_code == 200, "nothing was changed"
        reset = await elsewhere.post("/auth/reset", json={"token": token, "new_password": "another horse"})
        assert reset.json()["account"]["email"] == EMAIL
        assert (await elsewhere.get("/account")).status_code == 200
        for used in (token, second["url"].partition("#")[2]):
            answer = await elsewhere.post("/auth/reset", json={"token": used, "new_password": "a third horse"})
            assert answer.status_code == 401
        trail = (await elsewhere.get("/audit")).json()["entries"]
    assert {"POST /admin/password-links", "POST /auth/reset"} <= {entry["action"] for entry in trail}
    assert token not in str(trail)
    assert (await grace.get("/account")).status_code == 401, "all sessions have ended"
    assert (await grace.post("/auth/login", json={"email": EMAIL, "password": PASSWORD})).status_code == 401
    assert (await grace.post("/auth/login", json={"email": EMAIL, "password": "another horse"})).status_code == 200


async def test_the_operators_command_prints_a_link_that_sets_another_password(
    platform: Platform, grace: httpx2.AsyncClient
) -> None:
    access = Access(api_url=platform.url, api_key=SecretStr(ADMIN_KEY))
    printed = StringIO()
    assert await make_link(access, Console(file=printed), email=EMAIL) == 0
    token = printed.getvalue().split()[0].partition("#")[2]
    async with browser(platform) as elsewhere:
        answer = await elsewhere.post("/auth/reset", json={"token": token, "new_password": "another horse"})
    assert answer.status_code == 200
    with pytest.raises(Refused):
        await make_link(access, Console(file=printed), email="nobody@example.org")


async def test_a_link_for_a_forgotten_password_is_good_for_an_hour(
    platform: Platform, grace: httpx2.AsyncClient
) -> None:
    clock = Clock()
    async with platform.database.platform() as db:
        account = (await db.exec(select(Account).where(Account.email == EMAIL))).one()
    signer = ResetSigner(platform.settings.secret_keys)
    body = {"token": signer.sign(account, clock.now() - timedelta(seconds=1)), "new_password": "another horse"}
    async with browser(platform) as elsewhere:
        assert (await elsewhere.post("/auth/reset", json=body)).status_code == 401
