"""Which internet addresses our servers may connect to on a customer's behalf. Pure: it judges, it resolves nothing.

Public unicast only. What is inside a network that the operator opened is allowed whatever it is; what merely embeds
another address (IPv4-mapped, NAT64, 6to4, Teredo) is judged as it stands and refused, since only a gateway on the way
knows where it leads.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeVar

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

N = TypeVar("N", IPv4Network, IPv6Network)

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


WEB_PORTS: Final = (80, 443)
_SYSTEM_PORTS: Final = 1024
"""Below are those of a host's own services."""
_ODD_PORTS: Final = frozenset(
    (
        *(1433, 1434, 1521, 3050, 3306, 5432, 5984, 6379, 6380, 7199, 7474, 7687, 8529, 9042, 9160, 9200),
        *(9300, 11211, 26379, 27017, 27018, 27019, 28015),
        *(1883, 4222, 4369, 5671, 5672, 8883, 9092, 15672, 25672, 61613, 61616),
        *(2181, 2375, 2376, 2377, 2379, 2380, 6443, 7880, 8300, 8500, 10250, 10255, 10257, 10259),
        *(1719, 1720, 1723, 2049, 3128, 3389, 3659, 4045, 4190, 5060, 5061, 5900, 6000, 6566, 10080),
        *(6665, 6666, 6667, 6668, 6669, 6679, 6697),
    )
)
"""Databases, brokers, what steers machines, and what browsers refuse besides: none is a page of a customer's."""


def closed_port(port: int) -> bool:
    """Whether nothing is sent to a port on a customer's behalf, unless the operator opened the network it is in."""
    return port not in WEB_PORTS and (port < _SYSTEM_PORTS or port in _ODD_PORTS)


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


def closed_host(host: str, allow: Sequence[Network] = (), *, port: int | None = None) -> str | None:
    """The same for an address as text, as the resolver and the socket write it, and for a port there; "unreadable"
    where it is none."""
    try:
        address = ip_address(host)
    except ValueError:
        return "unreadable"
    if port is not None and closed_port(port) and not any(address in network for network in allow):
        return closed_kind(address, allow) or f"port {port}"
    return closed_kind(address, allow)


def _first(address: Address, table: Sequence[tuple[Network, str]]) -> str | None:
    return next((kind for network, kind in table if address in network), None)


def closed_networks(allow: Sequence[Network] = ()) -> list[Network]:
    """The networks that nothing is sent into, without what the operator opened: for programs that connect by
    themselves."""
    closed: list[Network] = [network for network, _ in _CLOSED_V4]
    closed += [network for network, _ in _CLOSED_V6]
    closed += IPv6Network("::/0").address_exclude(_GLOBAL_V6)
    for opened in allow:
        closed = [rest for network in closed for rest in _without(network, opened)]
    return closed


def _without(network: Network, part: Network) -> Sequence[Network]:
    if isinstance(network, IPv4Network) and isinstance(part, IPv4Network):
        return _rest(network, part)
    if isinstance(network, IPv6Network) and isinstance(part, IPv6Network):
        return _rest(network, part)
    return [network]


def _rest(network: N, part: N) -> Sequence[N]:
    if network.subnet_of(part):
        return []
    return list(network.address_exclude(part)) if part.subnet_of(network) else [network]
