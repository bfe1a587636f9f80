"""Calls to a phone: the room is joined first, then the phone rings, then both hear each other."""

import asyncio
import secrets
from contextlib import suppress
from typing import Final

from pocket.bridge import refreshing
from pocket.bridge.call import Call, House
from pocket.bridge.outcomes import CallFailedError, broken, refused, silent, unanswered
from pocket.bridge.participant import STATUS
from pocket.bridge.protobufs.rpc_sip_pb2 import InternalCreateSIPParticipantRequest as Asked
from pocket.bridge.seconds import seconds
from pocket.psrpc.errors import RpcError
from pocket.rtp import sdp
from pocket.rtp.keys import CryptoKey, make_keys
from pocket.rtp.ports import NoPort
from pocket.sip import digest
from pocket.sip.agent import UserAgent
from pocket.sip.dialog import Dialog
from pocket.sip.message import Request, Response
from pocket.sip.transactions import ALLOW, TIMEOUT, ClientTransaction
from pocket.sip.uri import Address, SipError, Uri, quote

RINGING: Final = 180.0
"""Seconds a phone may ring where nobody says."""
ATTEMPTS: Final = 3
"""INVITEs of one call: one that is challenged, one with credentials, one where the nonce was stale."""
_TRANSPORTS: Final = {0: "UDP", 1: "UDP", 2: "TCP", 3: "TLS"}
_ENCRYPTIONS: Final[tuple[sdp.Encryption, ...]] = ("disable", "allow", "require")


def target_of(asked: Asked) -> str:
    """The URI to call. Raises `RpcError` for what cannot be one."""
    if not asked.call_to or "@" in asked.call_to or asked.call_to.startswith(("sip:", "sips:", "tel:")):
        raise RpcError("invalid_argument", "SipCallTo should be a phone number or SIP user, not a full SIP URI")
    transport = _TRANSPORTS.get(asked.transport)
    suffix = f";transport={transport.lower()}" if transport and asked.transport else ""
    target = f"sip:{asked.call_to}@{asked.address}{suffix}"
    try:
        if transport is None or not asked.address:
            raise SipError("no transport or address")
        Uri.parse(target)
    except SipError:
        raise RpcError("invalid_argument", "the callee or the trunk's address is not one of SIP") from None
    return target


class Dialling:
    """One call out. `joined` and `answered` are what its caller may wait for; a failure is raised by both."""

    def __init__(self, call: Call, asked: Asked, token: str) -> None:
        self.call, self.asked, self.token = call, asked, token
        loop = asyncio.get_running_loop()
        self.joined: asyncio.Future[None] = loop.create_future()
        self.answered: asyncio.Future[None] = loop.create_future()
        self._house: House = call.house
        self._tag = secrets.token_hex(8)  # not the id of the call, which everybody in the room is shown
        self._transport = _TRANSPORTS[asked.transport]
        self._encryption = _ENCRYPTIONS[asked.media_encryption or asked.media.encryption]

    async def begin(self) -> None:
        """Join, ring, and connect. Raises `CallFailedError`."""
        try:
            await self._begin()
        except CallFailedError as failure:
            self._fail(failure.error)
            raise
        except BaseException:
            if self.call.dialog is not None and not self.answered.done():
                self.answered.set_result(None)  # somebody took it, and it was hung up at once
            self._fail(unanswered().error)  # what the official service says also of a call that was ended from inside
            raise

    def _fail(self, error: RpcError) -> None:
        for waited_for in (self.joined, self.answered):
            if not waited_for.done():
                waited_for.set_exception(error)
                waited_for.exception()  # nobody has to wait for both

    async def _begin(self) -> None:
        call, asked = self.call, self.asked
        try:
            attributes = {**asked.participant_attributes, STATUS: "dialing"}
            await call.participant.join(asked.ws_url or self._house.settings.livekit_url, self.token, attributes)
            await self._house.offer_transfer(call)
            self.joined.set_result(None)
            media = await call.open_media()
        except (OSError, NoPort) as error:
            raise broken(str(error)) from error
        offered = make_keys() if self._encryption != "disable" else ()
        call.description = sdp.offer(
            self._house.agent.host, media.port, crypto=offered or None, session_id=call.session_id, version=1
        )
        transaction, response = await self._invite()
        await self._accept(transaction, response, offered)
        self.answered.set_result(None)

    async def _invite(self) -> tuple[ClientTransaction, Response]:
        """Ring until somebody answers, with credentials where they are asked for."""
        asked, house = self.asked, self._house
        target = target_of(asked)
        request_id = secrets.token_hex(16)
        credentials: tuple[str, str] | None = None
        try:
            async with asyncio.timeout(seconds(asked.ringing_timeout) or RINGING):
                flow = await house.agent.reach(Uri.parse(target), self._transport)
                for number in range(1, ATTEMPTS + 1):
                    request = self._request(target, request_id, number, credentials)
                    transaction = house.agent.send(request, flow)
                    response = await self._ring(transaction)
                    if response.status < 300:
                        return transaction, response
                    if response.status not in (401, 407) or number == ATTEMPTS:
                        break
                    if credentials is not None and "stale=true" not in _challenge(response):
                        break
                    credentials = self._credentials(response, target)
        except TimeoutError:
            raise unanswered() from None
        except OSError as error:
            raise broken(f"the trunk cannot be reached: {error}") from error
        raise refused("INVITE failed", response.status, response.reason)

    async def _ring(self, transaction: ClientTransaction) -> Response:
        ringing = False
        try:
            while True:
                response = await transaction.next()
                if response is None:
                    raise silent()
                if response.status >= 200:
                    return response
                if response.status >= 180 and not ringing:
                    ringing = True
                    self.call.participant.note({STATUS: "ringing"})
        finally:
            if not transaction.finished:
                self._house.own(take_back(self._house.agent, transaction))

    def _request(self, target: str, call_id: str, number: int, credentials: tuple[str, str] | None) -> Request:
        asked, agent = self.asked, self._house.agent
        display = asked.display_name if asked.HasField("display_name") else asked.number
        request = Request(method="INVITE", uri=target)
        request.add("from", f"{quote(display)}<sip:{asked.number}@{asked.hostname or agent.host}>;tag={self._tag}")
        request.add("to", f"<{target}>")
        request.add("call-id", call_id)
        request.add("cseq", f"{number} INVITE")
        request.add("contact", agent.contact(self._transport))
        request.add("allow", ALLOW)
        request.add("supported", "timer")
        request.extend([credentials] if credentials else ())
        request.extend(sorted(asked.headers.items()))
        request.add("content-type", "application/sdp")
        request.body = self.call.description
        return request

    def _credentials(self, response: Response, target: str) -> tuple[str, str]:
        asked = self.asked
        if not asked.username or not asked.password:
            raise broken("sip server required auth, but no username or password was provided")
        header = "authorization" if response.status == 401 else "proxy-authorization"
        challenges = response.all("www-authenticate") + response.all("proxy-authenticate")
        for challenge in challenges:
            with suppress(SipError):
                return header, digest.answer(challenge, asked.username, asked.password, "INVITE", target)
        raise broken("no auth header that can be answered in sip invite response")

    async def _accept(self, transaction: ClientTransaction, response: Response, offered: tuple[CryptoKey, ...]) -> None:
        call, asked = self.call, self.asked
        dialog = call.dialog = Dialog.begun_by_us(self._house.agent, transaction, response)
        self._house.know(call)
        await dialog.acknowledge(transaction, response)
        refreshing.agree(call, response)
        try:
            call.agree(sdp.agree(sdp.parse(response.body), encryption=self._encryption, our_offer=offered))
        except sdp.SdpError as error:
            raise broken(f"the phone's media do not fit: {error}") from error
        assert call.media is not None
        call.headers_to_attributes = dict(asked.headers_to_attributes)
        call.attributes_to_headers = dict(asked.attributes_to_headers)
        call.include_headers = asked.include_headers
        call.longest = seconds(asked.max_call_duration) or call.longest
        names = {"sip.callIDFull": dialog.call_id, "sip.callTag": Address.parse(dialog.remote).tag}
        attributes = names | call.attributes_of(response)
        if asked.dtmf:
            await call.participant.tell({STATUS: "automation", **attributes})
            call.media.send_digits(asked.dtmf)
            while call.media.digits_pending:  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # the clock of all media
            attributes = {}
        await call.bridge(attributes)


def _challenge(response: Response) -> str:
    challenge = response.get("www-authenticate") or response.get("proxy-authenticate") or ""
    return challenge.lower().replace('"', "").replace(" ", "")


async def take_back(agent: UserAgent, transaction: ClientTransaction) -> None:
    """CANCEL an INVITE; hang up where the answer crossed it (RFC 3261, 9.1)."""
    transaction.cancel()
    try:
        async with asyncio.timeout(2 * TIMEOUT):
            response = await transaction.final()
    except TimeoutError:
        transaction.abandon()
        return
    if response is not None and response.status < 300:
        dialog = Dialog.begun_by_us(agent, transaction, response)
        await dialog.acknowledge(transaction, response)
        await dialog.request("BYE")
