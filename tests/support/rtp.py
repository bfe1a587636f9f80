"""A telephone that hears RTP, and a bare socket that sends it."""

import asyncio
import socket
from collections.abc import Callable

import numpy as np

from pocket.rtp.codecs import PCMU, Codec, Samples
from pocket.rtp.packet import Packet
from pocket.rtp.ports import Ports
from pocket.rtp.sdp import Agreement
from pocket.rtp.stream import MediaStream

HOST = "127.0.0.1"


SILENCE = bytes([0xFF]) * 160


class Telephone:
    """A stream, what it heard, and a clock that only moves when told."""

    def __init__(self) -> None:
        self.stream: MediaStream
        self.heard: list[Samples] = []
        self.digits: list[str] = []
        self.now = 1000.0

    async def open(self, ports: Ports) -> "Telephone":
        self.stream = await MediaStream.open(
            ports, HOST, on_audio=self._on_audio, on_digit=self._on_digit, clock=lambda: self.now
        )
        return self

    def agree(self, port: int, *, address: str = HOST, codec: Codec = PCMU, **changes) -> None:
        values = {"telephone_event": 101, "send": True, "receive": True, "srtp": None, **changes}
        self.stream.agree(Agreement(codec=codec, address=address, port=port, **values))

    def audio(self) -> Samples:
        return np.concatenate(self.heard) if self.heard else np.zeros(0, np.int16)

    def _on_audio(self, pcm: Samples) -> None:
        self.heard.append(pcm)

    def _on_digit(self, digit: str) -> None:
        self.digits.append(digit)


class Gate:
    """A bare socket that sends to a stream."""

    def __init__(self, to: Telephone, host: str = HOST) -> None:
        self._to = to
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]

    async def say(self, *datagrams: bytes) -> None:
        for datagram in datagrams:
            before = taken(self._to)
            self._socket.sendto(datagram, (HOST, self._to.stream.port))
            await until(lambda before=before: taken(self._to) > before)

    async def get(self) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._socket, 2000)

    def close(self) -> None:
        self._socket.close()


def taken(telephone: Telephone) -> int:
    """Datagrams that came to something."""
    counters = telephone.stream.counters
    return (
        counters.received
        + counters.stranger
        + counters.malformed
        + counters.unauthentic
        + counters.unknown
        + counters.flood
    )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0)


def rtp(sequence: int, payload: bytes = SILENCE, *, payload_type: int = 0, ssrc: int = 5, timestamp: int = 0) -> bytes:
    return Packet(payload_type, sequence & 0xFFFF, timestamp, ssrc, payload).pack()
