"""Finding free ports, and keeping them between starts and away from a second platform on this machine."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from parley.stack.errors import StackError
from parley.stack.files import write_whole

Transport = Literal["tcp", "udp", "both"]
_KINDS: dict[Transport, tuple[socket.SocketKind, ...]] = {
    "tcp": (socket.SOCK_STREAM,),
    "udp": (socket.SOCK_DGRAM,),
    "both": (socket.SOCK_STREAM, socket.SOCK_DGRAM),
}
_ATTEMPTS = 1000
_HIGHEST_PORT = 65535


@dataclass(frozen=True)
class PortWish:
    """Where the search for one port begins, and where the port will be bound."""

    first: int
    transport: Transport = "tcp"
    host: str = "127.0.0.1"


WISHES: Mapping[str, PortWish] = {
    "control_plane": PortWish(8000),
    "livekit": PortWish(7880),
    "livekit_tcp": PortWish(7881, host="0.0.0.0"),  # noqa: S104 - LiveKit offers no choice
    "livekit_udp": PortWish(7882, transport="udp"),
    "livekit_metrics": PortWish(7883),
    "postgres": PortWish(54320),
    "redis": PortWish(63790),
    "models": PortWish(8100),
    "sip": PortWish(5060, transport="both"),
    "sip_rtp": PortWish(10000, transport="udp"),
    "sip_health": PortWish(5090),
    "egress_health": PortWish(5091),
    "phone": PortWish(5070, transport="both"),
    "phone_rtp": PortWish(10500, transport="udp"),
}


def is_free(port: int, *, transport: Transport = "tcp", host: str = "127.0.0.1") -> bool:
    """Tell whether a server could bind this port."""
    for kind in _KINDS[transport]:
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                # Connections of an earlier server in TIME_WAIT must not count as a server.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True


@dataclass
class PortReservations:
    """Ports held by this process until it closes them; those of another `realm` are no matter of it.

    A port is chosen long before its server binds it. In between, an abstract Unix socket named after the port
    keeps other Parley platforms of this network namespace away from it; the kernel frees it with the process.
    """

    realm: str = "port"
    _held: dict[int, socket.socket] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release_all()

    def take(self, first: int, *, transport: Transport = "tcp", host: str = "127.0.0.1") -> int:
        """Reserve the first free port from `first` upward."""
        for port in range(first, min(first + _ATTEMPTS, _HIGHEST_PORT + 1)):
            if self.reserve(port, transport=transport, host=host):
                return port
        raise StackError(
            f"no free {transport} port from {first} upward",
            f"{_ATTEMPTS} ports were tried on {host}",
            "Stop what listens there, or begin elsewhere with --port",
        )

    def release_all(self) -> None:
        """Give all reservations back."""
        for held in self._held.values():
            held.close()
        self._held.clear()

    def reserve(self, port: int, *, transport: Transport = "tcp", host: str = "127.0.0.1") -> bool:
        """Reserve this port; False where somebody has it or has reserved it."""
        if port in self._held:
            return False
        mark = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            mark.bind(f"\0parley/{self.realm}/{port}")
        except OSError:
            mark.close()
            return False
        if not is_free(port, transport=transport, host=host):
            mark.close()
            return False
        self._held[port] = mark
        return True


def choose_ports(
    reservations: PortReservations, *, remembered: Path, control_plane_from: int | None = None
) -> dict[str, int]:
    """Reserve one port for every server of the platform.

    The ports in the file `remembered` are taken again where they are free; the outcome is written back to it.
    `control_plane_from` overrides what is remembered for the control plane.
    """
    earlier = _read(remembered)
    if control_plane_from is not None:
        earlier["control_plane"] = control_plane_from
    # Remembered ports first: otherwise one that moved could take the place another one is used to.
    order = sorted(WISHES, key=lambda name: name not in earlier)
    chosen = {}
    for name in order:
        wish = WISHES[name]
        first = earlier.get(name, wish.first)
        chosen[name] = reservations.take(first, transport=wish.transport, host=wish.host)
    write_whole(remembered, json.dumps(chosen, indent=1) + "\n")
    return chosen


def _read(path: Path) -> dict[str, int]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}  # a lost or damaged memory only means other ports
    if not isinstance(content, dict):
        return {}
    return {
        name: port
        for name, port in content.items()
        if name in WISHES and isinstance(port, int) and 0 < port <= _HIGHEST_PORT
    }
