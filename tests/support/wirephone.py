"""A telephone written out by hand, for what no well-made phone does: it knows nothing of our own SIP code."""

import asyncio
import itertools
import random
import re
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np

from pocket.rtp.codecs import PCMU, make_coder

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Said:
    """A message that came."""

    first: str
    headers: list[tuple[str, str]]
    body: str

    @property
    def kind(self) -> str:
        """A method, or a status as text."""
        words = self.first.split(" ")
        return words[1] if words[0] == "SIP/2.0" else words[0]

    def get(self, name: str) -> str:
        """A header; empty where there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def media(self) -> tuple[str, int]:
        """Where its SDP wants sound."""
        return re.findall(r"c=IN IP4 (\S+)", self.body)[0], int(re.findall(r"m=audio (\d+)", self.body)[0])


class WirePhone:
    """One call at a time. Sends what it is told, and keeps what comes, apart from what it has seen already."""

    def __init__(self, server: int) -> None:
        self.server = (HOST, server)
        self.call_id, self.tag, self.peer_tag = secrets.token_hex(8), secrets.token_hex(4), ""
        self.number = itertools.count(1)
        self.came: asyncio.Queue[Said] = asyncio.Queue()
        self.sounds: list[bytes] = []
        self.line = self._socket()
        self.sound = self._socket()
        self.target = self.number_called = ""
        self.user = "wire"
        self.speaking: asyncio.Task[None] | None = None
        self.keys: list[bytes] = []
        self.loss = self.jitter = 0.0

    @staticmethod
    def _socket() -> socket.socket:
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bound.bind((HOST, 0))
        bound.setblocking(False)
        return bound

    @property
    def port(self) -> int:
        """Where it takes calls."""
        return int(self.line.getsockname()[1])

    def sdp(self, codec: str = "0", direction: str = "sendrecv", profile: str = "RTP/AVP") -> str:
        """An offer or answer."""
        media = f"m=audio {self.sound.getsockname()[1]} {profile} {codec} 101"
        lines = ["v=0", f"o=- 1 1 IN IP4 {HOST}", "s=-", f"c=IN IP4 {HOST}", "t=0 0", media]
        return "\r\n".join([*lines, "a=rtpmap:101 telephone-event/8000", f"a={direction}", ""])

    def send(self, first: str, headers: list[str], body: str = "") -> bytes:
        """Send a message as it stands."""
        typed = ["Content-Type: application/sdp"] if body.startswith("v=0") else []
        data = "\r\n".join([first, *headers, *typed, f"Content-Length: {len(body)}", "", body]).encode()
        self.line.sendto(data, self.server)
        return data

    def request(self, method: str, *more: str, body: str = "", number: int = 0, branch: str = "") -> bytes:
        """A request, of the call if there is one."""
        number = number or next(self.number)
        to = f"<sip:{self.number_called}@{HOST}>" + (f";tag={self.peer_tag}" if self.peer_tag else "")
        headers = [
            f"Via: SIP/2.0/UDP {HOST}:{self.port};rport;branch={branch or 'z9hG4bK' + secrets.token_hex(6)}",
            "Max-Forwards: 70",
            f"From: <sip:{self.user}@{HOST}>;tag={self.tag}",
            f"To: {to}",
            f"Call-ID: {self.call_id}",
            f"CSeq: {number} {method}",
            f"Contact: <sip:wire@{HOST}:{self.port}>",
        ]
        target = self.target or f"sip:{self.number_called}@{HOST}:{self.server[1]}"
        return self.send(f"{method} {target} SIP/2.0", [*headers, *more], body)

    def answer(self, asked: Said, status: str, *more: str, body: str = "") -> None:
        """Answer a request."""
        to = asked.get("to")
        headers = [f"Via: {value}" for name, value in asked.headers if name.lower() == "via"]
        headers += [f"To: {to}" if "tag=" in to or status.startswith("100") else f"To: {to};tag={self.tag}"]
        headers += [f"{name}: {asked.get(name)}" for name in ("From", "Call-ID", "CSeq")]
        self.send(f"SIP/2.0 {status}", [*headers, f"Contact: <sip:wire@{HOST}:{self.port}>", *more], body)

    async def next(self, kind: str, within: float = 30) -> Said:
        """The next message of a kind; others are let by."""
        others = []
        try:
            async with asyncio.timeout(within):
                while True:
                    said = await self.came.get()
                    if said.kind == kind:
                        return said
                    others.append(said.first)
        except TimeoutError:
            raise AssertionError(f"no {kind}; there was {others}") from None

    async def ask(self, method: str, *more: str, body: str = "", number: int = 0) -> Said:
        """The final answer to a request of the call, which is acknowledged where it needs to be."""
        number = number or next(self.number)
        self.request(method, *more, body=body, number=number)
        async with asyncio.timeout(60):
            while True:
                said = await self.came.get()
                if said.get("cseq") == f"{number} {method}" and said.kind >= "200":
                    break
        if method == "INVITE" and said.kind == "200":
            self.request("ACK", number=number)
        return said

    async def call(self, number: str, *more: str, body: str = "") -> Said:
        """Call a number; the 200, after which there is sound."""
        self.number_called = number
        sequence = next(self.number)
        self.request("INVITE", *more, body=body or self.sdp(), number=sequence)
        return self.established(await self.next("200"), sequence)

    def established(self, said: Said, sequence: int) -> Said:
        """The call is answered."""
        self.peer_tag = said.get("to").rpartition("tag=")[2]
        self.target = said.get("contact").strip("<>")
        self.request("ACK", number=sequence)
        self.speak(said.media())
        return said

    async def take(self, *more: str) -> Said:
        """Take a call; its INVITE."""
        asked = await self.next("INVITE")
        self.call_id, self.peer_tag = asked.get("call-id"), asked.get("from").rpartition("tag=")[2]
        self.target, self.number_called = asked.get("contact").strip("<>"), "livekit"
        self.answer(asked, "180 Ringing")
        self.answer(asked, "200 OK", *more, body=self.sdp())
        await self.next("ACK")
        self.speak(asked.media())
        return asked

    def press(self, digits: str) -> None:
        """Press keys, one after the other, 100 ms each, in place of the tone (RFC 4733)."""
        for digit in digits:
            event = "0123456789*#ABCD".index(digit)
            ends = [bytes([event, 0x80 | 10]) + (800).to_bytes(2, "big")] * 3
            self.keys += [bytes([event, 10]) + (160 * n).to_bytes(2, "big") for n in range(1, 5)] + ends + [b""] * 4

    def pressed(self) -> str:
        """The keys that were pressed at the other end."""
        events = {packet[4:8]: packet[12] for packet in self.sounds if packet[1] & 127 == 101}
        return "".join("0123456789*#ABCD"[events[moment]] for moment in sorted(events))

    def heard(self) -> np.ndarray:
        """The sound that came, at 8000 Hz, each packet at its place in time, with silence for what is missing."""
        coder = make_coder(PCMU)
        packets = {int.from_bytes(packet[4:8], "big"): packet[12:] for packet in self.sounds if packet[1] & 127 == 0}
        first = min(packets)
        sound = np.zeros(max(packets) - first + 160, np.int16)
        for moment, payload in packets.items():
            sound[moment - first : moment - first + 160] = coder.decode(payload)
        return sound

    def speak(self, where: tuple[str, int]) -> None:
        """Say a tone of 400 Hz until the phone is closed."""
        if self.speaking is None:
            self.speaking = asyncio.create_task(self._speak(where))

    async def _speak(self, where: tuple[str, int]) -> None:
        coder, loop = make_coder(PCMU), asyncio.get_running_loop()
        began = loop.time()
        begun: int | None = None
        for n in itertools.count():
            moments = (np.arange(160) + 160 * n) / 8000
            sound = coder.encode((np.sin(2 * np.pi * 400 * moments) * 9000).astype(np.int16))
            kind, moment = b"\x00", 160 * n
            if self.keys:
                event = self.keys.pop(0)
                if event:
                    begun = begun if begun is not None else moment
                    kind, moment, sound = b"\x65", begun, event
                else:
                    begun = None
            packet = b"\x80" + kind + (n & 0xFFFF).to_bytes(2, "big") + moment.to_bytes(4, "big") + b"wire" + sound
            self.network(self.sound.sendto, packet, where)
            await asyncio.sleep(began + 0.02 * (n + 1) - loop.time())

    def _read(self) -> None:
        head, _, body = self.line.recv(65535).decode("utf-8", "replace").partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        pairs = (line.partition(":") for line in lines)
        self.came.put_nowait(Said(first, [(name.strip(), value.strip()) for name, _, value in pairs], body))

    def _hear(self) -> None:
        self.network(self.sounds.append, self.sound.recv(2000))

    def network(self, go_on: Callable[..., object], *packet: object) -> None:
        """What happens to sound on its way: some is lost, the rest is late by up to `jitter`."""
        if random.random() >= self.loss:
            asyncio.get_running_loop().call_later(random.uniform(0, self.jitter), self._arrive, go_on, packet)

    def _arrive(self, go_on: Callable[..., object], packet: tuple[object, ...]) -> None:
        if self.sound.fileno() >= 0:
            go_on(*packet)


@asynccontextmanager
async def wirephone(server: int) -> AsyncIterator[WirePhone]:
    """A phone that calls the SIP service at a port, or is called by it."""
    phone, loop = WirePhone(server), asyncio.get_running_loop()
    loop.add_reader(phone.line, phone._read)
    loop.add_reader(phone.sound, phone._hear)
    try:
        yield phone
    finally:
        if phone.speaking is not None:
            phone.speaking.cancel()
            await asyncio.gather(phone.speaking, return_exceptions=True)
        for bound in (phone.line, phone.sound):
            loop.remove_reader(bound)
            bound.close()
