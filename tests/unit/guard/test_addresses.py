"""Which addresses are closed, and which the operator may open."""

from ipaddress import ip_address

import pytest

from guard.addresses import Network, closed_kind, closed_networks, parse_networks

LOOPBACK = parse_networks("127.0.0.0/8,::1/128")

CLOSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff::1",
    "fe80::1",
    "fe80::1%lo",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "4000::1",
    "e000::1",
]


OPEN = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
]
OPEN += ["198.17.255.255", "198.20.0.0", "223.255.255.255", "2001:4860:4860::8888", "2606:4700::1111", "2a00:1450::1"]


@pytest.mark.parametrize("address", CLOSED)
def test_an_address_inside_is_closed(address: str) -> None:
    assert closed_kind(ip_address(address))


@pytest.mark.parametrize("address", OPEN)
def test_a_public_address_is_open(address: str) -> None:
    assert closed_kind(ip_address(address)) is None


def test_the_operator_may_open_networks() -> None:
    assert closed_kind(ip_address("127.0.0.1"), LOOPBACK) is None
    assert closed_kind(ip_address("::1"), LOOPBACK) is None
    assert closed_kind(ip_address("::ffff:127.0.0.1"), LOOPBACK) == "IPv4-mapped"
    assert closed_kind(ip_address("10.0.0.1"), LOOPBACK) == "private"
    assert parse_networks("") == parse_networks(" , ") == ()
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8"):
        parse_networks("10.0.0.1/8")


@pytest.mark.parametrize("allow", [(), LOOPBACK], ids=["nothing opened", "the loopback opened"])
def test_programs_that_connect_by_themselves_are_told_of_the_same_networks(allow: tuple[Network, ...]) -> None:
    networks = closed_networks(allow)
    for text in (*CLOSED, *OPEN):
        address = ip_address(text)
        assert any(address in network for network in networks) == (closed_kind(address, allow) is not None), text
