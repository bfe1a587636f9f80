"""The console in Chromium, against a control plane of the test."""

import httpx2
import pytest
from sqlmodel import col, update

from control_plane.accounts.models import Account
from control_plane.pages import CHECKOUT_PAGES
from tests.support.console import EMAIL
from tests.support.pages import DESKTOP, PHONE
from tests.support.platform import Platform

LOOKS = pytest.mark.parametrize("look", [DESKTOP, PHONE], ids=["desktop", "phone"])
needs_pages = pytest.mark.skipif(not (CHECKOUT_PAGES / "console.html").is_file(), reason="the pages are not built")


async def unhurried(platform: Platform, grace: httpx2.AsyncClient) -> None:
    """Give the account that signed up a plan and a rate at which a quick visitor is not held up."""
    assert (await grace.get("/account")).status_code == 200
    async with platform.database.platform() as db:
        mine = col(Account.email) == EMAIL
        await db.exec(update(Account).where(mine).values(plan="professional", requests_per_minute=100_000))
    await platform.app.state.limiter._redis.flushall()
