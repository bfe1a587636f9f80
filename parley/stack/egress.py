"""LiveKit's egress service as a child."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from parley.stack.children import Child
from parley.stack.engines import Engine, engine_child
from parley.stack.secrets import Secrets

PROGRAM = "egress"
_COSTS = {
    "room_composite_cpu_cost": 1.0,
    "audio_room_composite_cpu_cost": 0.2,
    "sdk_audio_room_composite_cpu_cost": 0.1,
    "web_cpu_cost": 1.0,
    "audio_web_cpu_cost": 0.2,
    "participant_cpu_cost": 0.3,
    "track_composite_cpu_cost": 0.2,
    "track_cpu_cost": 0.1,
}
"""Cores that the official program reckons with: its own figures would refuse nearly everything on two cores."""


def egress_child(
    directory: Path,
    ports: Mapping[str, int],
    secrets: Secrets,
    *,
    recordings: Path,
    pocket: tuple[list[str], dict[str, str]],
) -> Child:
    """Return the egress service, which puts files without a bucket below `recordings`.

    `pocket` is the command of our own one and its environment without settings.
    """
    state = recordings.parent / "recorder"
    engine = Engine(
        name="egress",
        program=PROGRAM,
        health_port=ports["egress_health"],
        answers=(200, 406, 429),
        official={"insecure": True, "cpu_cost": _COSTS},
        pocket={"ROOT": str(recordings), "STATE": str(state), "BACKUP": str(state / "backup")},
        stop_within=10.0,
        official_stop_within=10.0,
    )
    return engine_child(engine, directory, ports, secrets, pocket=pocket)
