"""Ports: found free, remembered, and not taken by two platforms at once."""

import json
import socket
from pathlib import Path

import pytest

from parley.stack.errors import StackError
from parley.stack.ports import WISHES, PortReservations, choose_ports, is_free


def listen(kind: socket.SocketKind = socket.SOCK_STREAM) -> tuple[socket.socket, int]:
    server = socket.socket(socket.AF_INET, kind)
    server.bind(("127.0.0.1", 0))
    if kind is socket.SOCK_STREAM:
        server.listen()
    return server, server.getsockname()[1]


def test_a_port_with_a_listener_is_passed_over() -> None:
    server, port = listen()
    with server, PortReservations() as reservations:
        assert reservations.take(port) > port


def test_a_udp_port_is_tried_as_udp() -> None:
    for _ in range(20):
        server, port = listen(socket.SOCK_DGRAM)
        if is_free(port, transport="tcp"):  # else somebody else listens there
            break
        server.close()
    with server:
        assert is_free(port, transport="tcp")
        assert not is_free(port, transport="udp")


def test_two_platforms_that_have_not_bound_yet_get_different_ports() -> None:
    server, first = listen()
    server.close()
    with PortReservations() as one, PortReservations() as other:
        assert one.take(first) != other.take(first)


def test_a_released_port_can_be_taken_again() -> None:
    server, first = listen()
    server.close()
    with PortReservations() as one:
        port = one.take(first)
    with PortReservations() as other:
        assert other.take(first) == port


def test_the_end_of_the_port_range_is_told_as_an_error() -> None:
    server = socket.socket()
    with server, PortReservations() as reservations:
        server.bind(("127.0.0.1", 65535))
        server.listen()
        with pytest.raises(StackError, match="no free tcp port from 65535 upward"):
            reservations.take(65535)


def test_all_servers_get_ports_of_their_own(tmp_path: Path) -> None:
    with PortReservations() as reservations:
        ports = choose_ports(reservations, remembered=tmp_path / "ports.json")
    assert set(ports) == set(WISHES)
    assert len(set(ports.values())) == len(ports)


def test_a_second_start_gets_the_same_ports(tmp_path: Path) -> None:
    with PortReservations() as reservations:
        first = choose_ports(reservations, remembered=tmp_path / "ports.json")
    with PortReservations() as reservations:
        second = choose_ports(reservations, remembered=tmp_path / "ports.json")
    assert first == second


def test_the_port_asked_for_counts_more_than_the_remembered_one(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text(json.dumps({"control_plane": 39000}))
    with PortReservations() as reservations:
        ports = choose_ports(reservations, remembered=tmp_path / "ports.json", control_plane_from=39100)
    assert 39100 <= ports["control_plane"] < 39200


@pytest.mark.parametrize("content", ["", "[1]", '{"redis": "x", "livekit": -1, "other": 5}'])
def test_a_damaged_memory_only_means_other_ports(tmp_path: Path, content: str) -> None:
    (tmp_path / "ports.json").write_text(content)
    with PortReservations() as reservations:
        assert choose_ports(reservations, remembered=tmp_path / "ports.json")["redis"] >= WISHES["redis"].first
