"""Servers of carriers that answer as they are told, on the loopback."""

import asyncio
import hashlib
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from sip.probe import TransportName
from tests.support.platform import Tenant

LINE, USER, PASSWORD, REALM = "+18001234567", "tuesday", "hunter2hunter2", "carrier"


HEADER = 'Digest realm="carrier", nonce="n0nce", opaque="0paque", algorithm={}, qop="auth"'


Reply = tuple[int, dict[str, str]] | bytes | None


Answerer = Callable[[str], Reply]


def header(message: str, name: str) -> str:
    found = re.search(rf"(?im)^{name}:[ \t]*(.*?)\r$", message)
    return found[1] if found else ""


def encode(asked: str, reply: Reply) -> bytes:
    if reply is None or isinstance(reply, bytes):
        return reply or b""
    status, more = reply
    same = [f"{name}: {header(asked, name)}" for name in ("Via", "From", "Call-ID", "CSeq")]
    lines = [f"SIP/2.0 {status} Words", *same, f"To: {header(asked, 'To')};tag=x"]
    lines += [f"{name}: {value}" for name, value in more.items()]
    return "\r\n".join([*lines, "Content-Length: 0", "", ""]).encode()


@asynccontextmanager
async def server(
    answer: Answerer, transport: TransportName = "udp", context: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """A SIP server of the loopback; its port."""
    if transport == "udp":

        class Datagrams(asyncio.DatagramProtocol):
            def connection_made(self, transport: Any) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, addr: Any) -> None:
                if reply := encode(data.decode(), answer(data.decode())):
                    self.transport.sendto(reply, addr)

        loop = asyncio.get_running_loop()
        datagrams, _ = await loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0))
        try:
            yield datagrams.get_extra_info("sockname")[1]
        finally:
            datagrams.close()
        return

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = (await reader.readuntil(b"\r\n\r\n")).decode()
                reply = answer(asked)
                writer.write(encode(asked, reply))
                if reply == b"":
                    return
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with listener:
        yield listener.sockets[0].getsockname()[1]


class Guarded:
    """Wants a password; computes what it must hear by the RFC's own words."""

    def __init__(self, password: str = PASSWORD, *, status: int = 401, algorithm: str = "MD5", stale: int = 0) -> None:
        self.password, self.status, self.algorithm, self.stale = password, status, algorithm, stale
        self.asked: list[str] = []

    def __call__(self, message: str) -> Reply:
        self.asked.append(message)
        asks, says = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}[
            self.status
        ]
        said = dict(re.findall(r'(\w+)="?([^",]+)', header(message, says)))
        challenge = {asks: HEADER.format(self.algorithm)}
        if said and self.stale:
            self.stale -= 1
            return self.status, {asks: HEADER.format(self.algorithm) + ", stale=true"}
        return (200, {}) if said and said["response"] == self._expected(said) else (self.status, challenge)

    def _expected(self, said: dict[str, str]) -> str:
        def digest(text: str) -> str:
            return hashlib.new({"MD5": "md5", "SHA-256": "sha256"}[self.algorithm], text.encode()).hexdigest()

        who, what = digest(f"{USER}:{REALM}:{self.password}"), digest(f"OPTIONS:{said['uri']}")
        return digest(f"{who}:n0nce:{said['nc']}:{said['cnonce']}:auth:{what}")


async def make_trunk(tenant: Tenant, address: str, **more: object) -> int:
    body = {"name": "Main", "phone_number": LINE, "address": address} | more
    made = await tenant.http.post("/sip/trunks", json=body)
    assert made.status_code == 201, made.text
    return int(made.json()["trunk"]["id"])


async def run(tenant: Tenant, address: str, **more: object) -> dict[str, Any]:
    answer = await tenant.http.post(f"/sip/trunks/{await make_trunk(tenant, address, **more)}/test")
    assert answer.status_code == 200, answer.text
    assert PASSWORD not in answer.text
    assert USER not in answer.text
    assert list(answer.json()) == ["test"]
    return dict(answer.json()["test"])
