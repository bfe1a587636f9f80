"""Addresses that customers give, at every surface that takes one: however they are written, whatever their names lead
to when it counts and wherever a server sends us on, nothing inside is connected to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import httpx2
import pytest
from aiohttp import web

from agents.bots.sockets import Socket
from agents.searching import build_search
from control_plane.bots.recognisers import Gladia
from control_plane.calendars.caldav import CalDav
from control_plane.calendars.calling import ask
from control_plane.calendars.ics import Feed
from control_plane.clock import Clock
from control_plane.telephony.carriers import find_carrier
from control_plane.webhooks.targets import Target, attempt
from guard.addresses import parse_networks
from guard.outbound import Outbound, OutboundError
from sip.probe import Target as SipServer
from sip.probe import probe
from tests.support.calls import TRUNK
from tests.support.platform import Platform, Tenant
from tests.support.spellings import SPELLINGS, Canary, Names
from tests.support.tried import FULL, tried
from tests.support.videosdk import Hooks, make_room, v2

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(400)]

LINE: Final = "addresses: surfaces × spellings × moments"
OPEN: Final = parse_networks("127.0.0.0/8,::1/128")
REDIRECTS: Final = "127.77.0.1"
"""Where a server of the public internet stands in these tests: the one address that is open."""
PUBLIC: Final = "93.184.215.14"
CLOSED: Final = (
    *("127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1"),
    *("10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "168.63.129.16", "224.0.0.1"),
    *("64:ff9b::7f00:1", "2002:7f00:1::1", "2001:0:7f00:1::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1"),
    *("240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "3fff::1", "2001:db8::1"),
)
TRIED: Final = SPELLINGS if FULL else SPELLINGS[::9]

Use = Callable[[Outbound, str], Awaitable[object]]


async def webhook(outbound: Outbound, url: str) -> None:
    await attempt(outbound, Clock(), Target(1, 1, url, "whsec_" + "a" * 32), body="{}", message="m")


async def feed(outbound: Outbound, url: str) -> None:
    await Feed(outbound, url, own="").calendars()


async def caldav(outbound: Outbound, url: str) -> None:
    await CalDav(outbound, url, "ada", "word", own="").calendars()


async def provider(outbound: Outbound, url: str) -> None:
    await ask(outbound, "POST", url, body=b"grant_type=refresh_token")


async def recogniser(outbound: Outbound, url: str) -> None:
    await Gladia(outbound, url).find("key", "task")


async def bot_socket(outbound: Outbound, url: str) -> None:
    """It tries again and again: what matters is whether it connects."""
    socket = Socket(outbound, url.replace("http", "ws", 1), 1, greeting=lambda: {}, most_waiting=1, on_sound=None)
    async with asyncio.timeout(0.25):
        await socket.run()


async def search(outbound: Outbound, url: str) -> None:
    tool: Any = build_search(outbound, url, "en")
    await tool(query="opening hours")


async def library(outbound: Outbound, url: str) -> None:
    """What brings its own requests, as providers' libraries do."""
    async with outbound.http.post(url, data=b"secret") as answer:
        await answer.read()


async def trunk(outbound: Outbound, url: str) -> None:
    """As a trunk is tested."""
    host, _, port = url.partition("//")[2].partition("/")[0].rpartition(":")
    for address in await find_carrier(outbound, host or port):
        number = int(port) if port.isascii() and port.isdigit() else 5060
        await probe(SipServer(address, host, number, "tcp", "+18001234567", "", ""), within=1)


USES: Final[dict[str, Use]] = {
    use.__name__: use for use in (webhook, feed, caldav, provider, recogniser, bot_socket, search, library, trunk)
}


async def tried_to(use: Use, outbound: Outbound, url: str) -> None:
    """Use an address; whatever comes of it."""
    with suppress(Exception):
        async with asyncio.timeout(5):
            await use(outbound, url)


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    async with Canary().listening() as listening:
        yield listening


def named() -> Names:
    return Names(private_example=[["10.0.0.1"]], mixed_example=[["127.0.0.1", "::1"]])


@pytest.mark.parametrize("name", USES)
async def test_the_canary_hears_whoever_connects(name: str, canary: Canary) -> None:
    async with Outbound(OPEN, timeout=5) as outbound, asyncio.timeout(30):
        while not canary.visits:
            await tried_to(USES[name], outbound, f"http://127.0.0.1:{canary.port}")


@pytest.mark.parametrize("name", USES)
async def test_no_spelling_leads_inside_when_it_is_used(name: str, canary: Canary) -> None:
    async with Outbound(resolver=named(), timeout=5) as outbound:
        for spelling in TRIED:
            await tried_to(USES[name], outbound, spelling.format(port=canary.port))
    tried(LINE, len(TRIED), canary.visits)
    assert not canary.visits


@pytest.mark.parametrize("name", USES)
async def test_no_name_leads_inside_that_led_elsewhere_when_it_was_given(name: str, canary: Canary) -> None:
    for closed in CLOSED if FULL else CLOSED[::7]:
        names = Names(rebinding_example=[[PUBLIC], [closed]])
        async with Outbound(resolver=names, timeout=5) as outbound:
            url = f"http://rebinding.example:{canary.port}/"
            await outbound.check(url)
            await tried_to(USES[name], outbound, url)
        assert names.asked > 1, "it is asked again where it counts"
        tried(LINE, 1, canary.visits)
    assert not canary.visits


@asynccontextmanager
async def sends_on(to: list[str]) -> AsyncIterator[str]:
    """A server that sends everybody on to an address that is written so."""

    async def redirect(request: web.BaseRequest) -> web.StreamResponse:
        status = (301, 302, 303, 307, 308)[len(to) % 5]
        return web.Response(status=status, headers={"Location": to[-1]})

    runner = web.ServerRunner(web.Server(redirect), shutdown_timeout=0.1)  # type: ignore[arg-type]
    await runner.setup()
    await web.TCPSite(runner, REDIRECTS, 0).start()
    try:
        yield f"http://{REDIRECTS}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("name", [name for name in USES if name != "trunk"])
async def test_nobody_is_followed_inside(name: str, canary: Canary) -> None:
    """Not even to an address that is open: what was checked is not what would be called."""
    to = [f"http://127.0.0.1:{canary.port}/"]
    async with sends_on(to) as url:
        for networks in (parse_networks(f"{REDIRECTS}/32"), OPEN):
            async with Outbound(networks, resolver=named(), timeout=5) as outbound:
                written = [each for each in TRIED if each.isprintable()]
                for spelling in written:
                    to.append(spelling.format(port=canary.port))
                    await tried_to(USES[name], outbound, url)
                tried(LINE, len(written), canary.visits)
    assert not canary.visits


ODD: Final = (1, 7, 22, 23, 25, 53, 110, 143, 389, 445, 587, 631, 993, 1433, 2049, 2375, 2379, 3306, 5060, 5432, 5672)
ODD_TOO: Final = (6000, 6379, 6443, 6667, 7880, 8500, 9042, 9092, 9200, 10250, 11211, 27017)


@pytest.mark.parametrize("port", ODD + ODD_TOO)
async def test_ports_that_are_no_customers_page_are_not_connected_to(port: int) -> None:
    names = Names(shop_example=[[PUBLIC]])
    async with Outbound(resolver=names, timeout=1) as outbound:
        for host in ("shop.example", PUBLIC):
            with pytest.raises(OutboundError, match=f"not allowed .port {port}"):
                await outbound.check(f"https://{host}:{port}/")
            with pytest.raises(OutboundError, match=f"not allowed .port {port}"):
                await outbound.send("POST", f"https://{host}:{port}/")
    tried(LINE, 4)


async def test_the_operators_own_networks_have_whatever_ports_they_have() -> None:
    async with Outbound(OPEN, timeout=1) as outbound:
        for port in (22, 5432, 6379):
            await outbound.check(f"http://127.0.0.1:{port}/")
        await outbound.check("https://[2001:4860::1]:8443/")


async def given(platform: Platform, tenant: Tenant, rooms: httpx2.AsyncClient, room: str) -> dict[str, Any]:
    """Every route that takes an address; of what each answers, whether the address was taken."""
    baas = httpx2.AsyncClient(base_url=platform.url, headers={"x-meeting-baas-api-key": tenant.key}, timeout=30)
    platform.clients.append(baas)
    agent = await tenant.make_agent()
    meeting = "https://meet.example.org/join/abc"
    post, bots = tenant.http.post, {"meeting_url": meeting, "bot_name": "Notes"}

    def stream(url: str) -> dict[str, Any]:
        return {"roomId": room, "outputs": [{"url": url.replace("http", "rtmp", 1), "streamKey": "k"}]}

    def tools(url: str) -> dict[str, Any]:
        return {"tools": [{"type": "http", "name": "look_up", "description": "x", "url": url, "method": "GET"}]}

    def sip(url: str) -> dict[str, Any]:
        return TRUNK | {"address": url.partition("//")[2].partition("/")[0]}

    return {
        "webhook": lambda url: post("/webhooks", json={"url": url, "events": ["room.finished"]}),
        "account": lambda url: tenant.http.patch("/account", json={"meeting_baas_webhook_url": url}),
        "bot's webhook": lambda url: baas.post("/bots", json=bots | {"webhook_url": url}),
        "bot's sockets": lambda url: baas.post("/bots", json=bots | {"streaming": {"input": url, "output": url}}),
        "feed": lambda url: baas.post("/calendars/", json={"platform": "ICS", "url": url}),
        "calendar": lambda url: baas.post(
            "/calendars/", json={"platform": "CalDAV", "url": url, "username": "a", "password": "b"}
        ),
        "room's webhook": lambda url: rooms.post("/rooms", json={"webhook": {"endPoint": url, "events": []}}),
        "recording's webhook": lambda url: rooms.post("/recordings/start", json={"roomId": room, "webhookUrl": url}),
        "recording's page": lambda url: rooms.post("/recordings/start", json={"roomId": room, "templateUrl": url}),
        "page of HLS": lambda url: rooms.post("/hls/start", json={"roomId": room, "templateUrl": url}),
        "page of a stream": lambda url: rooms.post(
            "/livestreams/start", json=stream("http://shop.example") | {"templateUrl": url}
        ),
        "room's pages": lambda url: rooms.post("/rooms", json={"autoStartConfig": {"hls": {"templateUrl": url}}}),
        "stream": lambda url: rooms.post("/livestreams/start", json=stream(url)),
        "tool": lambda url: tenant.http.put(f"/agents/{agent}/tools", json=tools(url)),
        "trunk": lambda url: post("/sip/trunks", json=sip(url)),
    }


KEPT: Final = {"bot's sockets", "tool", "trunk"}
"""Surfaces that keep what may lead inside: it is judged when it is used, or never called."""


async def test_no_spelling_is_taken_where_it_is_given(platform: Platform, tenant: Tenant, canary: Canary) -> None:
    async with Outbound(resolver=named(), timeout=5) as closed, v2(platform, tenant) as rooms:
        room = (await make_room(rooms))["roomId"]
        surfaces = await given(platform, tenant, rooms, room)
        platform.app.state.outbound = platform.app.state.calendar_providers.outbound = closed
        for name, give in surfaces.items():
            plain = await give(f"http://127.0.0.1:{canary.port}/")
            assert name in KEPT or "(loopback)" in plain.text, (name, plain.status_code, plain.text)
            for spelling in TRIED:
                answer = await give(spelling.format(port=canary.port))
                assert answer.status_code != 500, (name, spelling, answer.text)
                assert name in KEPT or answer.is_error, (name, spelling, answer.text)
                if answer.is_success and name == "trunk":
                    path = f"/sip/trunks/{answer.json()['trunk']['id']}"
                    assert not (await tenant.http.post(f"{path}/test")).json()["test"]["ok"], spelling
                    assert (await tenant.http.delete(path)).is_success
        tried(LINE, len(surfaces) * len(TRIED), canary.visits)
    assert not canary.visits
    assert not platform.recorder.calls


@pytest.mark.parametrize("what", ["stream", "recording's page", "page of HLS"])
async def test_no_recorder_is_asked_for_what_leads_inside_by_then(
    platform: Platform, tenant: Tenant, what: str
) -> None:
    for closed in CLOSED if FULL else CLOSED[::9]:
        names = Names(rebinding_example=[[PUBLIC], [closed]])
        async with Outbound(resolver=names, timeout=5) as outbound, v2(platform, tenant) as rooms:
            room = (await make_room(rooms))["roomId"]
            await Hooks(platform, f"proj_{room}").joins("ada")
            give = (await given(platform, tenant, rooms, room))[what]
            platform.app.state.outbound = platform.app.state.taker.outbound = outbound
            refused = await give("http://rebinding.example/")
            assert "not allowed" in refused.text, refused.text
        tried(LINE, 1, len(platform.recorder.calls))
    assert not platform.recorder.calls
