"""Phones behind a seam: what is asked of LiveKit's SIP API, in this library's words."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import aiohttp
from google.protobuf.duration_pb2 import Duration
from livekit import api

from sip.outcomes import ANSWERED, Outcome, of_status

T = TypeVar("T")

_UNSENT = ("invalid_argument", "not_found", "permission_denied", "unauthenticated")
"""What LiveKit answers, without a SIP status, to what it passes on to nobody."""

_TRANSPORTS = {
    "udp": api.SIPTransport.SIP_TRANSPORT_UDP,
    "tcp": api.SIPTransport.SIP_TRANSPORT_TCP,
    "tls": api.SIPTransport.SIP_TRANSPORT_TLS,
}


class SipAwayError(Exception):
    """LiveKit or its SIP service cannot be reached; nothing was sent to a carrier."""


class SipRefusedError(Exception):
    """LiveKit does not take what was asked; the text says why."""


class NumberTakenError(SipRefusedError):
    """Another inbound trunk has the number; the text names that trunk, and is for the log alone."""


@dataclass(frozen=True, slots=True)
class OutgoingCall:
    """A call to place. `ringing` and `longest` are seconds."""

    trunk_id: str
    number: str
    caller_id: str
    room: str
    identity: str
    ringing: float
    longest: float
    name: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    keys: str = field(default="", repr=False)
    """Pressed as soon as it is answered; `w` is half a second of nothing."""
    host: str = ""
    """`host[:port]` that is called instead of the trunk's address, without its credentials."""


@dataclass(frozen=True, slots=True)
class Carrier:
    """A carrier's line: where calls are sent to, and how it knows us. `key` is what we call it."""

    key: str
    name: str
    number: str
    address: str
    transport: str
    username: str = ""
    password: str = field(default="", repr=False)
    allowed_addresses: tuple[str, ...] = ()
    longest: float = 0.0
    """Seconds that a call of this carrier to us may last; 0: as long as the SIP service lets it."""


@dataclass(frozen=True, slots=True)
class Line:
    """Who answers calls to a carrier's number: each gets a room `<room_prefix>_<caller>_<random>` with an agent."""

    room_prefix: str
    agent_name: str
    agent_metadata: str = field(repr=False)


class Dialer(Protocol):
    """Trunks and calls. Raises `SipAwayError` and `SipRefusedError`."""

    async def open_trunk(self, carrier: Carrier, trunk_id: str | None) -> str:
        """Make LiveKit's trunk for a carrier as it is now; its id."""

    async def open_inbound(self, carrier: Carrier, trunk_id: str | None) -> str:
        """Make LiveKit's trunk for calls of a carrier to its number as it is now; its id."""

    async def open_rule(self, carrier: Carrier, line: Line, inbound_id: str, rule_id: str | None) -> str:
        """Have calls that come by an inbound trunk answered; the rule's id."""

    async def close_trunk(self, trunk_id: str) -> None:
        """Give a trunk up; one that is gone is fine."""

    async def close_rule(self, rule_id: str) -> None:
        """Have calls answered no longer; a rule that is gone is fine."""

    async def list_ids(self) -> frozenset[str]:
        """All trunks and rules that LiveKit has, by their ids."""

    async def list_own(self, key: str) -> tuple[list[str], list[str]]:
        """The trunks and the rules that LiveKit has of a carrier, whether it was heard that it made them or not."""

    async def call(self, call: OutgoingCall) -> Outcome:
        """Ring until there is an answer, or none. `SipAwayError` only where nothing was sent."""

    async def hang_up(self, room: str, identity: str) -> None:
        """End a call; one that has ended is fine."""

    async def transfer(self, room: str, identity: str, to: str, *, within: float) -> Outcome:
        """Have the phone call somebody else. `answered` where it does; else the call goes on."""


class LiveKitDialer:
    """`Dialer` on livekit-server. Build it inside the running loop."""

    def __init__(self, url: str, key: str, secret: str, *, timeout: float) -> None:
        self._api = api.LiveKitAPI(url, key, secret)
        self._timeout = timeout

    async def close(self) -> None:
        """Close the connections."""
        await self._api.aclose()

    async def open_trunk(self, carrier: Carrier, trunk_id: str | None) -> str:
        trunk = api.SIPOutboundTrunkInfo(
            name=carrier.name,
            metadata=carrier.key,
            address=carrier.address,
            transport=_TRANSPORTS[carrier.transport],
            numbers=[carrier.number],
            auth_username=carrier.username,
            auth_password=carrier.password,
        )
        asked = api.CreateSIPOutboundTrunkRequest(trunk=trunk)

        async def find_own() -> str | None:
            found = await self._api.sip.list_outbound_trunk(api.ListSIPOutboundTrunkRequest(numbers=[carrier.number]))
            return next((each.sip_trunk_id for each in found.items if each.metadata == carrier.key), None)

        kept = await self._keep(
            trunk_id,
            update=lambda known: self._api.sip.update_outbound_trunk(known, trunk),
            create=lambda: self._api.sip.create_outbound_trunk(asked),
            find_own=find_own,
            may_double=True,
        )
        return kept.sip_trunk_id

    async def open_inbound(self, carrier: Carrier, trunk_id: str | None) -> str:
        trunk = api.SIPInboundTrunkInfo(
            name=carrier.name,
            metadata=carrier.key,
            numbers=[carrier.number],
            allowed_addresses=carrier.allowed_addresses,
            max_call_duration=_duration(carrier.longest) if carrier.longest else None,
        )
        asked = api.CreateSIPInboundTrunkRequest(trunk=trunk)

        async def find_own() -> str | None:
            found = await self._api.sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest(numbers=[carrier.number]))
            return next((each.sip_trunk_id for each in found.items if each.metadata == carrier.key), None)

        kept = await self._keep(
            trunk_id,
            update=lambda known: self._api.sip.update_inbound_trunk(known, trunk),
            create=lambda: self._api.sip.create_inbound_trunk(asked),
            find_own=find_own,
        )
        return kept.sip_trunk_id

    async def open_rule(self, carrier: Carrier, line: Line, inbound_id: str, rule_id: str | None) -> str:
        agent = api.RoomAgentDispatch(agent_name=line.agent_name, metadata=line.agent_metadata)
        individual = api.SIPDispatchRuleIndividual(room_prefix=line.room_prefix)
        rule = api.SIPDispatchRuleInfo(
            name=carrier.name,
            metadata=carrier.key,
            rule=api.SIPDispatchRule(dispatch_rule_individual=individual),
            trunk_ids=[inbound_id],
            room_config=api.RoomConfiguration(agents=[agent]),
        )
        asked = api.CreateSIPDispatchRuleRequest(dispatch_rule=rule)

        async def find_own() -> str | None:
            found = await self._api.sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest(trunk_ids=[inbound_id]))
            return next((each.sip_dispatch_rule_id for each in found.items if each.metadata == carrier.key), None)

        kept = await self._keep(
            rule_id,
            update=lambda known: self._api.sip.update_dispatch_rule(known, rule),
            create=lambda: self._api.sip.create_dispatch_rule(asked),
            find_own=find_own,
        )
        return kept.sip_dispatch_rule_id

    async def close_rule(self, rule_id: str) -> None:
        try:
            asked = api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=rule_id)
            await self._ask(self._api.sip.delete_dispatch_rule(asked))
        except _Missing:
            return

    async def close_trunk(self, trunk_id: str) -> None:
        try:
            await self._ask(self._api.sip.delete_trunk(api.DeleteSIPTrunkRequest(sip_trunk_id=trunk_id)))
        except _Missing:
            return

    async def list_ids(self) -> frozenset[str]:
        trunks, rules = await self._list()
        return frozenset([*trunks, *rules])

    async def list_own(self, key: str) -> tuple[list[str], list[str]]:
        trunks, rules = await self._list()
        return [own for own, of in trunks.items() if of == key], [own for own, of in rules.items() if of == key]

    async def _list(self) -> tuple[dict[str, str], dict[str, str]]:
        """All trunks and all rules, each with the key of its carrier."""
        ask, sip = self._ask, self._api.sip
        outbound = await ask(sip.list_outbound_trunk(api.ListSIPOutboundTrunkRequest()))
        inbound = await ask(sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest()))
        rules = await ask(sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest()))
        trunks = {trunk.sip_trunk_id: trunk.metadata for trunk in outbound.items}
        return (
            trunks | {trunk.sip_trunk_id: trunk.metadata for trunk in inbound.items},
            {rule.sip_dispatch_rule_id: rule.metadata for rule in rules.items},
        )

    async def call(self, call: OutgoingCall) -> Outcome:
        asked = api.CreateSIPParticipantRequest(
            sip_trunk_id="" if call.host else call.trunk_id,
            trunk=api.SIPOutboundConfig(hostname=call.host) if call.host else None,
            sip_call_to=call.number,
            sip_number=call.caller_id,
            room_name=call.room,
            participant_identity=call.identity,
            participant_name=call.name,
            participant_attributes=call.attributes,
            dtmf=call.keys,
            ringing_timeout=_duration(call.ringing),
            max_call_duration=_duration(call.longest),
            wait_until_answered=True,
        )
        try:
            async with asyncio.timeout(call.ringing + self._timeout):
                await self._api.sip.create_sip_participant(asked)
        except api.SipCallError as error:
            return of_status(error.sip_status_code or None, error.sip_status or "")
        except api.TwirpError as error:
            if error.code == "unavailable":
                raise SipAwayError("no SIP service answers") from error
            if error.code == "canceled":
                return Outcome("no_answer", None, "not answered in time")
            return Outcome("failed", None, _told(error), left=error.code not in _UNSENT)
        except TimeoutError:
            await self._take_back(call)
            return Outcome("failed", None, "the SIP service did not say what became of the call")
        except aiohttp.ClientConnectorError as error:
            raise SipAwayError("LiveKit cannot be reached") from error
        except aiohttp.ClientError:
            await self._take_back(call)
            return Outcome("failed", None, "the connection to LiveKit was lost while it rang")
        return ANSWERED

    async def _take_back(self, call: OutgoingCall) -> None:
        """It may still ring, and nobody would speak to whoever answers."""
        with suppress(SipAwayError, SipRefusedError):
            await self.hang_up(call.room, call.identity)

    async def hang_up(self, room: str, identity: str) -> None:
        try:
            who = api.RoomParticipantIdentity(room=room, identity=identity)
            await self._ask(self._api.room.remove_participant(who))
        except _Missing:
            return

    async def transfer(self, room: str, identity: str, to: str, *, within: float) -> Outcome:
        asked = api.TransferSIPParticipantRequest(
            room_name=room, participant_identity=identity, transfer_to=to, ringing_timeout=_duration(within)
        )
        try:
            async with asyncio.timeout(within + self._timeout):
                told = await self._api.sip.transfer_sip_participant(asked)
        except api.SipCallError as error:
            return of_status(error.sip_status_code or None, error.sip_status or "")
        except api.TwirpError as error:
            if error.code in ("not_found", "unavailable"):
                raise SipRefusedError("there is no such call") from error
            return Outcome("no_answer", None, _told(error))
        except (TimeoutError, aiohttp.ClientError) as error:
            raise SipAwayError("LiveKit did not say what became of the transfer") from error
        if told.status == api.SIPTransferStatus.STS_TRANSFER_FAILED:
            return Outcome("no_answer", told.sip_status.code or None, told.sip_status.status or "the transfer failed")
        return ANSWERED

    async def _keep(
        self,
        known: str | None,
        *,
        update: Callable[[str], Awaitable[T]],
        create: Callable[[], Awaitable[T]],
        find_own: Callable[[], Awaitable[str | None]],
        may_double: bool = False,
    ) -> T:
        """Update what LiveKit has, or create it; `find_own` is for what it gave us and no row of ours tells of. Where
        it would make the same a second time (`may_double`), that is looked for before."""
        if known is not None:
            try:
                return await self._ask(update(known))
            except _Missing:
                pass
        if may_double and (own := await self._ask(find_own())) is not None:
            return await self._ask(update(own))
        try:
            return await self._ask(create())
        except SipRefusedError:
            own = await self._ask(find_own())
            if own is None:
                raise
            return await self._ask(update(own))

    async def _ask(self, call: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return await call
        except api.TwirpError as error:
            if error.code == "not_found":
                raise _Missing from error
            if error.message.startswith("Conflicting"):
                raise NumberTakenError(error.message) from error
            if error.code in ("invalid_argument", "failed_precondition", "already_exists"):
                raise SipRefusedError(_told(error)) from error
            raise SipAwayError(f"LiveKit answered {error.code}") from error
        except (TimeoutError, aiohttp.ClientError) as error:
            raise SipAwayError("LiveKit cannot be reached") from error


class _Missing(SipRefusedError):
    """LiveKit does not know it."""


def _told(error: api.TwirpError) -> str:
    return error.message.removeprefix("twirp error unknown: ")


def _duration(seconds: float) -> Duration:
    return Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))
