"""Which internet addresses our servers may connect to on a customer's behalf. Pure: it judges, it resolves nothing.

Public unicast only. What is inside a network that the operator opened is allowed whatever it is; what merely embeds
another address (IPv4-mapped, NAT64, 6to4, Teredo) is judged as it stands and refused, since only a gateway on the way
knows where it leads.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_CLOSED_V4: Final = tuple(
    (IPv4Network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "this host"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "cloud metadata"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_GLOBAL_V6: Final = IPv6Network("2000::/3")
"""All that is handed out for public use; the rest of the space is loopback, local, embedding or reserved."""
_CLOSED_V6: Final = tuple(
    (IPv6Network(network), kind)
    for network, kind in (
        ("2001::/32", "Teredo"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "documentation"),
    )
)
_LOCAL_V6: Final = tuple(
    (IPv6Network(network), kind)
    for network, kind in (
        ("::/128", "this host"),
        ("::1/128", "loopback"),
        ("::ffff:0:0/96", "IPv4-mapped"),
        ("64:ff9b::/96", "NAT64"),
        ("64:ff9b:1::/48", "NAT64"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("ff00::/8", "multicast"),
    )
)


def parse_networks(text: str) -> tuple[Network, ...]:
    """Comma-separated networks such as `127.0.0.0/8,::1/128`; raises `ValueError` for anything else."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def closed_kind(address: Address, allow: Sequence[Network] = ()) -> str | None:
    """Why an address may not be connected to, in a word or two; None where it may."""
    if any(address in network for network in allow):
        return None
    if isinstance(address, IPv4Address):
        return _first(address, _CLOSED_V4)
    if address.scope_id is not None:
        return "link-local"
    if address not in _GLOBAL_V6:
        return _first(address, _LOCAL_V6) or "reserved"
    return _first(address, _CLOSED_V6)


def closed_host(host: str, allow: Sequence[Network] = ()) -> str | None:
    """The same for an address as text, as the resolver and the socket write it; "unreadable" where it is none."""
    try:
        return closed_kind(ip_address(host), allow)
    except ValueError:
        return "unreadable"


def _first(address: Address, table: Sequence[tuple[Network, str]]) -> str | None:
    return next((kind for network, kind in table if address in network), None)
