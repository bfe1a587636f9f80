"""Whose window counts a request of somebody without a key."""

import pytest

from control_plane.gate.window import whence


@pytest.mark.parametrize(
    ("host", "window"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        (None, "unknown"),
    ],
)
def test_all_addresses_of_one_network_of_ipv6_share_a_window(host: str | None, window: str) -> None:
    assert whence(host) == window
