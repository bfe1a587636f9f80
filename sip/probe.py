"""Whether a carrier's SIP server answers, and what is wrong where it does not: an OPTIONS, and its outcome in words.

Nothing that the server says is repeated but its status.
"""

import asyncio
import secrets
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Literal

from pocket.sip.digest import answer
from pocket.sip.message import LARGEST, Request, Response, parse, reason_of
from pocket.sip.transactions import ClientTransaction, ServerTransaction
from pocket.sip.transport import Flow, read_message
from pocket.sip.uri import SipError

TransportName = Literal["udp", "tcp", "tls"]
MOST_CHALLENGES: Final = 2
"""A password is said once more where the server finds the first answer too old."""

_EXPIRED, _NOT_YET, _UNKNOWN, _NAME = (10,), (9,), (2, 18, 19, 20, 21), (62, 64)
"""OpenSSL's reasons not to trust a certificate (X509_V_ERR_…)."""
_ASKED: Final = {401: ("www-authenticate", "authorization"), 407: ("proxy-authenticate", "proxy-authorization")}


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to ask. `address` is connected to; `host` is its name, which a certificate must be of."""

    address: str
    host: str
    port: int
    transport: TransportName
    number: str
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of it. Where it is `ok`, `advice` tells what it does not show."""

    ok: bool
    sip_status: int | None = None
    latency_ms: float | None = None
    problem: str | None = None
    advice: str | None = None


class _LostError(Exception):
    """The line broke before there was an answer; the text says how."""


class _Line:
    """The way to the server, as transactions need it. After `lose` there are no answers."""

    def __init__(self, flow: Flow) -> None:
        self.flow, self.local = flow, ""
        self.lost: Exception | None = None
        self.transaction: ClientTransaction | None = None
        self.datagrams: asyncio.DatagramTransport | None = None

    def transmit(self, data: bytes, flow: Flow) -> None:
        if self.datagrams is not None:
            self.datagrams.sendto(data)
        elif flow.writer is not None:
            flow.writer.write(data)

    def forget(self, transaction: ClientTransaction | ServerTransaction) -> None: ...

    def begin_cancel(self, transaction: ClientTransaction) -> None: ...

    def expect_ack(self, transaction: ServerTransaction) -> None: ...

    def lose(self, error: Exception) -> None:
        """Nothing comes any more."""
        self.lost = self.lost or error
        if self.transaction is not None:
            self.transaction.abandon()

    def receive(self, data: bytes) -> None:
        """A message. Raises `SipError` where it is none."""
        message, transaction = parse(data), self.transaction
        if isinstance(message, Response) and transaction is not None and message.via.branch == transaction.branch:
            transaction.received(message)

    async def ask(self, request: Request, branch: str) -> Response:
        """The final answer. Raises what `lose` was told."""
        self.transaction = ClientTransaction(self, request, branch, self.flow)
        try:
            self.transaction.start()
            response = await self.transaction.final() if self.lost is None else None
        finally:
            self.transaction.abandon()
        if response is None:
            raise self.lost or TimeoutError
        return response

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Take messages of a stream until it ends."""
        try:
            while True:
                message = await read_message(reader)
                if message.strip():
                    self.receive(message)
        except (SipError, ValueError, asyncio.LimitOverrunError):
            self.lose(_LostError("something that is not SIP"))
        except (OSError, asyncio.IncompleteReadError):
            self.lose(_LostError("nothing, and closes the connection"))


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, line: _Line) -> None:
        self._line = line

    def datagram_received(self, data: bytes, addr: object) -> None:
        try:
            self._line.receive(data)
        except SipError:
            return  # whoever sent it, the answer may still come

    def error_received(self, error: Exception) -> None:
        self._line.lose(error)


async def probe(target: Target, *, within: float, tls: ssl.SSLContext | None = None) -> Finding:
    """Ask a server whether it is there, and prove the password where it wants one; after `within` seconds it is not.

    `tls` says which authorities are trusted: the system's where it is left out. Never raises.
    """
    step = "connecting"
    try:
        async with asyncio.timeout(within):
            with await _connect(target) as connected:
                step = "securing"
                async with _speak(connected, target, tls) as line:
                    step = "asking"
                    return await _ask(line, target)
    except TimeoutError:
        return _silence(target, step, within)
    except ssl.SSLCertVerificationError as error:
        return _untrusted(target, error)
    except ssl.SSLError:
        return _not(f"Port {target.port} does not speak TLS, or none that is safe", "Check the port and the transport")
    except ConnectionRefusedError:
        return _not(
            f"The connection to port {target.port} was refused ({target.transport.upper()})",
            "Nothing listens there by this transport: check the port and the transport",
        )
    except (_LostError, ConnectionError) as error:
        said = str(error) if isinstance(error, _LostError) else "nothing, and closes the connection"
        return _not(f"The server says {said}", "Check that this is the address of a SIP server, and its transport")
    except OSError:
        return _not("There is no way to the server from here", "Check the address, the network and its firewall")


async def _connect(target: Target) -> socket.socket:
    """A socket to the server and to nobody else. Raises `OSError`."""
    family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM if target.transport == "udp" else socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, (target.address, target.port))
    except BaseException:
        made.close()
        raise
    return made


@asynccontextmanager
async def _speak(connected: socket.socket, target: Target, tls: ssl.SSLContext | None) -> AsyncIterator[_Line]:
    """The line over a socket. Raises `OSError`, of which TLS has its own."""
    kind = target.transport.upper()
    if target.transport == "udp":
        line = _Line(Flow(kind, target.address, target.port))
        loop = asyncio.get_running_loop()
        datagrams, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(line), sock=connected)
        line.datagrams, line.local = datagrams, _local(datagrams.get_extra_info("sockname"))
        try:
            yield line
        finally:
            datagrams.abort()
        return
    secured = target.transport == "tls"
    reader, writer = await asyncio.open_connection(
        sock=connected,
        limit=LARGEST,
        ssl=(tls or await asyncio.to_thread(ssl.create_default_context)) if secured else None,
        server_hostname=target.host if secured else None,
    )
    line = _Line(Flow(kind, target.address, target.port, writer))
    line.local = _local(writer.get_extra_info("sockname"))
    reading = asyncio.create_task(line.read(reader))
    try:
        yield line
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        writer.transport.abort()


def _local(name: tuple[str, int]) -> str:
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


async def _ask(line: _Line, target: Target) -> Finding:
    """Ask, and ask again with the password as often as there is sense in it."""
    loop = asyncio.get_running_loop()
    call, tag = secrets.token_hex(12), secrets.token_hex(6)
    proof: tuple[str, str] | None = None
    for number in range(1, MOST_CHALLENGES + 2):
        branch = f"z9hG4bK{secrets.token_hex(12)}"
        request = _options(line, target, branch=branch, call=call, tag=tag, number=number)
        if proof is not None:
            request.add(*proof)
        asked = loop.time()
        response = await line.ask(request, branch)
        latency = round((loop.time() - asked) * 1000, 1)
        if number > 1 and not _stale(response):
            break
        following = _prove(response, target, request.uri)
        if following is None or number > MOST_CHALLENGES:
            break
        proof = following
    return _read(response.status, latency, target, proved=proof is not None)


def _options(line: _Line, target: Target, *, branch: str, call: str, tag: str, number: int) -> Request:
    suffix = "" if target.transport == "udp" else f";transport={target.transport}"
    request = Request(method="OPTIONS", uri=f"sip:{target.host}:{target.port}{suffix}")
    request.add("via", f"SIP/2.0/{line.flow.transport} {line.local};rport;branch={branch}")
    request.add("max-forwards", 70)
    request.add("from", f"<sip:{target.number}@{target.host}>;tag={tag}")
    request.add("to", f"<sip:{target.host}>")
    request.add("call-id", call)
    request.add("cseq", f"{number} OPTIONS")
    request.add("contact", f"<sip:{target.number}@{line.local}{suffix}>")
    request.add("accept", "application/sdp")
    return request


def _stale(response: Response) -> bool:
    asks, _ = _ASKED.get(response.status, ("", ""))
    return any("stale=true" in challenge.lower().replace(" ", "") for challenge in response.all(asks))


def _prove(response: Response, target: Target, uri: str) -> tuple[str, str] | None:
    """The header that answers a challenge; None where there is none, or none that can be answered."""
    asks, says = _ASKED.get(response.status, ("", ""))
    if not target.username:
        return None
    for challenge in response.all(asks):
        try:
            return says, answer(challenge, target.username, target.password, "OPTIONS", uri)
        except SipError:
            continue
    return None


def _read(status: int, latency: float, target: Target, *, proved: bool) -> Finding:
    """What a final status means."""
    said = f"{status} {reason_of(status)}".strip()
    problem = advice = None
    if status in _ASKED and not target.username:
        problem = f"The server wants a user name and a password ({said}), and the trunk has none"
        advice = "Set username and password of the trunk, or have the carrier know this server by its address"
    elif status in (*_ASKED, 403) and proved:
        problem = f"The server does not take the trunk's user name and password ({said})"
        advice = "Check both: a password is set anew with PATCH /api/v1/sip/trunks/{id}"
    elif status in _ASKED:
        problem = f"The server wants a proof of the password that is not known here ({said})"
        advice = "Digest with MD5 or SHA-256 is known: ask the carrier for one of them"
    elif 500 <= status < 600 and status != 501:
        problem = f"The server answers, but cannot serve ({said})"
        advice = "Try again later; if it stays, ask the carrier"
    elif status >= 300:
        advice = f"It can be reached, but answers {said} to this test: calls will show whether it takes them"
    elif target.username and not proved:
        advice = "It did not ask for the password, so that calls will show whether it is right"
    return Finding(problem is None, status, latency, problem, advice)


def _silence(target: Target, step: str, within: float) -> Finding:
    if target.transport == "udp":
        return _not(
            f"Nothing answers at port {target.port} over UDP",
            "Check the address; a firewall, or a carrier that does not know this server's address, is silent too",
        )
    if step != "connecting":
        return _not(
            f"The server takes the connection, but does not answer{' in TLS' if step == 'securing' else ''}",
            "Check that this is a SIP server's port for this transport",
        )
    return _not(
        f"There is no connection to port {target.port} within {within:.0f} seconds",
        "Check the address and the firewalls on the way",
    )


def _untrusted(target: Target, error: ssl.SSLCertVerificationError) -> Finding:
    code = error.verify_code
    if code in _EXPIRED:
        return _not("The server's certificate has expired", "The carrier must renew it")
    if code in _NOT_YET:
        return _not("The server's certificate is not valid yet", "Check the clock here, then ask the carrier")
    if code in _NAME:
        return _not(
            f"The server's certificate is not one of {target.host}",
            "Use the name that stands in the certificate as the trunk's address",
        )
    if code in _UNKNOWN:
        return _not(
            "The server's certificate comes from an authority that is not known here",
            "The carrier needs a public one, or this machine must trust its authority",
        )
    return _not("The server's certificate cannot be trusted", "Ask the carrier for a valid one")


def _not(problem: str, advice: str) -> Finding:
    return Finding(False, problem=problem, advice=advice)
