"""Datagrams and streams that carry SIP (RFC 3261, 18): UDP, TCP and TLS on IPv4."""

import asyncio
import re
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from pocket.networks import Network, is_closed
from pocket.sip.message import LARGEST, LARGEST_BODY

CONNECT_WITHIN: Final = 10.0
FIRST_MESSAGE_WITHIN: Final = 10.0
IDLE: Final = 180.0
"""Seconds a stream may be silent; calls on streams keep theirs alive by CRLF (RFC 5626) or open another."""
MOST_STREAMS, MOST_STREAMS_OF_ONE = 500, 50
BACKLOG: Final = 256 * 1024
"""Bytes that may wait for a peer which does not read; then its stream is cut."""
_LENGTH: Final = re.compile(rb"(?im)^(?:content-length|l)[ \t]*:[ \t]*(\d{1,6})[ \t]*\r?$")


@dataclass(frozen=True, slots=True)
class Flow:
    """The way to a peer: over which transport, to which address, and for a stream the stream itself."""

    transport: str
    host: str
    port: int
    writer: asyncio.StreamWriter | None = None

    @property
    def reliable(self) -> bool:
        """Whether messages arrive without being repeated."""
        return self.transport != "UDP"


class Transports:
    """The sockets of a user agent. `receive(data, flow)` gets every message and says whether it was SIP."""

    def __init__(self, receive: Callable[[bytes, Flow], bool], *, client_tls: ssl.SSLContext) -> None:
        self._receive, self._client_tls = receive, client_tls
        self._udp: asyncio.DatagramTransport | None = None
        self._servers: list[asyncio.Server] = []
        self._streams: dict[tuple[str, str, int], asyncio.StreamWriter] = {}
        self._readers: set[asyncio.Task[None]] = set()

    async def listen(self, host: str, port: int, *, tls_port: int = 0, tls: ssl.SSLContext | None = None) -> int:
        """Open the sockets; TLS where a context is given. The port, which the system chooses for 0."""
        listener = await asyncio.start_server(self._accept, host, port, limit=LARGEST)
        self._servers.append(listener)
        port = listener.sockets[0].getsockname()[1]
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        datagrams.bind((host, port))
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self._receive), sock=datagrams)
        if tls is not None:
            self._servers.append(
                await asyncio.start_server(
                    self._accept_tls,
                    host,
                    tls_port,
                    limit=LARGEST,
                    ssl=tls,
                    ssl_handshake_timeout=FIRST_MESSAGE_WITHIN,
                )
            )
        return port

    async def close(self) -> None:
        """Close every socket."""
        for server in self._servers:
            server.close()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        if self._udp is not None:
            self._udp.close()

    async def reach(
        self, transport: str, host: str, port: int, closed: Sequence[Network] = (), known: str = ""
    ) -> Flow:
        """A way to a peer, over a stream that is open where there is one, at no address of a closed network but the
        `known` one. Raises `OSError`."""
        if transport == "UDP":
            return Flow("UDP", (await _find(host, port, closed, known))[0], port)
        key = (transport, host, port)
        writer = self._streams.get(key)
        if writer is None or writer.is_closing():
            tls = self._client_tls if transport == "TLS" else None
            try:
                async with asyncio.timeout(CONNECT_WITHIN):
                    reader, writer = await _connect(await _find(host, port, closed, known), port, tls, host)
            except TimeoutError:
                raise OSError("the peer accepts no connection") from None
            self._streams[key] = writer
            task = asyncio.create_task(self._read(reader, writer, key))
            self._readers.add(task)
            task.add_done_callback(self._readers.discard)
        return Flow(transport, host, port, writer)

    def send(self, data: bytes, flow: Flow) -> None:
        """Send, without waiting; what cannot be sent is lost, as it may be on the way."""
        if flow.writer is None:
            if self._udp is not None and not self._udp.is_closing():
                self._udp.sendto(data, (flow.host, flow.port))
        elif not flow.writer.is_closing():
            if flow.writer.transport.get_write_buffer_size() > BACKLOG:
                flow.writer.transport.abort()
            else:
                flow.writer.write(data)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._serve("TCP", reader, writer)

    async def _accept_tls(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._serve("TLS", reader, writer)

    async def _serve(self, transport: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = writer.get_extra_info("peername")[:2]
        of_one = Counter(key[1] for key in self._streams)
        if len(self._streams) >= MOST_STREAMS or of_one[host] >= MOST_STREAMS_OF_ONE:
            writer.close()
            return
        key = (transport, host, port)
        self._streams[key] = writer
        task = asyncio.current_task()
        if task is not None:
            self._readers.add(task)
            task.add_done_callback(self._readers.discard)
        await self._read(reader, writer, key)

    async def _read(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: tuple[str, str, int]
    ) -> None:
        flow, patience = Flow(*key, writer), FIRST_MESSAGE_WITHIN
        try:
            while True:
                async with asyncio.timeout(patience):
                    message = await read_message(reader)
                if message == b"\r\n\r\n":
                    writer.write(b"\r\n")  # RFC 5626, 4.4.1: the answer to a keep-alive
                elif not self._receive(message, flow):
                    return  # a peer that sends garbage on a stream has lost its place in it
                patience = IDLE
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, OSError, TimeoutError):
            return
        finally:
            if self._streams.get(key) is writer:
                del self._streams[key]
            writer.close()


async def _find(host: str, port: int, closed: Sequence[Network], known: str) -> list[str]:
    """The addresses of a host that are connected to: looked up once, so that they are those that were judged. At least
    one. Raises `OSError`."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, family=socket.AF_INET, type=socket.SOCK_DGRAM)
    except UnicodeError:
        raise OSError("not a name of a host") from None
    addresses = [str(each[4][0]) for each in found]
    allowed = [each for each in addresses if each == known or not is_closed(each, closed)]
    if not allowed:
        raise OSError("its address is in a closed network")
    return allowed


async def _connect(
    addresses: Sequence[str], port: int, tls: ssl.SSLContext | None, name: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A stream to the first of some addresses that accepts one. Raises `OSError`."""
    *others, last = addresses
    server = name if tls is not None else None
    for address in others:
        with suppress(OSError):
            return await asyncio.open_connection(address, port, limit=LARGEST, ssl=tls, server_hostname=server)
    return await asyncio.open_connection(last, port, limit=LARGEST, ssl=tls, server_hostname=server)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, receive: Callable[[bytes, Flow], bool]) -> None:
        self._receive = receive

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._receive(data, Flow("UDP", addr[0], addr[1]))


async def read_message(reader: asyncio.StreamReader) -> bytes:
    """One message of a stream, or the two line ends of a keep-alive. Raises `ValueError` for a body nobody would send,
    `asyncio.IncompleteReadError` at the end, `asyncio.LimitOverrunError` for headers that have none."""
    head = await reader.readuntil(b"\r\n\r\n")
    if head == b"\r\n\r\n":
        return head
    length = _LENGTH.search(head)
    size = int(length[1]) if length else 0
    if size > LARGEST_BODY:
        raise ValueError("body too large")
    return head.lstrip(b"\r\n") + (await reader.readexactly(size) if size else b"")
