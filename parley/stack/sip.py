"""LiveKit's SIP service as a child."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from parley.stack.children import Child
from parley.stack.engines import Engine, engine_child
from parley.stack.secrets import Secrets

_RTP_PORTS = 400
PROGRAM = "livekit-sip"


def sip_child(
    directory: Path, ports: Mapping[str, int], secrets: Secrets, *, host: str, pocket: tuple[list[str], dict[str, str]]
) -> Child:
    """Return the SIP service, which phones reach at `host`.

    `pocket` is the command of our own one and its environment without settings.
    """
    rtp = ports["sip_rtp"], ports["sip_rtp"] + _RTP_PORTS - 1
    engine = Engine(
        name="sip",
        program=PROGRAM,
        health_port=ports["sip_health"],
        health_host=host,
        answers=(200, 429),
        official={
            "listen_ip": host,
            "nat_1_to_1_ip": host,  # without it, the official program looks for another interface
            "sip_port": ports["sip"],
            "rtp_port": f"{rtp[0]}-{rtp[1]}",
        },
        pocket={
            "LISTEN_HOST": host,
            "PORT": str(ports["sip"]),
            "RTP_FIRST": str(rtp[0]),
            "RTP_LAST": str(rtp[1]),
            "DRAIN": "1",
        },
        stop_within=8.0,
        official_stop_within=2.0,
    )
    return engine_child(engine, directory, ports, secrets, pocket=pocket)
