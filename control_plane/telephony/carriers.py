"""Where a trunk leads: one rule for testing it and for calling by it, the same as for every address of a customer; and
which trunks there may be at all, so that nobody calls on another's bill, and no stranger calls in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from control_plane.errors import Forbidden, InvalidRequest
from control_plane.settings import Settings
from control_plane.telephony.numbers import ZOOM_GATEWAY, host_of
from guard.outbound import BadAddress, NotAnswered, Outbound

ADVICE: Final = "The operator opens networks of his own with PARLEY_WEBHOOK_ALLOW"


class ClosedAddressError(Exception):
    """A trunk's address leads into a network that is not open; the text says which kind, for its customer."""


async def find_carrier(outbound: Outbound, address: str) -> list[str]:
    """The addresses of a trunk's `host[:port]` that may be connected to; none where its name is not found.

    Raises `ClosedAddressError`.
    """
    try:
        return await outbound.find(address.partition(":")[0])
    except NotAnswered:
        return []
    except BadAddress as error:
        raise ClosedAddressError(f"The trunk's address is not connected to: it {error.reason}") from error


@dataclass(frozen=True, slots=True)
class TrunkRules:
    """What trunks must be like where they are not for development: they show a password, and say who calls in."""

    is_strict: bool = False
    trusting: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Hosts that know this machine by its address, each with the projects that may call by it; empty: all."""
    bridges: frozenset[str] = frozenset({ZOOM_GATEWAY})
    """Hosts of meeting services, whose rooms are called by digits."""

    @classmethod
    def of(cls, settings: Settings) -> "TrunkRules":
        """Those of a process."""
        bridges = frozenset({ZOOM_GATEWAY, *settings.bridges})
        return cls(settings.environment != "development", settings.trusting_carriers, bridges)

    def is_foreign(self, address: str, slug: str) -> bool:
        """Whether an address is of a host that the operator keeps for other projects."""
        return bool(projects := self.trusting.get(host_of(address), frozenset())) and slug not in projects

    async def check_host(self, outbound: Outbound, address: str, slug: str, *, has_password: bool) -> None:
        """Refuse a trunk that would call on the bill of somebody whom its host knows by this machine's address.

        Raises `Forbidden` for a host that is kept for other projects, whatever its name, and `InvalidRequest` where a
        password is needed.
        """
        host = host_of(address)
        if await self.leads_to_foreign(outbound, address, slug):
            raise Forbidden(f"Only projects that the operator names call by {host}", details={"rule": "carriers"})
        if self.is_strict and not has_password and host not in self.trusting:
            needed = (
                f"is needed: only the operator lets trunks to {host} go without, with PARLEY_TRUNKS_WITHOUT_PASSWORD"
            )
            raise InvalidRequest.field("password", needed)

    async def callers_of(self, outbound: Outbound, address: str, given: list[str]) -> list[str]:
        """The networks from which a carrier calls: those that were given, else the addresses of its host.

        Raises `InvalidRequest` where neither is known: anybody could call.
        """
        if given or not self.is_strict:
            return given
        try:
            found = await find_carrier(outbound, address)
        except ClosedAddressError:
            found = []
        if not found:
            missing = f"must name the networks that this carrier calls from: {host_of(address)} was not found"
            raise InvalidRequest.field("allowed_addresses", missing)
        return sorted(found)

    async def leads_to_foreign(self, outbound: Outbound, address: str, slug: str) -> bool:
        """Whether an address is, by whatever name, of a host that the operator keeps for other projects."""
        kept = [host for host in self.trusting if self.is_foreign(host, slug)]
        return await _leads_to(outbound, address, kept)

    async def leads_to_trusting(self, outbound: Outbound, address: str, own: Iterable[str]) -> bool:
        """Whether an address is, by whatever name, of a host that knows this machine and is none of these."""
        return await _leads_to(outbound, address, self.trusting.keys() - set(own))


async def _leads_to(outbound: Outbound, address: str, hosts: Iterable[str]) -> bool:
    hosts = set(hosts)
    if not hosts:
        return False
    if host_of(address) in hosts:
        return True
    try:
        found = set(await find_carrier(outbound, address))
    except ClosedAddressError:
        return False  # it is not called either
    for host in hosts:
        try:
            theirs = await find_carrier(outbound, host)
        except ClosedAddressError:
            continue  # nor is this one, by any name
        if not found.isdisjoint(theirs):
            return True
    return False
