"""A user agent: the sockets, and which transaction a message belongs to."""

import secrets
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from pocket.networks import Network
from pocket.sip.admission import Admission, Rate
from pocket.sip.message import Request, parse
from pocket.sip.transactions import ClientTransaction, ServerTransaction
from pocket.sip.transport import Flow, Transports
from pocket.sip.uri import SipError, Uri

log = structlog.get_logger()

MOST_TRANSACTIONS: Final = 20_000
COOKIE: Final = "z9hG4bK"
"""How branches of RFC 3261 begin."""


@dataclass(frozen=True)
class Listening:
    """Where a user agent listens, and the address it tells others. Port 0: any; no `tls_port` without a context."""

    host: str
    port: int
    advertised: str = ""
    tls_port: int = 0
    tls: ssl.SSLContext | None = None
    client_tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)


class UserAgent:
    """Sends requests, and hands those of others to `on_request`, each once."""

    def __init__(
        self,
        address: Listening,
        on_request: Callable[[Request, ServerTransaction], None],
        *,
        each: Rate = Rate(50, 100),  # noqa: B008 - a value
        together: Rate = Rate(200, 400),  # noqa: B008
        closed: Sequence[Network] = (),
    ) -> None:
        """Nothing that it begins goes to an address of a `closed` network."""
        self.address, self.port, self._closed = address, address.port, closed
        self.counters: Counter[str] = Counter()
        self._on_request = on_request
        self._admission = Admission(each, together)
        self._transports = Transports(self._receive, client_tls=address.client_tls)
        self._ours: dict[tuple[str, str], ClientTransaction] = {}
        self._theirs: dict[tuple[str, ...], ServerTransaction] = {}
        self._unacknowledged: dict[tuple[str, int, str], ServerTransaction] = {}

    async def start(self) -> None:
        """Open the sockets. Raises `OSError`."""
        address = self.address
        self.port = await self._transports.listen(
            address.host, address.port, tls_port=address.tls_port, tls=address.tls
        )

    async def close(self) -> None:
        """Close the sockets."""
        await self._transports.close()

    @property
    def host(self) -> str:
        """The address others are told."""
        return self.address.advertised or self.address.host

    def contact(self, transport: str) -> str:
        """How to reach us over a transport, as a Contact."""
        port = self.address.tls_port if transport == "TLS" else self.port
        suffix = "" if transport == "UDP" else f";transport={transport.lower()}"
        return f"<sip:{self.host}:{port}{suffix}>"

    async def reach(self, uri: Uri, transport: str, known: str = "") -> Flow:
        """A way to whom a URI names. In a closed network only the `known` address is reached: we are spoken to from it.

        Raises `OSError`.
        """
        port = uri.port or (5061 if transport == "TLS" else 5060)
        return await self._transports.reach(transport, uri.host, port, self._closed, known)

    def send(self, request: Request, flow: Flow) -> ClientTransaction:
        """Send a request. Its Via and Max-Forwards are added."""
        branch = self._route(request, flow)
        transaction = ClientTransaction(self, request, branch, flow)
        self._ours[branch, request.method] = transaction
        transaction.start()
        return transaction

    def send_ack(self, request: Request, flow: Flow) -> None:
        """Send an ACK of a 2xx, which is no transaction."""
        self._route(request, flow)
        self.transmit(request.encode(), flow)

    def _route(self, request: Request, flow: Flow) -> str:
        branch = COOKIE + secrets.token_hex(12)
        port = self.address.tls_port if flow.transport == "TLS" else self.port
        request.headers.insert(0, ("via", f"SIP/2.0/{flow.transport} {self.host}:{port};rport;branch={branch}"))
        request.add("max-forwards", 70)
        return branch

    # What transactions ask for.

    def transmit(self, data: bytes, flow: Flow) -> None:
        """Send bytes, without waiting."""
        self._transports.send(data, flow)

    def forget(self, transaction: ClientTransaction | ServerTransaction) -> None:
        """Drop a transaction that is over."""
        if isinstance(transaction, ClientTransaction):
            self._ours.pop((transaction.branch, transaction.method), None)
        else:
            self._theirs.pop(transaction.key, None)
            self._unacknowledged.pop(_acknowledged_by(transaction), None)

    def begin_cancel(self, transaction: ClientTransaction) -> None:
        """Take answers to a CANCEL, which has the branch of its INVITE."""
        self._ours[transaction.branch, transaction.method] = transaction

    def expect_ack(self, transaction: ServerTransaction) -> None:
        """Take the ACK of an INVITE that was accepted."""
        self._unacknowledged[_acknowledged_by(transaction)] = transaction

    # What comes in.

    def _receive(self, data: bytes, flow: Flow) -> bool:
        """Whether it was SIP. Of what it was not, only the number is kept: a stranger chose the words."""
        self.counters["received"] += 1
        if not data.strip(b"\r\n\0"):
            return True
        if not self._admission.admits(data, flow.host):
            self.counters["refused"] += 1
            return True
        try:
            message = parse(data)
            branch = message.via.branch
            if isinstance(message, Request):
                self._request(message, flow)
            else:
                transaction = self._ours.get((branch, message.cseq[1]))
                if transaction is None:
                    self.counters["orphans"] += 1
                else:
                    transaction.received(message)
        except SipError:
            self.counters["malformed"] += 1
            return False
        except Exception:
            log.exception("a SIP message could not be handled")
        return True

    def _request(self, request: Request, flow: Flow) -> None:
        key = _key(request)
        known = self._theirs.get((*key, "INVITE" if request.method == "ACK" else request.method))
        if request.method == "ACK":
            number, _ = request.cseq
            accepted = self._unacknowledged.get((request.call_id, number, request.to.tag))
            if accepted is not None:
                accepted.acknowledged()
            elif known is not None:
                known.acknowledged()
            return
        if known is not None:
            self.counters["repeated"] += 1
            known.repeated()
            return
        if len(self._theirs) >= MOST_TRANSACTIONS:
            self.counters["refused"] += 1
            return
        transaction = ServerTransaction(self, (*key, request.method), request, _answering(flow, request))
        self._theirs[transaction.key] = transaction
        if request.method == "CANCEL":
            invite = self._theirs.get((*key, "INVITE"))
            if invite is None:
                transaction.refuse(481)
            else:
                transaction.respond(200)
                invite.cancelled()
            return
        self._on_request(request, transaction)


def _key(request: Request) -> tuple[str, ...]:
    """What the messages of a transaction share (RFC 3261, 17.2.3; for older peers without a cookie their tags)."""
    via = request.via
    sender = via.host, str(via.port or "")
    if via.branch.startswith(COOKIE):
        return via.branch, *sender
    return f"{request.call_id} {request.cseq[0]} {request.from_.tag}", *sender


def _acknowledged_by(transaction: ServerTransaction) -> tuple[str, int, str]:
    return transaction.request.call_id, transaction.request.cseq[0], transaction.to_tag


def _answering(flow: Flow, request: Request) -> Flow:
    """Where the answer goes: over the stream, to the port it came from if it asks so (RFC 3581), else to its Via's."""
    via = request.via
    if flow.reliable or "rport" in via.parameters:
        return flow
    return Flow(flow.transport, flow.host, via.port or 5060)
