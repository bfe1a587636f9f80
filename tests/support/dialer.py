"""A SIP service in memory."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from sip.dialer import Carrier, Line, NumberTakenError, OutgoingCall, SipAwayError
from sip.outcomes import ANSWERED, Outcome


@dataclass
class FakeDialer:
    """A SIP service that remembers what it was asked; `answer` is what calls come to, once `picked_up` is set."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    answer: Outcome | Exception = ANSWERED
    picked_up: asyncio.Event = field(default_factory=asyncio.Event)
    away: bool = False
    numbers: dict[str, str] = field(default_factory=dict)
    """Whose they are."""
    known: set[str] = field(default_factory=set)
    """Trunks and rules that it has; without them it has forgotten everything."""
    owners: dict[str, str] = field(default_factory=dict)
    """Whose each of them is or was."""
    listed: int = 0
    """How often it was asked what it has."""

    def _called(self, *call: Any) -> None:
        self.calls.append(call)
        if self.away:
            raise SipAwayError("no SIP service answers")

    async def open_trunk(self, carrier: Carrier, trunk_id: str | None) -> str:
        self._called("open_trunk", carrier, trunk_id)
        return self._has(trunk_id, "ST", carrier)

    async def open_inbound(self, carrier: Carrier, trunk_id: str | None) -> str:
        self._called("open_inbound", carrier, trunk_id)
        if (owner := self.numbers.setdefault(carrier.number, carrier.key)) != carrier.key:
            raise NumberTakenError(f'Conflicting inbound SIP Trunks: "<new>" and "{owner}"')
        return self._has(trunk_id, "ST", carrier)

    async def open_rule(self, carrier: Carrier, line: Line, inbound_id: str, rule_id: str | None) -> str:
        self._called("open_rule", carrier, line, inbound_id, rule_id)
        return self._has(rule_id, "SDR", carrier)

    def _has(self, known: str | None, prefix: str, carrier: Carrier) -> str:
        given = known if known in self.known else f"{prefix}_{len(self.calls)}"
        self.owners[given] = carrier.key
        self.known.add(given)
        return given

    async def close_rule(self, rule_id: str) -> None:
        self._called("close_rule", rule_id)
        self.known.discard(rule_id)

    async def close_trunk(self, trunk_id: str) -> None:
        self._called("close_trunk", trunk_id)
        self.known.discard(trunk_id)
        owner = self.owners.get(trunk_id)
        if not any(self.owners[each] == owner for each in self.known if each.startswith("ST")):
            self.numbers = {number: key for number, key in self.numbers.items() if key != owner}

    async def list_ids(self) -> frozenset[str]:
        self.listed += 1
        if self.away:
            raise SipAwayError("no SIP service answers")
        return frozenset(self.known)

    async def list_own(self, key: str) -> tuple[list[str], list[str]]:
        if self.away:
            raise SipAwayError("no SIP service answers")
        own = sorted(each for each in self.known if self.owners[each] == key)
        return [each for each in own if each.startswith("ST")], [each for each in own if each.startswith("SDR")]

    def forget(self) -> None:
        """Lose everything, as LiveKit does with its Redis."""
        self.known.clear()
        self.numbers.clear()

    async def call(self, call: OutgoingCall) -> Outcome:
        self._called("call", call)
        await self.picked_up.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def hang_up(self, room: str, identity: str) -> None:
        self._called("hang_up", room, identity)

    async def transfer(self, room: str, identity: str, to: str, *, within: float) -> Outcome:
        self._called("transfer", room, identity, to)
        return self.answer if isinstance(self.answer, Outcome) else ANSWERED
