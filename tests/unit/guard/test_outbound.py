"""Where our servers may be sent by a customer: not inside, by no spelling, not after a second thought."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import ResolveResult

from guard.addresses import parse_networks
from guard.outbound import (
    HTTP,
    LONGEST_URL,
    READ_LIMIT,
    RTMP,
    BadAddress,
    NotAnswered,
    Outbound,
    OutboundError,
    read_url,
)
from tests.support.spellings import SPELLINGS, Canary, Names

pytestmark = pytest.mark.anyio

LOOPBACK = parse_networks("127.0.0.0/8,::1/128")


@asynccontextmanager
async def server(handler: web.RequestHandler) -> AsyncIterator[str]:  # type: ignore[type-arg]
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)  # type: ignore[arg-type]
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def test_the_table_has_at_least_sixty_spellings() -> None:
    assert len(SPELLINGS) >= 60


async def test_no_spelling_reaches_the_loopback() -> None:
    names = Names(private_example=[["10.0.0.1"]], mixed_example=[["127.0.0.1", "::1"]])
    async with Canary().listening() as canary, Outbound(resolver=names, timeout=5) as outbound:
        for spelling in SPELLINGS:
            with pytest.raises(OutboundError):
                await outbound.send("POST", spelling.format(port=canary.port), body=b"x")
        assert canary.visits == 0
        async with Outbound(LOOPBACK, timeout=5) as opened:
            for url in ("http://127.0.0.1:{port}/", "http://[::1]:{port}/", "http://localhost:{port}/"):
                with pytest.raises(NotAnswered):
                    await opened.send("POST", url.format(port=canary.port))
        assert canary.visits == 3, "the canary lives"


@pytest.mark.parametrize("schemes", [HTTP, RTMP])
async def test_every_spelling_is_refused_by_the_check(schemes: tuple[str, ...]) -> None:
    names = Names(private_example=[["10.0.0.1"]], mixed_example=[["127.0.0.1", "::1"]])
    async with Outbound(resolver=names, timeout=5) as outbound:
        for spelling in SPELLINGS:
            with pytest.raises(BadAddress):
                await outbound.check(spelling.format(port=80).replace("http", schemes[0], 1), schemes)


async def test_a_server_of_streams_has_a_port_of_its_own() -> None:
    names = Names(live_example=[["93.184.215.14"]])
    async with Outbound(resolver=names, timeout=5) as outbound:
        for fine in ("rtmp://live.example/app/key", "rtmps://live.example:443/app/key", "rtmp://live.example:1935/a"):
            await outbound.check(fine, RTMP)
        for wrong in ("http://live.example/app", "rtmp://live.example:0/app", "rtmp:///app", "srt://live.example/app"):
            with pytest.raises(BadAddress):
                await outbound.check(wrong, RTMP)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost./",
        "http://any.localhost/",
        "http://[::1]/",
        "http://private.example/",
        "http://half.example/",
        "http://169.254.169.254/latest/meta-data",
    ],
)
async def test_a_check_says_what_is_wrong_without_the_address(url: str) -> None:
    names = Names(private_example=[["10.0.0.1"]], half_example=[["8.8.8.8", "10.0.0.1"]])
    async with Outbound(resolver=names) as outbound:
        with pytest.raises(BadAddress, match=r"not allowed \((private|loopback|link-local)\)"):
            await outbound.check(url)


async def test_a_name_that_nobody_knows_yet_passes_the_check_and_not_the_connection() -> None:
    class Nobody(Names):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            raise OSError("no such name")

    async with Outbound(resolver=Nobody()) as outbound:
        await outbound.check("https://later.example/")
        with pytest.raises(NotAnswered, match="not found"):
            await outbound.send("POST", "https://later.example/")


async def test_a_name_that_changes_its_mind_is_not_followed_inside() -> None:
    names = Names(rebinding_example=[["8.8.8.8"], ["127.0.0.1"]])
    async with Canary().listening() as canary, Outbound(resolver=names) as outbound:
        url = f"http://rebinding.example:{canary.port}/"
        await outbound.check(url)
        with pytest.raises(BadAddress, match="loopback"):
            await outbound.send("POST", url)
        assert names.asked == 2
        assert canary.visits == 0


async def test_a_redirect_is_an_answer_and_leads_nowhere() -> None:
    async with Canary().listening() as canary:
        for status in (301, 302, 303, 307, 308):

            async def redirect(_request: web.BaseRequest, status: int = status) -> web.StreamResponse:
                return web.Response(status=status, headers={"Location": f"http://127.0.0.1:{canary.port}/"})

            async with server(redirect) as url, Outbound(LOOPBACK) as outbound:  # type: ignore[arg-type]
                assert (await outbound.send("POST", url)).status == status
        assert canary.visits == 0


async def test_what_a_library_asks_is_not_sent_on_either() -> None:
    """A WebSocket's client would follow, and say there what it was to say to the address that was checked."""
    async with Canary().listening() as canary:

        async def redirect(_request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(status=307, headers={"Location": f"http://127.0.0.1:{canary.port}/"})

        async with server(redirect) as url, Outbound(LOOPBACK) as outbound:
            with pytest.raises(aiohttp.TooManyRedirects):
                await outbound.http.ws_connect(url.replace("http", "ws", 1))
            with pytest.raises(aiohttp.TooManyRedirects):
                await outbound.http.post(url, data=b"secret")
        assert canary.visits == 0


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="direct")

    async with Canary().listening() as canary, server(answer) as url:  # type: ignore[arg-type]
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
        async with Outbound(LOOPBACK) as outbound:
            assert (await outbound.send("POST", url)).body == b"direct"
        assert canary.visits == 0


async def test_cookies_are_not_kept() -> None:
    seen = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.headers.get("Cookie"))
        return web.Response(headers={"Set-Cookie": "a=b"})

    async with server(answer) as url, Outbound(LOOPBACK) as outbound:  # type: ignore[arg-type]
        for _ in range(2):
            await outbound.send("POST", url)
    assert seen == [None, None]


async def test_an_answer_is_read_to_its_cap_and_not_decompressed() -> None:
    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Encoding": "gzip"})
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    async with server(endless) as url, Outbound(LOOPBACK) as outbound:  # type: ignore[arg-type]
        answer = await outbound.send("POST", url)
    assert answer.status == 200
    assert answer.body == b"x" * READ_LIMIT


async def test_silence_ends_with_the_time_limit_and_a_stalled_body_keeps_its_status() -> None:
    async def silent(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/body":
            response = web.StreamResponse(status=202)
            await response.prepare(request)
            await response.write(b"begin")
        await asyncio.Event().wait()
        raise AssertionError("never")

    async with server(silent) as url, Outbound(LOOPBACK, timeout=0.3) as outbound:  # type: ignore[arg-type]
        with pytest.raises(NotAnswered, match=r"no answer within 0\.3 s"):
            await outbound.send("POST", url)
        answer = await outbound.send("POST", url + "/body")
        assert (answer.status, answer.body) == (202, b"begin")


@pytest.mark.parametrize(
    "content", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x00" * 100, b"HTTP/1.1 200 OK\r\n"]
)
async def test_what_is_not_http_is_no_answer(content: bytes) -> None:
    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as listener, Outbound(LOOPBACK) as outbound:
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(NotAnswered):
            await outbound.send("POST", f"http://127.0.0.1:{port}/")


async def test_a_closed_port_is_no_answer() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        async with Outbound(LOOPBACK) as outbound:
            with pytest.raises(NotAnswered, match="not accepted"):
                await outbound.send("POST", f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://example.org/" + "x" * LONGEST_URL, "at most"),
        ("http://example.org:0/", "port"),
        ("http://example.org:99999/", "URL"),
        ("http://", "host|URL"),
        ("http:///x", "host|URL"),
        ("http://a b/", "spaces"),
        ("http://[::1/", "URL"),
        ("javascript:alert(1)", "http"),
        ("http://user@example.org/", "user name"),
        ("http://user:word@example.org/", "user name"),
        ("http://1.2.3/", "four numbers"),
        ("http://1.2.3.04/", "four numbers"),
    ],
)
def test_a_url_is_refused_with_a_reason(url: str, problem: str) -> None:
    with pytest.raises(BadAddress, match=problem):
        read_url(url)


@pytest.mark.parametrize("url", ["https://example.org", "http://example.org:8080/a?b=c#d", "https://bücher.example/ü"])
def test_an_ordinary_url_is_read(url: str) -> None:
    assert read_url(url).raw_host


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "x." * 127 + "example", "[v1.x]", "[v1.a:b]", "[::g]"])
def test_what_cannot_be_a_host_is_refused(host: str) -> None:
    with pytest.raises(BadAddress):
        read_url(f"https://{host}/")
    assert read_url(f"https://{'a' * 63}.example/")
    assert read_url("https://[2001:4860::1]:8443/")
