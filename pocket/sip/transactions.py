"""Transactions (RFC 3261, 17): requests are repeated until they are answered, and answered once."""

import asyncio
import re
import secrets
from collections.abc import Callable
from typing import Final, Protocol

from pocket.sip.message import Headers, Request, Response
from pocket.sip.transport import Flow

T1, T2, T4 = 0.5, 4.0, 5.0
"""Seconds: a round trip, the longest pause between repeats, how long a message may live in the network."""
TIMEOUT: Final = 64 * T1
"""Seconds after which a silent peer is given up (timers B, F, H)."""
ALLOW: Final = "INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, OPTIONS, INFO, UPDATE"
MOST_RESPONSES: Final = 64
"""Provisional answers that may wait to be read; more of them say nothing new."""


class Wire(Protocol):
    """What transactions need of the user agent."""

    def transmit(self, data: bytes, flow: Flow) -> None:
        """Send, without waiting."""

    def forget(self, transaction: "ClientTransaction | ServerTransaction") -> None:
        """The transaction is over: messages of it belong to nothing."""

    def begin_cancel(self, transaction: "ClientTransaction") -> None:
        """Take answers to a CANCEL."""

    def expect_ack(self, transaction: "ServerTransaction") -> None:
        """An INVITE was accepted: its ACK comes outside of the transaction."""


class _Repeater:
    """Sends the same bytes again at growing intervals, until stopped or for `TIMEOUT` seconds."""

    def __init__(self, again: Callable[[], None], *, longest: float, gave_up: Callable[[], None]) -> None:
        self._again, self._longest, self._gave_up = again, longest, gave_up
        self._pause, self._spent = T1, 0.0
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._handle = asyncio.get_running_loop().call_later(self._pause, self._fire)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()

    def _fire(self) -> None:
        self._spent += self._pause
        if self._spent >= TIMEOUT - 0.001:
            self._gave_up()
            return
        self._again()
        self._pause = min(self._pause * 2, self._longest, TIMEOUT - self._spent)
        self.start()


class ClientTransaction:
    """A request of ours and its answers.

    `on_late_success` gets 2xx answers that come after the first final one: they want an ACK (RFC 3261, 13.2.2.4).
    """

    def __init__(self, wire: Wire, request: Request, branch: str, flow: Flow) -> None:
        self.request, self.branch, self.flow = request, branch, flow
        self.on_late_success: Callable[[Response], None] | None = None
        self.proceeding = self.finished = False
        self._wire, self._data = wire, request.encode()
        self._responses: asyncio.Queue[Response | None] = asyncio.Queue()
        self._cancelling = False
        inviting = request.method == "INVITE"
        self._repeater = _Repeater(self._again, longest=TIMEOUT if inviting else T2, gave_up=self._give_up)

    @property
    def method(self) -> str:
        """The request's method."""
        return self.request.method

    def start(self) -> None:
        """Send the request."""
        self._wire.transmit(self._data, self.flow)
        self._repeater.start()

    async def next(self) -> Response | None:
        """The next answer; None where the peer stayed silent, after which there are no more."""
        return await self._responses.get()

    async def final(self) -> Response | None:
        """The answer that ends the transaction; None where the peer stayed silent."""
        while True:
            response = await self.next()
            if response is None or response.status >= 200:
                return response

    def cancel(self) -> None:
        """Take an INVITE back, as soon as the peer has shown that it knows of it (RFC 3261, 9.1)."""
        if self.finished or self._cancelling:
            return
        self._cancelling = True
        if self.proceeding:
            self._send_cancel()

    def received(self, response: Response) -> None:
        """An answer came in."""
        if response.status < 200:
            if self.finished:
                return
            if self.method == "INVITE":
                self._repeater.stop()  # how long it may ring is for the caller to say
            if self._cancelling and not self.proceeding:
                self._send_cancel()
            self.proceeding = True
            if self._responses.qsize() < MOST_RESPONSES:
                self._responses.put_nowait(response)
            return
        if self.method == "INVITE" and response.status >= 300:
            self._acknowledge(response)
        if self.finished:
            if response.status < 300 and self.on_late_success is not None:
                self.on_late_success(response)
            return
        self._finish(response, linger=TIMEOUT if self.method == "INVITE" else T4)

    def abandon(self) -> None:
        """Nobody waits for the answer any more."""
        if not self.finished:
            self._finish(None, linger=0)

    def _again(self) -> None:
        if not self.flow.reliable:
            self._wire.transmit(self._data, self.flow)

    def _give_up(self) -> None:
        self._finish(None, linger=0)

    def _finish(self, response: Response | None, *, linger: float) -> None:
        self.finished = True
        self._repeater.stop()
        self._responses.put_nowait(response)
        asyncio.get_running_loop().call_later(linger, self._wire.forget, self)

    def _companion(self, method: str, to: str) -> Request:
        """A CANCEL, or the ACK of a refusal: parts of the INVITE's transaction, with its Via and route."""
        request = Request(method=method, uri=self.request.uri)
        request.add("via", self.request.get("via"))
        request.extend(("route", route) for route in self.request.all("route"))
        request.add("from", self.request.get("from"))
        request.add("to", to)
        request.add("call-id", self.request.call_id)
        request.add("cseq", f"{self.request.cseq[0]} {method}")
        request.add("max-forwards", 70)
        return request

    def _acknowledge(self, response: Response) -> None:
        self._wire.transmit(self._companion("ACK", response.get("to") or "").encode(), self.flow)

    def _send_cancel(self) -> None:
        cancel = self._companion("CANCEL", self.request.get("to") or "")
        transaction = ClientTransaction(self._wire, cancel, self.branch, self.flow)
        self._wire.begin_cancel(transaction)  # nobody waits for its answer: the INVITE's 487 says what became of it
        transaction.start()


class ServerTransaction:
    """A request of theirs and our answer, which is repeated as often as the request is.

    `on_cancel` is called when they take an INVITE back; `on_unacknowledged` when a 2xx of ours never reached them.
    """

    def __init__(self, wire: Wire, key: tuple[str, ...], request: Request, flow: Flow) -> None:
        self.key, self.request, self.flow = key, request, flow
        self.on_cancel: Callable[[], None] | None = None
        self.on_unacknowledged: Callable[[], None] | None = None
        self.to_tag = request.to.tag or secrets.token_hex(8)
        self.status = 0
        """The last status that was sent; 0 before any."""
        self.dropped = False
        self._wire, self._last = wire, b""
        self._repeater: _Repeater | None = None

    def respond(self, status: int, *, reason: str = "", headers: Headers = (), body: bytes = b"") -> None:
        """Answer. After a final answer there are no others; `body` is SDP."""
        if self.status >= 200 or self.dropped:
            return
        self._last, self.status = self._make(status, reason, headers, body).encode(), status
        self._wire.transmit(self._last, self.flow)
        if status < 200:
            return
        loop = asyncio.get_running_loop()
        if self.request.method == "INVITE":
            if status < 300:
                self._wire.expect_ack(self)
            if status < 300 or not self.flow.reliable:
                self._repeater = _Repeater(self._again, longest=T2, gave_up=self._gave_up)
                self._repeater.start()
        loop.call_later(TIMEOUT, self._wire.forget, self)

    def refuse(self, status: int) -> None:
        """Answer a request that belongs to nothing, and forget it: strangers could send more than we can remember."""
        self._wire.transmit(self._make(status, "", (), b"").encode(), self.flow)
        self.dropped = True
        self._wire.forget(self)

    def drop(self) -> None:
        """Never answer: whoever sent this is not worth a datagram."""
        self.dropped = True
        asyncio.get_running_loop().call_later(TIMEOUT, self._wire.forget, self)

    def repeated(self) -> None:
        """The request came again."""
        if self._last:
            self._again()

    def acknowledged(self) -> None:
        """The ACK came."""
        if self._repeater is not None:
            self._repeater.stop()

    def cancelled(self) -> None:
        """The CANCEL came."""
        if self.status < 200 and self.on_cancel is not None:
            self.on_cancel()

    def _again(self) -> None:
        self._wire.transmit(self._last, self.flow)

    def _gave_up(self) -> None:
        if self.status < 300 and self.on_unacknowledged is not None:
            self.on_unacknowledged()

    def _make(self, status: int, reason: str, headers: Headers, body: bytes) -> Response:
        response = Response(status=status, reason=reason)
        first, *others = self.request.all("via")
        response.add("via", _received(first, self.flow))
        response.extend(("via", via) for via in others)
        response.extend(("record-route", route) for route in self.request.all("record-route"))
        response.add("from", self.request.get("from"))
        to = self.request.get("to") or ""
        response.add("to", to if status == 100 or self.request.to.tag else f"{to};tag={self.to_tag}")
        response.add("call-id", self.request.call_id)
        response.add("cseq", self.request.get("cseq"))
        response.extend(headers)
        response.add("allow", ALLOW)
        if body:
            response.add("content-type", "application/sdp")
            response.body = body
        return response


def _received(via: str, flow: Flow) -> str:
    """A Via with where its request really came from (RFC 3581)."""
    if flow.reliable:
        return via
    top, comma, rest = via.partition(",")
    top = re.sub(r";\s*rport(?=\s*(;|$))", f";rport={flow.port}", top)
    return f"{top};received={flow.host}{comma}{rest}"
