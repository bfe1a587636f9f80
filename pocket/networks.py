"""Networks that a service connects to nobody in, as its settings name them."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated

from pydantic import AfterValidator

Network = IPv4Network | IPv6Network


def read_networks(text: str) -> tuple[Network, ...]:
    """Networks of `192.0.2.0/24,…`. Raises `ValueError`."""
    return tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())


def is_closed(address: str, closed: Sequence[Network]) -> bool:
    """Whether an address, as the system writes it, is in one of some networks."""
    found = ip_address(address)
    return any(found in network for network in closed)


def _readable(text: str) -> str:
    read_networks(text)
    return text


Networks = Annotated[str, AfterValidator(_readable)]
"""Comma-separated."""
