"""Guesses at passwords: bounded, and whether there is such an account is told neither by the answer nor by the time."""

import asyncio
import math
import time
from collections.abc import Sequence

import httpx2
import pytest

from control_plane.accounts.console.service import OF_ADDRESS
from tests.support.console import EMAIL, PASSWORD, WHO, browser, new_window
from tests.support.platform import Platform
from tests.support.tried import sample, tried

pytestmark = pytest.mark.anyio

GUESSES = sample(10_000, 120)
ROUNDS = sample(100, 8)
"""Of each kind."""


def likeness(one: Sequence[float], other: Sequence[float]) -> float:
    """How likely two samples differ so much by chance: Mann and Whitney's test, by its normal approximation."""
    ranked = sorted((value, kind) for kind, values in enumerate((one, other)) for value in values)
    ranks = sum(rank for rank, (_, kind) in enumerate(ranked, 1) if kind == 0)
    n, m = len(one), len(other)
    mean, spread = n * (n + m + 1) / 2, math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(ranks - mean) / spread / math.sqrt(2))


def test_the_likeness_itself() -> None:
    even, odd = [float(n) for n in range(0, 40, 2)], [float(n) for n in range(1, 41, 2)]
    assert likeness(even, odd) > 0.5
    assert likeness(even, [value + 30 for value in odd]) < 1e-4


async def test_nobody_guesses_a_password(platform: Platform, grace: httpx2.AsyncClient) -> None:
    """From one address, for one account and for many: at most so many tries a minute are looked at at all."""
    gate, answers = asyncio.Semaphore(16), []
    async with browser(platform) as stranger:

        async def guess(number: int) -> None:
            email = EMAIL if number % 2 else f"user{number}@example.org"
            async with gate:
                sent = {"email": email, "password": f"guess number {number}"}
                answers.append((await stranger.post("/auth/login", json=sent)).status_code)

        began = time.monotonic()
        await asyncio.gather(*(guess(number) for number in range(GUESSES)))
        minutes = math.ceil((time.monotonic() - began) / 60) + 1
    tried("log-in: guesses", GUESSES, sum(status < 400 for status in answers))
    assert {*answers} <= {401, 429}
    assert answers.count(401) <= OF_ADDRESS * minutes
    await new_window(platform)
    async with browser(platform) as herself:
        assert (await herself.post("/auth/login", json=WHO)).status_code == 200


async def test_the_time_of_an_answer_does_not_tell_whether_there_is_an_account(
    platform: Platform, grace: httpx2.AsyncClient
) -> None:
    took: dict[str, list[float]] = {EMAIL: [], "nobody@example.org": []}
    async with browser(platform) as stranger:
        for _ in range(ROUNDS):
            await new_window(platform)
            for email, times in took.items():
                began = time.perf_counter()
                answer = await stranger.post("/auth/login", json={"email": email, "password": "a wrong one"})
                times.append(time.perf_counter() - began)
                assert answer.status_code == 401
    chance = likeness(*took.values())
    tried("log-in: timing of known and unknown accounts", 2 * ROUNDS, chance < 1e-4)
    assert chance >= 1e-4, {email: sorted(times) for email, times in took.items()}


async def test_what_is_answered_does_not_tell_whether_there_is_an_account(
    platform: Platform, grace: httpx2.AsyncClient
) -> None:
    passwords = ["", "a wrong one", f"{PASSWORD} ", PASSWORD.upper(), "x" * 200, "x" * 5000, "\x00", "a\x00b", "é" * 40]
    spellings = ["{}", " {}", "{} ", "{}."]
    own = ("date", "x-request-id", "x-ratelimit-remaining", "x-ratelimit-reset")
    differ: list[object] = []
    asked = 0
    async with browser(platform) as stranger:
        for password in passwords:
            for spelling in spellings:
                await new_window(platform)
                told = []
                for email in (EMAIL.upper(), "nobody@EXAMPLE.ORG"):
                    sent = {"email": spelling.format(email), "password": password}
                    answer = await stranger.post("/auth/login", json=sent)
                    kept = {name: value for name, value in answer.headers.items() if name not in own}
                    told.append((answer.status_code, {**answer.json(), "request_id": None}, kept))
                    asked += 1
                if told[0] != told[1]:
                    differ.append((password, spelling, told))
    tried("log-in: answers to known and unknown accounts", asked, len(differ))
    assert not differ


async def test_who_signs_up_to_learn_who_has_an_account_is_bounded(
    platform: Platform, grace: httpx2.AsyncClient
) -> None:
    """No mail is sent, so the answer has to say that the address is taken: an exception that docs/security.md names."""
    async with browser(platform) as stranger:
        body = {"email": EMAIL, "password": "correct horse battery staple", "name": "a"}
        answers = [(await stranger.post("/auth/signup", json=body)).status_code for _ in range(22)]
    assert answers == [409] * 19 + [429] * 3
