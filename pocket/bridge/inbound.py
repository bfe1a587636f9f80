"""Calls from a phone: livekit-server says who may call, and where to; it rings until somebody there can be heard."""

import asyncio
import re
from typing import Final, TypeVar

import structlog
from google.protobuf.message import Message as Protobuf
from livekit.protocol.room import RoomConfiguration
from livekit.protocol.sip import SIPUri

from pocket.bridge import refreshing
from pocket.bridge.call import Call, Ending
from pocket.bridge.participant import STATUS
from pocket.bridge.protobufs import rpc_sip_pb2 as rpc
from pocket.bridge.seconds import seconds
from pocket.bridge.tokens import make_token
from pocket.bridge.tones import silence, tone
from pocket.psrpc import Client, RpcError
from pocket.rtp import sdp
from pocket.rtp.ports import NoPort
from pocket.sip.dialog import Dialog
from pocket.sip.digest import Challenges
from pocket.sip.transactions import ServerTransaction
from pocket.sip.uri import Address, SipError, Uri

log = structlog.get_logger()

RINGING: Final = 180.0
"""Seconds it rings where nobody says."""
RING_AGAIN: Final = 10.0
"""Seconds between provisional answers: proxies forget calls they do not hear of."""
REALM: Final = "LiveKit"
LONGEST_PIN, PIN_WITHIN = 16, 30.0
WRONG_TONE: Final = 0.6
KEYS: Final = 64
"""Digits that may wait to be looked at."""
LONGEST_CALLER: Final = 64
_UNNAMEABLE: Final = re.compile(r"[^A-Za-z0-9+._-]")


Answer = TypeVar("Answer", bound=Protobuf)


class RefusedError(Exception):
    """The call is answered with a final status before it began; 0: with nothing at all."""

    def __init__(self, status: int, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(status)
        self.status, self.headers = status, headers


class Ringing:
    """One call in, from its INVITE until both hear each other."""

    def __init__(self, call: Call, transaction: ServerTransaction, server: Client, challenges: Challenges) -> None:
        self.call, self.transaction, self._server, self._challenges = call, transaction, server, challenges
        self._house = call.house
        call.peer = transaction.flow.host
        transaction.on_cancel = lambda: call.end(Ending(said=True))
        transaction.on_unacknowledged = lambda: call.end(Ending())

    async def begin(self) -> None:
        """Ask, ring, answer. The transaction has its final answer afterwards, also where this is cancelled."""
        transaction = self.transaction
        try:
            await self._begin()
        except RefusedError as refusal:
            if refusal.status:
                transaction.respond(refusal.status, headers=refusal.headers)
            else:
                transaction.drop()
            self.call.end(Ending(said=self.call.dialog is None))
        except (OSError, NoPort):
            log.warning("a call could not be taken", call=self.call.id)
            transaction.respond(503, headers=[("retry-after", "5")])
            self.call.end(Ending())
        finally:
            # Cancelled: by the caller, or because its participant was removed from the room.
            transaction.respond(487 if self.call.cancelled else 486)

    async def _begin(self) -> None:
        call, transaction = self.call, self.transaction
        described = self._describe()
        trunk = await self._authenticate(described)
        transaction.respond(180)
        asked = rpc.EvaluateSIPDispatchRulesRequest(
            sip_trunk_id=trunk.sip_trunk_id,
            call=described,
            sip_call_id=call.id,
            src_address=described.source_ip,
            calling_number=getattr(described, "from").user,
            calling_host=getattr(described, "from").host,
            called_number=described.to.user,
            called_host=described.to.host,
        )
        rule = await self._evaluate(asked)
        if rule.result in (rpc.SIPDispatchResult.DROP, rpc.SIPDispatchResult.REJECT):
            raise RefusedError(404)  # the official service drops it in silence: callers would ring on
        await self._describe_media(rule)
        if rule.result == rpc.SIPDispatchResult.REQUEST_PIN or (
            rule.result == rpc.SIPDispatchResult.LEGACY_ACCEPT_OR_PIN and rule.request_pin
        ):
            self._answer(())
            rule = await self._ask_pin(asked)
        await self._enter(rule)
        if transaction.status < 200:
            await self._ring(seconds(rule.ringing_timeout) or RINGING)
            self._answer(tuple(rule.headers.items()))
        await call.bridge({})

    def _describe(self) -> rpc.SIPCall:
        request = self.transaction.request
        try:
            called, caller, to = (Uri.parse(text) for text in (request.uri, request.from_.uri, request.to.uri))
        except SipError:
            raise RefusedError(400) from None
        caller_tag = request.from_.tag
        said = f"{request.uri}{request.from_.uri}{caller_tag}{request.to.uri}{request.call_id}"
        if not caller_tag or not said.isprintable():  # LiveKit takes no bytes that are not UTF-8
            raise RefusedError(400)
        unknown = [word for word in re.split(r"[,\s]+", ",".join(request.all("require"))) if word not in ("", "timer")]
        if unknown:
            raise RefusedError(420, (("unsupported", ", ".join(unknown)),))
        described = rpc.SIPCall(
            lk_call_id=self.call.id,
            source_ip=self.transaction.flow.host,
            address=_uri(called),
            to=_uri(to),
            sip_call_id=request.call_id,
        )
        getattr(described, "from").CopyFrom(_uri(caller))
        # LiveKit makes names of rooms and people of it, which others put into paths.
        getattr(described, "from").user = _UNNAMEABLE.sub("_", caller.user)[:LONGEST_CALLER] or "anonymous"
        return described

    async def _authenticate(self, described: rpc.SIPCall) -> rpc.GetSIPTrunkAuthenticationResponse:
        caller = getattr(described, "from")
        asked = rpc.GetSIPTrunkAuthenticationRequest(
            call=described,
            sip_call_id=self.call.id,
            src_address=described.source_ip,
            to=described.to.user,
            to_host=described.to.host,
            from_host=caller.host,
        )
        setattr(asked, "from", caller.user)
        trunk = await self._ask("GetSIPTrunkAuthentication", asked, rpc.GetSIPTrunkAuthenticationResponse)
        if trunk.drop:
            raise RefusedError(0)
        if trunk.error_code:
            missing = rpc.SIPTrunkAuthenticationError.SIP_TRUNK_AUTH_ERROR_NO_TRUNK_FOUND
            raise RefusedError(404 if trunk.error_code == missing else 503)
        if trunk.username and trunk.password:
            self._prove(trunk)
        return trunk

    def _prove(self, trunk: rpc.GetSIPTrunkAuthenticationResponse) -> None:
        request, realm = self.transaction.request, trunk.realm or REALM
        proof = request.get("proxy-authorization")
        if proof is None or not self._challenges.is_fresh(proof, request.call_id):
            challenge = self._challenges.make(realm, request.call_id)
            raise RefusedError(407, (("proxy-authenticate", challenge),))
        if not self._challenges.is_right(proof, realm, trunk.username, trunk.password, request.method):
            self._house.agent.counters["wrong_passwords"] += 1
            raise RefusedError(403)

    async def _evaluate(self, asked: rpc.EvaluateSIPDispatchRulesRequest) -> rpc.EvaluateSIPDispatchRulesResponse:
        return await self._ask("EvaluateSIPDispatchRules", asked, rpc.EvaluateSIPDispatchRulesResponse)

    async def _ask(self, method: str, asked: Protobuf, answer: type[Answer]) -> Answer:
        try:
            return await self._server.request(method, asked, answer)
        except RpcError as error:
            log.warning("livekit-server does not say what to do with a call", method=method, code=error.code)
            raise RefusedError(503, (("retry-after", "5"),)) from error

    async def _describe_media(self, rule: rpc.EvaluateSIPDispatchRulesResponse) -> None:
        call, house = self.call, self._house
        encryption: sdp.Encryption = ("disable", "allow", "require")[rule.media.encryption]
        try:
            remote = sdp.parse(self.transaction.request.body)
            agreement = sdp.agree(remote, encryption=encryption)
            self.call.demand_open(agreement)
        except sdp.SdpError as error:
            raise RefusedError(488) from error
        least, interval = house.settings.least_session_interval, refreshing.interval_of(self.transaction.request)
        if interval is not None and interval < least:
            raise RefusedError(422, (("min-se", str(least)),))
        media = await call.open_media()
        call.description = sdp.answer(remote, agreement, house.agent.host, media.port, call.session_id, call.version)
        self._agreement = agreement
        call.headers_to_attributes = dict(rule.headers_to_attributes)
        call.attributes_to_headers = dict(rule.attributes_to_headers)
        call.include_headers = rule.include_headers
        call.longest = seconds(rule.max_call_duration) or call.longest

    def _answer(self, headers: tuple[tuple[str, str], ...]) -> None:
        call, transaction = self.call, self.transaction
        call.agree(self._agreement)
        call.dialog = Dialog.begun_by_them(self._house.agent, transaction)
        self._house.know(call)
        contact = self._house.agent.contact(transaction.flow.transport)
        timer = refreshing.accept(call, transaction.request)
        transaction.respond(200, headers=[("contact", contact), *timer, *headers], body=call.description)

    async def _enter(self, rule: rpc.EvaluateSIPDispatchRulesResponse) -> None:
        call, request = self.call, self.transaction.request
        attributes = {
            **rule.participant_attributes,
            "sip.callIDFull": request.call_id,
            "sip.callTag": Address.parse(request.get("from") or "").tag,
            STATUS: "active" if self.transaction.status >= 200 else "ringing",
            **call.attributes_of(request),
        }
        configuration = None
        if rule.HasField("room_config"):
            configuration = RoomConfiguration.FromString(rule.room_config.SerializeToString())
        token = rule.token or make_token(
            self._house.settings,
            room=rule.room_name,
            identity=rule.participant_identity,
            name=rule.participant_name,
            metadata=rule.participant_metadata,
            attributes=attributes,
            preset=rule.room_preset,
            configuration=configuration,
        )
        await call.participant.join(rule.ws_url or self._house.settings.livekit_url, token, attributes)
        await self._house.offer_transfer(call)
        call.participant.listen()

    async def _ring(self, within: float) -> None:
        try:
            async with asyncio.timeout(within):
                while True:
                    try:
                        async with asyncio.timeout(RING_AGAIN):
                            await self.call.participant.accompanied.wait()
                            return
                    except TimeoutError:
                        self.transaction.respond(180)
        except TimeoutError:
            raise RefusedError(480) from None

    async def _ask_pin(self, asked: rpc.EvaluateSIPDispatchRulesRequest) -> rpc.EvaluateSIPDispatchRulesResponse:
        """Two tones ask, `#` ends. A wrong PIN is told by a low tone and the end of the call."""
        call = self.call
        assert call.media is not None
        rate = call.media.sample_rate
        call.keys = asyncio.Queue(KEYS)
        for sound in (tone(600, 0.2, rate), silence(0.2, rate)) * 2:
            call.play(sound)
        digits = ""
        try:
            async with asyncio.timeout(PIN_WITHIN):
                while (key := await call.keys.get()) != "#" and len(digits) < LONGEST_PIN:
                    digits += key
            asked.pin, asked.no_pin = digits, not digits
            rule = await self._evaluate(asked)
            accepted = rule.result in (rpc.SIPDispatchResult.ACCEPT, rpc.SIPDispatchResult.LEGACY_ACCEPT_OR_PIN)
            if accepted and rule.room_name and not rule.request_pin:
                call.keys = None
                return rule
        except TimeoutError:
            pass
        call.play(tone(300, WRONG_TONE, rate))
        await asyncio.sleep(WRONG_TONE + 0.1)
        call.end(Ending())
        raise RefusedError(403)


def _uri(uri: Uri) -> SIPUri:
    return SIPUri(user=uri.user, host=uri.host, port=uri.port or 0)
