"""Telephones on our own SIP and RTP, which answer at once; what they hear is seen at the moment it arrives."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from pocket.rtp import sdp
from pocket.rtp.codecs import PCMU, Codec, Samples
from pocket.rtp.ports import Ports
from pocket.rtp.stream import MediaStream
from pocket.sip.admission import Rate
from pocket.sip.agent import Listening, UserAgent
from pocket.sip.message import Request
from pocket.sip.transactions import ServerTransaction

HOST: Final = "127.0.0.1"
RTP: Final = (45_000, 45_399)
TICK: Final = 0.02
QUIET: Final = 300
"""Mean amplitude below which a frame is silent."""


@dataclass
class Line:
    """One call of a phone."""

    say: Callable[[], Samples | None]
    """The next 20 ms."""
    on_audio: Callable[[Samples], None]
    media: MediaStream | None = None
    packets: list[float] = field(default_factory=list)
    """When they came."""
    silent: int = 0
    answered_at: float = 0
    """Unix seconds."""

    def hear(self, pcm: Samples) -> None:
        """Sound came."""
        self.packets.append(time.monotonic())
        self.silent += bool(np.abs(pcm.astype(np.int32)).mean() < QUIET)
        self.on_audio(pcm)

    def forget(self) -> None:
        """Count anew."""
        self.packets.clear()
        self.silent = 0


class Telephones:
    """Any number of phones behind one socket. `say` and `on_audio` are those of the next call, which rings for some
    seconds."""

    def __init__(self, codec: Codec = PCMU, ringing: float = 0) -> None:
        self._ringing = ringing
        self.lines: dict[str, Line] = {}
        self.say: Callable[[], Samples | None] = lambda: None
        self.on_audio: Callable[[Samples], None] = lambda pcm: None
        self._codec = codec
        self._ports = Ports(*RTP)
        limit = Rate(10_000, 10_000)
        self.agent = UserAgent(Listening(HOST, 0), self._on_request, each=limit, together=limit)
        self._answering: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """Where they are called."""
        return f"{HOST}:{self.agent.port}"

    def _on_request(self, request: Request, transaction: ServerTransaction) -> None:
        if request.method == "INVITE" and not request.to.tag:
            task = asyncio.create_task(self._answer(request, transaction))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
            return
        if request.method == "BYE" and (line := self.lines.pop(request.call_id, None)) and line.media:
            line.media.close()
        transaction.respond(200)

    async def _answer(self, request: Request, transaction: ServerTransaction) -> None:
        line = self.lines[request.call_id] = Line(self.say, self.on_audio)
        if self._ringing:
            transaction.respond(180)
            await asyncio.sleep(self._ringing)
        remote = sdp.parse(request.body)
        agreement = sdp.agree(remote, codecs=(self._codec,))
        line.media = await MediaStream.open(self._ports, HOST, on_audio=line.hear, on_digit=lambda digit: None)
        body = sdp.answer(remote, agreement, HOST, line.media.port, 1, 1)
        line.media.agree(agreement)
        line.answered_at = time.time()
        transaction.respond(200, headers=[("contact", self.agent.contact("UDP"))], body=body)

    async def run(self) -> None:
        """Speak, all phones at the same moments."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            for line in tuple(self.lines.values()):
                if line.media is not None:
                    line.media.tick(line.say())
            due += TICK
            await asyncio.sleep(max(0.0, due - loop.time()))


@asynccontextmanager
async def telephones(codec: Codec = PCMU, *, ringing: float = 0) -> AsyncIterator[Telephones]:
    """Phones for the length of a block."""
    phones = Telephones(codec, ringing)
    await phones.agent.start()
    speaking = asyncio.create_task(phones.run())
    try:
        yield phones
    finally:
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
        for line in phones.lines.values():
            if line.media is not None:
                line.media.close()
        await phones.agent.close()
