"""`python -m parley.demo.telephone`: a phone that answers, so that calls out have somebody to reach on one machine.

It rings for a second, answers any number, says a few sentences with pauses for the answers, and hangs up.
"""

import argparse
import asyncio
import signal
from contextlib import suppress
from typing import Final

import numpy as np

from parley.demo.voice import Voice
from pocket.rtp import sdp
from pocket.rtp.codecs import PCMA, PCMU, Samples
from pocket.rtp.ports import NoPort, Ports
from pocket.rtp.stream import MediaStream
from pocket.sip.admission import Rate
from pocket.sip.agent import Listening, UserAgent
from pocket.sip.dialog import Dialog
from pocket.sip.message import Request
from pocket.sip.transactions import ServerTransaction

HOST: Final = "127.0.0.1"
RATE: Final = 8000
TICK: Final = 0.02
FRAME: Final = RATE // 50
NARROW: Final = (PCMU, PCMA)
"""What it speaks: the codecs of its rate."""
RINGING: Final = 1.0
"""Seconds until it answers."""
GOODBYE: Final = 2.0
"""Seconds to wait for the answer to a BYE."""
RTP_PORTS: Final = 20
SAID: Final = (
    (0.5, "Hello, who is there?"),
    (6.0, "When are you open?"),
    (6.0, "Thank you. Goodbye."),
    (1.0, ""),
)
"""Seconds of silence, and what is said after them; then it hangs up."""


class AnsweringPhone:
    """Any number of calls at once, as far as there are ports."""

    def __init__(self, port: int, rtp_first: int, speech: Samples) -> None:
        limit = Rate(100, 100)
        self._ports = Ports(rtp_first, rtp_first + RTP_PORTS - 1)
        self._speech = speech
        self.agent = UserAgent(Listening(HOST, port), self._on_request, each=limit, together=limit)
        self._calls: dict[str, asyncio.Task[None]] = {}
        """By their Call-ID."""

    async def close(self) -> None:
        """Hang up everywhere, and listen no more."""
        calls = list(self._calls.values())
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await self.agent.close()

    def _on_request(self, request: Request, transaction: ServerTransaction) -> None:
        if request.method == "INVITE" and not request.to.tag:
            call = self._calls[request.call_id] = asyncio.create_task(self._call(request, transaction))
            call.add_done_callback(lambda _: self._calls.pop(request.call_id, None))
            transaction.on_cancel = lambda: self._leave(request.call_id)
            return
        if request.method == "BYE":
            self._leave(request.call_id)
        transaction.respond(200)

    def _leave(self, call_id: str) -> None:
        """They have hung up."""
        call = self._calls.pop(call_id, None)
        if call is not None:
            call.cancel()

    async def _call(self, request: Request, transaction: ServerTransaction) -> None:
        transaction.respond(180)
        try:
            await asyncio.sleep(RINGING)
        except asyncio.CancelledError:
            transaction.respond(487)
            raise
        try:
            remote = sdp.parse(request.body)
            agreement = sdp.agree(remote, codecs=NARROW)
            media = await MediaStream.open(self._ports, HOST, on_audio=lambda pcm: None, on_digit=lambda digit: None)
        except (sdp.SdpError, NoPort):
            transaction.respond(488)
            return
        dialog = Dialog.begun_by_them(self.agent, transaction)
        body = sdp.answer(remote, agreement, HOST, media.port, 1, 1)
        media.agree(agreement)
        transaction.respond(200, headers=[("contact", self.agent.contact(transaction.flow.transport))], body=body)
        try:
            await self._speak(media)
        finally:
            media.close()
            if request.call_id in self._calls:
                with suppress(TimeoutError):
                    async with asyncio.timeout(GOODBYE):
                        await dialog.request("BYE")

    async def _speak(self, media: MediaStream) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        for begin in range(0, len(self._speech), FRAME):
            media.tick(self._speech[begin : begin + FRAME])
            due += TICK
            await asyncio.sleep(max(0.0, due - loop.time()))


async def all_that_is_said() -> Samples:
    """One call's sound, from the answer to the end."""
    voice = Voice(RATE)
    parts: list[Samples] = []
    for silence, text in SAID:
        parts.append(np.zeros(int(silence * RATE), np.int16))
        if text:
            parts.append((await voice.phrase(text)).samples)
    voice.close()
    whole = np.concatenate(parts)
    return np.pad(whole, (0, -len(whole) % FRAME)).astype(np.int16)


async def main() -> None:
    """Answer calls until told to end."""
    parser = argparse.ArgumentParser(prog="python -m parley.demo.telephone", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rtp-first", type=int, required=True, help=f"the first of {RTP_PORTS} ports for sound")
    options = parser.parse_args()
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    phone = AnsweringPhone(options.port, options.rtp_first, await all_that_is_said())
    await phone.agent.start()
    await over.wait()
    await phone.close()


if __name__ == "__main__":
    asyncio.run(main())
