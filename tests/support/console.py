"""Somebody at the console, in a browser of their own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from tests.support.platform import Platform

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
