"""The one HTTP client for addresses that customers chose.

OutboundError
├── BadAddress      the URL, or the network it leads to, is refused; nothing was sent
└── NotAnswered     no usable answer: not found, refused, broken, too late

The policy is asked for the very address a socket is made for, so a name that changes its mind between the check and
the connection gains nothing. No redirect is followed, no proxy of the environment is used, no cookie is kept, TLS names
are verified, and an answer is read to a cap.
"""

import asyncio
import re
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDictProxy
from yarl import URL

from guard.addresses import Network, closed_host, closed_port

HTTP: Final = ("http", "https")
RTMP: Final = ("rtmp", "rtmps")
SOCKET: Final = ("ws", "wss")
DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443, "rtmp": 1935, "rtmps": 443}
LONGEST_URL: Final = 2048
READ_LIMIT: Final = 64 * 1024
"""Bytes of an answer's body that are read; the connection is dropped at the first byte beyond."""
TIMEOUT: Final = 15.0
CONNECTIONS: Final = 256
LOOK_UP_WITHIN: Final = 3.0
"""Seconds that `check` waits for a name; one that takes longer is judged when it is connected to."""
LOOK_UPS: Final = 32
"""Names looked up at once. Look-ups block a thread each: names that hang must not hold up the others."""
KEEP_ALIVE: Final = 3.0
"""Seconds a connection is kept for the next request: less than the 5 s after which common servers close theirs."""
LOOPBACK: Final = ("127.0.0.1", "::1")
"""Where `localhost` leads, whatever a resolver says."""
_UNFIT: Final = re.compile(r"[\x00-\x20\x7f\\]")
_USER: Final = re.compile(r"[^/]*//[^/?#]*@")
_BRACKET: Final = re.compile(r"[^/]*//\[")
_NAME: Final = re.compile(r"(?=.{1,254}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_IPV4: Final = re.compile(r"(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}")


class OutboundError(Exception):
    """Base; `reason` may be shown to the customer whose address it was."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BadAddress(OutboundError):
    """A URL that is not to be called."""


class NotAnswered(OutboundError):
    """A request without an answer."""


class _ClosedNetwork(OSError):
    """Raised where a socket is made, so that aiohttp treats it as an address that cannot be connected to."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `body` is its first part, up to the client's limit, as sent (no decompression)."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


class SystemResolver(AbstractResolver):
    """getaddrinfo on threads of its own."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOK_UPS, thread_name_prefix="look-up")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        )
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=port, family=kind, proto=proto, flags=socket.AI_NUMERICHOST
            )
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Let the threads go; a look-up that is still running ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


@lru_cache(maxsize=1024)
def read_url(text: str, schemes: tuple[str, ...] = HTTP) -> URL:
    """A URL of one of these schemes that may be called as far as its text goes. Raises `BadAddress`."""
    if len(text) > LONGEST_URL:
        raise BadAddress(f"must have at most {LONGEST_URL} characters")
    if _UNFIT.search(text):
        raise BadAddress("must not contain spaces, control characters or backslashes")
    try:
        url = URL(text)
        port = url.explicit_port
    except ValueError as error:
        raise BadAddress("is not a URL") from error
    if url.scheme not in schemes:
        raise BadAddress(f"must begin with {' or '.join(f'{each}://' for each in schemes)}")
    host = url.raw_host
    if not host:
        raise BadAddress("must name a host")
    if _USER.match(text):
        raise BadAddress("must not contain a user name or password")
    if not _BRACKET.match(text):
        _read_host(host)
    elif not _is_ipv6(host):
        raise BadAddress("does not name a host")
    if port == 0:
        raise BadAddress("has a port that cannot be connected to")
    return url


def _read_host(host: str) -> None:
    """Refuse what is neither a name nor an IPv4 address in its one usual spelling."""
    last = host.rstrip(".").rpartition(".")[2]
    if _NUMBER.fullmatch(last) and not _IPV4.fullmatch(host):
        raise BadAddress("must write an IPv4 address as four numbers")
    if not _NAME.fullmatch(host):
        raise BadAddress("does not name a host")


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True


class Outbound:
    """Sends requests to the public internet and to the networks that the operator opened.

    Use as an asynchronous context, in the event loop that it works in.
    """

    def __init__(
        self,
        allow: Sequence[Network] = (),
        *,
        timeout: float = TIMEOUT,
        read_limit: int = READ_LIMIT,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._allow = tuple(allow)
        self._timeout, self._read_limit = timeout, read_limit
        self._resolver: AbstractResolver = resolver or SystemResolver()
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            limit=CONNECTIONS,
            resolver=self._resolver,
            socket_factory=self._make_socket,
            keepalive_timeout=KEEP_ALIVE,
        )
        self._http = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self._timeout),
            auto_decompress=False,
            trust_env=False,
            trace_configs=[_no_redirects()],
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._http is not None:
            await self._http.close()
        await self._resolver.close()

    @property
    def http(self) -> aiohttp.ClientSession:
        """For libraries that bring their own requests: sockets are made by the same policy, and a redirect that a
        library would follow fails as `aiohttp.TooManyRedirects`. Not theirs to close."""
        assert self._http is not None, "use `async with`"
        return self._http

    async def check(self, text: str, schemes: tuple[str, ...] = HTTP) -> None:
        """Refuse a URL that leads into a closed network, as far as can be told now. Raises `BadAddress`.

        A name of the internet that cannot be looked up at the moment passes: what counts is the check at each
        connection.
        """
        url = read_url(text, schemes)
        port = url.port or DEFAULT_PORTS[url.scheme]
        found = await self._look_up(url.raw_host or "", port)
        for address in found:
            kind = closed_host(address, self._allow, port=port)
            if kind:
                raise BadAddress(f"leads to an address that is not allowed ({kind})")
        if not found and closed_port(port):
            raise BadAddress(f"leads to an address that is not allowed (port {port})")

    async def find(self, host: str) -> list[str]:
        """The addresses of a host that may be connected to, for what is not HTTP: connect to these, never to the name.

        At least one. Raises `BadAddress` where all lead into closed networks, `NotAnswered` where there is none.
        """
        _read_host(host.lower())
        try:
            found = await self._look_up(host.lower(), 0)
        except BadAddress as error:
            raise NotAnswered(error.reason) from error
        if not found:
            raise NotAnswered("names a host that was not found")
        kinds = {address: closed_host(address, self._allow) for address in found}
        reachable = [address for address, kind in kinds.items() if kind is None]
        if not reachable:
            raise BadAddress(f"leads to an address that is not allowed ({kinds[found[0]]})")
        return reachable

    async def _look_up(self, host: str, port: int) -> list[str]:
        name = host.rstrip(".")
        if name == "localhost" or name.endswith(".localhost"):
            return list(LOOPBACK)
        try:
            async with asyncio.timeout(LOOK_UP_WITHIN):
                return [found["host"] for found in await self._resolver.resolve(host, port)]
        except (OSError, TimeoutError, UnicodeError) as error:
            if "." not in name:
                raise BadAddress("names a host that was not found") from error
            return []

    async def send(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request, one answer; a redirect is an answer too. Raises `BadAddress`, `NotAnswered`."""
        target = read_url(url)
        try:
            async with self.http.request(method, target, data=body, headers=headers, allow_redirects=False) as response:
                return Answer(response.status, response.headers, await _read(response, self._read_limit))
        except TimeoutError as error:
            raise NotAnswered(f"no answer within {self._timeout:g} s") from error
        except aiohttp.ClientError as error:
            raise _explain(error) from error
        except (OSError, ValueError) as error:  # a name that no resolver takes, an answer that no parser takes
            raise NotAnswered("could not be reached") from error

    def _make_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, proto, _, address = info
        closed = closed_host(str(address[0]), self._allow, port=int(address[1]))
        if closed:
            raise _ClosedNetwork(f"leads to an address that is not allowed ({closed})")
        return socket.socket(family, kind, proto)


def _no_redirects() -> aiohttp.TraceConfig:
    """Ends requests that would be sent on: a WebSocket's know no other way to say so."""

    async def refuse(_http: aiohttp.ClientSession, _context: object, asked: aiohttp.TraceRequestRedirectParams) -> None:
        answer = asked.response
        answer.close()
        raise aiohttp.TooManyRedirects(
            answer.request_info, (answer,), status=answer.status, message="redirects are not followed"
        )

    tracing = aiohttp.TraceConfig()
    tracing.on_request_redirect.append(refuse)
    return tracing


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The first part of the body. One that stops in the middle, or never ends, does not undo the status."""
    parts, size = [], 0
    try:
        while size < limit and (part := await response.content.read(limit - size)):
            parts.append(part)
            size += len(part)
    except (aiohttp.ClientError, TimeoutError):
        response.close()
    if size >= limit:
        response.close()
    return b"".join(parts)


def _explain(error: aiohttp.ClientError) -> OutboundError:
    match error:
        case aiohttp.ClientConnectorDNSError():
            return NotAnswered("the name of the host was not found")
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return NotAnswered("the TLS connection could not be made")
        case aiohttp.ClientConnectorError():
            if isinstance(error.os_error, _ClosedNetwork):
                return BadAddress(str(error.os_error))
            return NotAnswered("the connection was not accepted")
        case aiohttp.InvalidURL():
            return BadAddress("is not a plain address")
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError():
            return NotAnswered("the connection broke before an answer came")
    return NotAnswered("the answer was not HTTP")
