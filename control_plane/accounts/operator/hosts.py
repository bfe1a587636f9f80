"""What workers and bot hosts tell of themselves, as parts of the installation's health. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from pydantic import ValidationError

from agents.figures import Figures, OpenModel
from control_plane.accounts.operator.health_schemas import HostRead, HostsHealth, Part, WorkersHealth
from control_plane.health.roll import Sign

SHOWN: Final = 100
"""Hosts, and open models, of one answer."""
LITTLE: Final = 512 * 1024 * 1024
"""Bytes of disk below which reports may soon find no room."""


def sort(signs: Sequence[Sign]) -> tuple[list[HostRead], list[HostRead]]:
    """The workers, and the bot hosts."""
    workers = [_read(sign) for sign in signs if sign.kind == "worker"]
    return workers, [_read(sign) for sign in signs if sign.kind == "bots"]


def of_workers(workers: Sequence[HostRead], *, here: int) -> WorkersHealth:
    """All workers; `here` are those connected to this process."""
    health = WorkersHealth(**_sum(workers), status="ok", here=here)
    health.capacity = sum(worker.places for worker in workers if worker.connected)
    if not health.connected:
        health.status, health.reason = "unavailable", "No worker is connected: nobody would answer a call"
    elif health.draining == health.connected:
        health.status, health.reason = "unavailable", "Every worker drains: nobody would answer a call"
    elif health.taken >= health.places:
        health.status, health.reason = "degraded", "All places are taken"
    else:
        _judge(health)
    return health


def of_bot_hosts(hosts: Sequence[HostRead]) -> HostsHealth:
    """All bot hosts; there need be none."""
    health = HostsHealth(**_sum(hosts), status="ok" if any(host.connected for host in hosts) else "absent")
    if health.connected:
        _judge(health)
    return health


def of_knowledge(workers: Sequence[HostRead]) -> Part:
    """The knowledge processes beside the workers that are connected."""
    asked = [worker for worker in workers if worker.connected and worker.knowledge is not None]
    away = [worker.id for worker in asked if not worker.knowledge]
    if away:
        return Part(status="unavailable", reason=f"It does not answer beside {', '.join(away[:SHOWN])}")
    return Part(status="ok" if asked else "absent")


def _read(sign: Sign) -> HostRead:
    try:
        told = Figures.model_validate(sign.figures)
    except ValidationError:  # of a version that counts otherwise
        told = Figures()
    return HostRead(
        id=sign.id,
        connected=sign.lives,
        places=told.places if told.kind == "bots" else sign.capacity,
        **told.model_dump(exclude={"kind", "places"}),
    )


def _sum(hosts: Sequence[HostRead]) -> dict[str, Any]:
    there = [host for host in hosts if host.connected]
    disks = [host.disk_free_bytes for host in there if host.disk_free_bytes is not None]
    return {
        "connected": len(there),
        "places": sum(host.places for host in there if not host.draining),
        "taken": sum(host.taken for host in there if not host.draining),
        "draining": sum(host.draining for host in there),
        "open_models": _longest(model for host in there for model in host.open_models),
        # What a host that is gone has not sent is counted as well: it lies on its disk until somebody takes it.
        "spool_reports": sum(host.spool_reports for host in hosts),
        "parked_reports": sum(host.parked_reports for host in hosts),
        "disk_free_bytes": min(disks, default=None),
        "each": list(hosts[:SHOWN]),
    }


def _longest(found: Iterable[OpenModel]) -> list[OpenModel]:
    """Each model once, as it was left alone first, those of longest standing first."""
    models: dict[tuple[str, str], OpenModel] = {}
    for model in sorted(found, key=lambda each: -each.seconds):
        models.setdefault((model.service, model.model), model)
    return list(models.values())[:SHOWN]


def _judge(health: HostsHealth) -> None:
    if health.open_models:
        named = ", ".join(model.model for model in health.open_models)
        health.status, health.reason = "degraded", f"Models do not answer: {named}"
    elif health.disk_free_bytes is not None and health.disk_free_bytes < LITTLE:
        health.status, health.reason = "degraded", "A disk for reports is almost full"
    elif health.parked_reports:
        health.status, health.reason = "degraded", "Reports were refused, and wait for somebody to look at them"
