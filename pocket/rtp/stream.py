"""The media of one call: a UDP port, whom it listens to, and 20 ms in each direction at a time."""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Final

from pocket.rtp.codecs import CODECS, Samples
from pocket.rtp.counters import Counters
from pocket.rtp.packet import parse
from pocket.rtp.ports import Ports
from pocket.rtp.receiving import Receiver
from pocket.rtp.sdp import NOWHERE, TELEPHONE_EVENT, Agreement
from pocket.rtp.sending import Sender
from pocket.rtp.srtp import Srtp

TICK_BYTES: Final = 400
"""What may come in 20 ms for long: twice what the smallest packets need, of 10 ms and encrypted."""
MOST_BYTES: Final = 10_000
"""What may come at once, after the network stood still: a second."""

Address = tuple[str, int]


class MediaStream(asyncio.DatagramProtocol):
    """Made by `open`, told what to do by `agree`, driven by `tick`, ended by `close`.

    Listens to nobody but the address of the agreement. A far end behind a translator of ports may speak from another
    port than it named: the first packet decides, then only a new address in an agreement opens the choice again.
    """

    def __init__(
        self,
        ports: Ports,
        bound: socket.socket,
        local: Address,
        on_audio: Callable[[Samples], None],
        on_digit: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self.address, self.port = local
        self.counters = Counters()
        self.heard_at: float | None = None
        """When the last valid packet came, by the monotonic clock."""
        self._ports, self._socket, self._clock = ports, bound, clock
        self._receiver = Receiver(self.counters, on_audio, on_digit)
        self._sender = Sender()
        self._transport: asyncio.BaseTransport | None = None
        self._agreement: Agreement | None = None
        self._named: Address | None = None
        self._remote: Address | None = None
        self._locked = False
        self._srtp: Srtp | None = None
        self._credit = MOST_BYTES

    @classmethod
    async def open(
        cls,
        ports: Ports,
        address: str,
        *,
        on_audio: Callable[[Samples], None],
        on_digit: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> "MediaStream":
        """Bind a port. `NoPort` where none is left.

        `on_audio` gets arrays of int16 at `sample_rate`, in order as they arrive, each a multiple of 10 ms; `on_digit`
        gets each digit once. Both are called on the event loop, must not block and must not raise.
        """
        bound, port = ports.bind(address)
        stream = cls(ports, bound, (address, port), on_audio, on_digit, clock)
        # Cancelled meanwhile, asyncio closes the socket all the same and calls `connection_lost`.
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: stream, sock=bound)
        return stream

    @property
    def sample_rate(self) -> int:
        """Samples per second, of both directions; before an agreement that of our first choice."""
        return self._agreement.codec.sample_rate if self._agreement else CODECS[0].sample_rate

    @property
    def held(self) -> bool:
        """Whether the far end wants to hear nothing at present."""
        return self._agreement is not None and not self._agreement.send

    @property
    def digits_pending(self) -> bool:
        """Whether digits or pauses are still to be sent."""
        return self._sender.digits.busy

    def agree(self, agreement: Agreement) -> None:
        """Do as agreed, for the first time or anew; from now on frames are of the new `sample_rate`."""
        self._agreement = agreement
        named = (agreement.address, agreement.port)
        if agreement.address != NOWHERE and named != self._named:
            self._named = self._remote = named
            self._locked = False
        if agreement.srtp is None:
            self._srtp = None
        elif self._srtp is None:
            self._srtp = Srtp(*agreement.srtp)
        else:
            self._srtp.use(*agreement.srtp)
        # One who answered with a number of its own for digits still sends them under the number of our offer.
        events = {TELEPHONE_EVENT}
        if agreement.telephone_event is not None:
            events.add(agreement.telephone_event)
        self._receiver.use(agreement.codec, events, audible=agreement.receive)
        self._sender.use(agreement.codec, agreement.telephone_event)

    def send_digits(self, text: str) -> None:
        """Queue `0-9*#A-D` and pauses of half a second (`w`). Dropped where the far end takes no events."""
        self._sender.digits.push(text)

    def tick(self, pcm: Samples | None) -> None:
        """Let 20 ms pass: send one packet, with digits if there are any, else with `pcm` (20 ms; None is silence).

        `ValueError` where `pcm` is not 20 ms of int16 at `sample_rate`.
        """
        if self._agreement is None or self._transport is None:
            return
        self._credit = min(MOST_BYTES, self._credit + TICK_BYTES)
        self._receiver.tick(self._clock())
        if self._remote is None or self.held:
            self._sender.skip()
            return
        datagram = self._sender.step(pcm)
        if self._srtp is not None:
            datagram = self._srtp.protect(datagram)
        try:
            self._socket.sendto(datagram, self._remote)  # not by the transport: late audio must not queue up
        except OSError:
            self.counters.unsent += 1
        else:
            self.counters.sent += 1

    def close(self) -> None:
        """End the stream; its port is free once the socket is closed, on the next turn of the loop."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by asyncio."""
        self._transport = None
        self._ports.release(self.port)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Called by asyncio, for whatever anybody sends."""
        if self._named is None or (addr != self._remote and (self._locked or addr[0] != self._named[0])):
            self.counters.stranger += 1
            return
        if self._credit < len(data):
            self.counters.flood += 1
            return
        self._credit -= len(data)
        datagram = self._srtp.unprotect(data) if self._srtp else data
        if datagram is None:
            self.counters.unauthentic += 1
            return
        packet = parse(datagram)
        if packet is None:
            self.counters.malformed += 1
            return
        if not self._receiver.accepts(packet):
            return
        self._remote, self._locked = addr, True
        now = self._clock()
        self.heard_at = now
        self.counters.received += 1
        self._receiver.take(packet, now)
