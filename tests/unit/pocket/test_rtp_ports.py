"""The ports of calls."""

import socket

import pytest

from pocket.rtp.ports import NoPort, Ports

HOST = "127.0.0.1"


@pytest.fixture
def first():
    """An even port that is free, as are those after it, most likely."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        return min(probe.getsockname()[1] & ~1, 60_000)


def take(ports):
    bound, port = ports.bind(HOST)
    bound.close()
    return port


def test_ports_are_even_and_the_last_belongs_to_the_range(first):
    assert [take(Ports(first + 1, first + 2)), take(Ports(first, first + 1))] == [first + 2, first]


def test_the_port_that_has_been_free_longest_comes_first(first):
    ports = Ports(first, first + 5)
    taken = [take(ports) for _ in range(3)]
    for port in reversed(taken):
        ports.release(port)
    assert [take(ports) for _ in range(3)] == taken[::-1]


def test_an_exhausted_range_has_no_port_until_one_is_released(first):
    ports = Ports(first, first + 1)
    port = take(ports)
    with pytest.raises(NoPort):
        ports.bind(HOST)
    ports.release(port)
    ports.release(port)  # twice is once
    assert take(ports) == port
    with pytest.raises(NoPort):
        ports.bind(HOST)


def test_a_port_of_another_program_is_passed_over(first):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, first))
        assert take(Ports(first, first + 3)) == first + 2


def test_an_address_that_is_not_ours_has_no_port(first):
    with pytest.raises(NoPort):
        Ports(first, first + 3).bind("192.0.2.1")


def test_voice_is_marked_as_voice(first):
    bound, _ = Ports(first, first + 3).bind(HOST)
    with bound:
        assert bound.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0xB8
