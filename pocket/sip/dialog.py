"""Dialogs (RFC 3261, 12): what the two ends of a call remember of each other."""

import re
from typing import Self

from pocket.sip.agent import UserAgent
from pocket.sip.message import Headers, Request, Response
from pocket.sip.transactions import ClientTransaction, ServerTransaction
from pocket.sip.transport import Flow
from pocket.sip.uri import Address, SipError, Uri


class Dialog:
    """One call between us and a peer. `local` and `remote` are whole From/To values, with their tags."""

    def __init__(
        self, agent: UserAgent, *, call_id: str, local: str, remote: str, target: str, routes: list[str], flow: Flow
    ) -> None:
        self.agent, self.call_id, self.local, self.remote = agent, call_id, local, remote
        self.target, self.routes, self.flow = target, routes, flow
        self.allowed = ""
        """The methods that the peer says it knows."""
        self.local_number, self.remote_number = 0, -1
        """The CSeq of the last request each way."""

    @classmethod
    def begun_by_us(cls, agent: UserAgent, transaction: ClientTransaction, response: Response) -> Self:
        """The dialog of an INVITE of ours that was accepted."""
        request = transaction.request
        dialog = cls(
            agent,
            call_id=request.call_id,
            local=request.get("from") or "",
            remote=response.get("to") or "",
            target=request.uri,
            routes=list(reversed(response.listed("record-route"))),
            flow=transaction.flow,
        )
        dialog.local_number = request.cseq[0]
        dialog.refresh(response)
        return dialog

    @classmethod
    def begun_by_them(cls, agent: UserAgent, transaction: ServerTransaction) -> Self:
        """The dialog of an INVITE that we are about to accept."""
        request = transaction.request
        dialog = cls(
            agent,
            call_id=request.call_id,
            local=f"{request.get('to')};tag={transaction.to_tag}",
            remote=request.get("from") or "",
            target=request.from_.uri,
            routes=request.listed("record-route"),
            flow=transaction.flow,
        )
        dialog.remote_number = request.cseq[0]
        dialog.refresh(request)
        return dialog

    @property
    def key(self) -> tuple[str, str]:
        """Call-ID and our tag."""
        return self.call_id, Address.parse(self.local).tag

    def accepts(self, request: Request) -> bool:
        """Whether this is the peer of the dialog, and its newest request (RFC 3261, 12.2.2)."""
        if request.from_.tag != Address.parse(self.remote).tag or request.cseq[0] <= self.remote_number:
            return False
        self.remote_number = request.cseq[0]
        return True

    def refresh(self, message: Request | Response) -> None:
        """The peer says where it is and what it knows, in an INVITE or UPDATE and their answers."""
        self.target = message.contact or self.target
        self.allowed = ",".join(message.all("allow")).upper() or self.allowed

    def allows(self, method: str) -> bool:
        """Whether the peer said that it knows a method."""
        return method in re.split(r"[,\s]+", self.allowed)

    async def send(self, method: str, *, headers: Headers = (), body: bytes = b"") -> ClientTransaction:
        """Begin a request in the dialog. Raises `OSError` where the peer cannot be reached."""
        self.local_number += 1
        request = self._make(method, self.local_number)
        if method != "BYE":
            request.add("contact", self.agent.contact(self.flow.transport))
        request.extend(headers)
        if body:
            request.add("content-type", "application/sdp")
            request.body = body
        return self.agent.send(request, await self._next_hop())

    async def request(self, method: str, *, headers: Headers = (), body: bytes = b"") -> Response | None:
        """The final answer to a request in the dialog; None where the peer is silent or cannot be reached.

        That of an INVITE is acknowledged; what it or that of an UPDATE says of the peer is kept.
        """
        try:
            transaction = await self.send(method, headers=headers, body=body)
        except (OSError, SipError):
            return None
        response = await transaction.final()
        if response is not None and response.status < 300 and method in ("INVITE", "UPDATE"):
            self.refresh(response)
            if method == "INVITE":
                await self.acknowledge(transaction, response)
        return response

    async def acknowledge(self, transaction: ClientTransaction, response: Response) -> None:
        """ACK a 2xx to an INVITE of ours, and whenever it is repeated, for then our ACK was lost."""
        number = response.cseq[0]
        try:
            flow = await self._next_hop()
        except (OSError, SipError):
            return

        def send(_: Response) -> None:
            self.agent.send_ack(self._make("ACK", number), flow)

        transaction.on_late_success = send
        send(response)

    def _make(self, method: str, number: int) -> Request:
        request = Request(method=method, uri=self.target)
        request.extend(("route", route) for route in self.routes)
        request.add("from", self.local)
        request.add("to", self.remote)
        request.add("call-id", self.call_id)
        request.add("cseq", f"{number} {method}")
        return request

    async def _next_hop(self) -> Flow:
        """Along the route, else to the peer; over the stream that the call came by while that is open. The peer may say
        that it is anywhere: it leads us into no closed network, unless it speaks from there."""
        uri = Uri.parse(Address.parse(self.routes[0]).uri if self.routes else self.target)
        if self.flow.writer is not None and not self.flow.writer.is_closing():
            return self.flow
        return await self.agent.reach(uri, uri.transport or self.flow.transport, self.flow.host)
