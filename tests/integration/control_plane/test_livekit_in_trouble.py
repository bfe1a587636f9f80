"""LiveKit's API slow, reset, silent: rooms are made once, and who asks is told to come again."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx2
import pytest

from control_plane.media.server import LiveKitMedia
from control_plane.supervisor.reconciler import Reconciler
from tests.support.clocks import TurnedClock
from tests.support.faulty import FaultyLink
from tests.support.livekit import livekit_of
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

ANSWERED_WITHIN = 20.0


@pytest.fixture
async def link(platform: Platform, tmp_path: Path) -> AsyncIterator[FaultyLink]:
    """The way to a livekit-server's API."""
    async with livekit_of(platform, tmp_path) as url, FaultyLink(int(url.rsplit(":", 1)[1])) as link:
        real = platform.app.state.media
        secret = platform.settings.livekit_api_secret.get_secret_value()
        platform.app.state.media = LiveKitMedia(f"ws://127.0.0.1:{link.port}", "devkey", secret, timeout=3)
        yield link
        await platform.app.state.media.close()
        platform.app.state.media = real


async def make(tenant: Tenant, name: str) -> httpx2.Response:
    return await tenant.http.post("/rooms", json={"name": name})


async def is_there(tenant: Tenant, name: str) -> None:
    """Asked again, it is made; or it is there, where the first question arrived late."""
    again = await make(tenant, name)
    assert again.status_code in (201, 409), again.text
    assert (await tenant.http.get(f"/rooms/{name}")).json()["room"]["status"] == "active"


async def silent(link: FaultyLink) -> None:
    link.blackhole()


async def refused(link: FaultyLink) -> None:
    await link.refuse()


@pytest.mark.parametrize("fault", [silent, refused])
async def test_while_livekit_is_away_rooms_are_refused_in_time_and_made_once_it_is_back(
    platform: Platform, tenant: Tenant, link: FaultyLink, fault: Callable[[FaultyLink], Awaitable[None]]
) -> None:
    assert (await make(tenant, "before")).status_code == 201
    await fault(link)
    began = time.monotonic()
    answer = await make(tenant, "r")
    assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
    assert time.monotonic() - began < ANSWERED_WITHIN
    assert (await tenant.http.post("/token", json={"identity": "ada", "room": "before"})).status_code == 200
    await link.heal()
    await is_there(tenant, "r")


async def test_over_a_slow_way_rooms_are_made(platform: Platform, tenant: Tenant, link: FaultyLink) -> None:
    link.slow(latency=0.2, jitter=0.2)
    answers = await asyncio.gather(*(make(tenant, f"r{number}") for number in range(4)))
    assert [answer.status_code for answer in answers] == [201] * 4


async def test_a_room_whose_answer_was_lost_is_made_once(platform: Platform, tenant: Tenant, link: FaultyLink) -> None:
    reconciler = Reconciler(platform.database, platform.app.state.media, TurnedClock())
    for number in range(3):
        name = f"r{number}"
        making = asyncio.create_task(make(tenant, name))
        up = link.carried["up"]
        link.slow(latency=0.3)
        async with asyncio.timeout(60):
            while link.carried["up"] == up:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        link.reset()  # LiveKit has made it, and cannot say so
        await making
        link.slow()
        if making.result().status_code == 503:
            await is_there(tenant, name)
        await reconciler.reconcile()
    rooms = [room.name for room in await platform.app.state.media.list_rooms()]
    assert sorted(rooms) == [f"{tenant.project.slug}_r{number}" for number in range(3)]
    shown = (await tenant.http.get("/rooms")).json()["rooms"]
    assert len(shown) == 3
