"""A control plane that is stopped: it says so while it still listens, begins nothing new, finishes what is begun."""

import asyncio
import signal
import time

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.platform import WORKER_TOKEN, Platform, Tenant
from tests.support.uplink import ticket_of, worker

pytestmark = pytest.mark.anyio

NEW = [
    ("POST", "/token", {"identity": "u", "room": "r"}),
    ("POST", "/rooms", {"name": "r"}),
    ("POST", "/sip/dial", {"phone_number": "+17751234567"}),
    ("DELETE", "/rooms/r", None),
]


@pytest.mark.parametrize(("method", "path", "body"), NEW)
async def test_what_is_new_is_refused_and_asked_again_by_another_connection(
    platform: Platform, tenant: Tenant, method: str, path: str, body: object
) -> None:
    platform.app.state.stopping.begin()
    refused = await tenant.http.request(method, path, json=body)
    assert refused.status_code == 503
    assert (refused.json()["code"], refused.headers["retry-after"]) == ("UNAVAILABLE", "1")
    assert refused.headers["connection"] == "close"
    assert platform.media.calls == []


async def test_it_is_not_ready_and_still_tells_what_is_asked(platform: Platform, tenant: Tenant) -> None:
    async with httpx2.AsyncClient(base_url=platform.url, timeout=30) as http:
        assert (await http.get("/health/ready")).status_code == 200
        platform.app.state.stopping.begin()
        ready = await http.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
        assert "stopped" in ready.json()["reason"]
        assert (await http.get("/health/live")).status_code == 200
        # What LiveKit tells is looked at as ever; this was signed by nobody.
        assert (await http.post("/livekit/webhook", content=b"{}")).status_code == 401
    read = await tenant.http.get("/sessions")
    assert (read.status_code, read.headers["connection"]) == (200, "close")


@pytest.mark.parametrize("path", ["/uplink", "/ws/monitor"])
async def test_sockets_are_refused(platform: Platform, path: str) -> None:
    platform.app.state.stopping.begin()
    url, headers = platform.url.replace("http", "ws"), {"Authorization": f"Bearer {WORKER_TOKEN}"}
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url + path, additional_headers=headers, proxy=None):
            pass
    response = refused.value.response
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")


async def test_a_worker_that_is_connected_is_heard_to_the_end(platform: Platform, tenant: Tenant) -> None:
    async with worker(platform) as fake:
        ticket = await ticket_of(tenant)
        platform.app.state.stopping.begin()
        assert (await fake.exchange(ticket))["job"] is not None


async def test_a_process_gives_notice_before_it_listens_no_more(platform: Platform, tenant: Tenant) -> None:
    await platform.add_worker()
    await tenant.make_agent()
    async with platform.second_process(notice=120) as url, httpx2.AsyncClient(base_url=url, timeout=30) as http:
        header = {"X-API-Key": tenant.key}
        asked = {"identity": "u", "room": "r"}
        assert (await http.post("/api/v1/token", json=asked, headers=header)).status_code == 200
        platform.second.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            while (await http.get("/health/ready")).status_code == 200:
                await asyncio.sleep(0.02)
        refused = await http.post("/api/v1/token", json=asked, headers=header)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        stopped = time.monotonic()
        platform.second.send_signal(signal.SIGINT)  # the second signal cuts the notice short
        async with asyncio.timeout(60):
            await platform.second.wait()
        assert time.monotonic() - stopped < 60
