"""Whether every part of the installation works: what its processes tell of themselves, and what answers.

All parts are asked at once, and none is waited for longer than `WITHIN`.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, Final, TypeVar

import structlog

from control_plane.accounts.operator.health_schemas import (
    AuditHealth,
    BrokenTrail,
    DatabaseHealth,
    EgressHealth,
    HealthParts,
    HealthRead,
    HostsHealth,
    JobsHealth,
    LivekitHealth,
    Part,
    ProcessesHealth,
    RedisHealth,
    SipHealth,
    WorkersHealth,
)
from control_plane.accounts.operator.hosts import of_bot_hosts, of_knowledge, of_workers, sort
from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.errors import PlatformError
from control_plane.gate.window import RateLimiter
from control_plane.health.backlog import Backlog, look
from control_plane.health.roll import Sign, call_roll
from control_plane.media.recorder import Recorder
from control_plane.media.server import MediaServer
from sip.dialer import Dialer, SipAwayError, SipRefusedError

T = TypeVar("T")

WITHIN: Final = 2.0
"""Seconds that any part has to answer."""
BEHIND: Final = 60.0
"""Seconds for which no job that is due waits where somebody works them off."""
EVENTS_BEHIND: Final = 10.0
"""Seconds within which events have their numbers where somebody gives them."""
WEBHOOKS_BEHIND: Final = 60.0
UNKNOWN: Final = "The database cannot say"
LATE: Final = "It does not answer in time"

log = structlog.get_logger()


async def examine(
    database: Database,
    media: MediaServer,
    dialer: Dialer,
    recorder: Recorder,
    limiter: RateLimiter,
    clock: Clock,
    *,
    workers_here: int,
    version: str,
) -> HealthRead:
    """Ask every part at once."""
    asked = await asyncio.gather(
        _within(_ask_database(database, clock)),
        _within(limiter.probe()),
        _within(media.list_rooms()),
        _within(recorder.list_running()),
        _within(dialer.list_ids()),
    )
    known, shared, rooms, egresses, ids = asked
    parts = HealthParts(
        **_of_database(known, workers_here=workers_here),
        redis=_of_redis(shared),
        livekit=_answers(LivekitHealth, "rooms", rooms),
        egress=_answers(EgressHealth, "running", egresses),
        sip=_answers(SipHealth, "trunks_and_rules", ids),
    )
    good = all(part.status in ("ok", "absent") for _, part in parts)
    return HealthRead(status="ok" if good else "degraded", version=version, parts=parts)


async def _within(asked: Awaitable[T]) -> T | str:
    """What was answered, or why nothing was. What is late is left to its own limit: to cancel it may take as long."""
    task = asyncio.ensure_future(asked)
    await asyncio.wait([task], timeout=WITHIN)
    if not task.done():
        task.add_done_callback(lambda late: late.cancelled() or late.exception())
        task.cancel()
        return LATE
    try:
        return task.result()
    except PlatformError as error:
        return error.message
    except (SipAwayError, SipRefusedError) as error:
        return str(error)
    except Exception:  # one part that cannot be asked must not hide the others
        log.exception("part not examined")
        return "It cannot be asked; see the log"


Known = tuple[str, list[Sign], Backlog]


async def _ask_database(database: Database, clock: Clock) -> Known:
    revision = await database.find_revision()
    async with database.platform() as db:
        return revision, await call_roll(db, clock.now()), await look(db, clock.now())


def _of_database(known: Known | str, *, workers_here: int) -> dict[str, Any]:
    if isinstance(known, str):
        return {
            "database": DatabaseHealth(status="unavailable", reason=known),
            "control_planes": ProcessesHealth(status="unavailable", reason=UNKNOWN),
            "jobs": JobsHealth(status="unavailable", reason=UNKNOWN),
            "workers": WorkersHealth(status="unavailable", reason=UNKNOWN, here=workers_here),
            "bot_hosts": HostsHealth(status="unavailable", reason=UNKNOWN),
            "knowledge": Part(status="unavailable", reason=UNKNOWN),
            "audit": AuditHealth(status="unavailable", reason=UNKNOWN),
        }
    revision, signs, backlog = known
    workers, bot_hosts = sort(signs)
    return {
        "database": DatabaseHealth(status="ok", revision=revision),
        "control_planes": ProcessesHealth(**_processes(signs, "serve"), status="ok"),
        "jobs": _of_jobs(_processes(signs, "jobs"), backlog),
        "workers": of_workers(workers, here=workers_here),
        "bot_hosts": of_bot_hosts(bot_hosts),
        "knowledge": of_knowledge(workers),
        "audit": _of_audit(backlog),
    }


def _processes(signs: Sequence[Sign], kind: str) -> dict[str, Any]:
    mine = [sign for sign in signs if sign.kind == kind]
    return {"running": sum(sign.lives for sign in mine), "silent": [sign.id for sign in mine if not sign.lives]}


def _of_jobs(processes: dict[str, Any], found: Backlog) -> JobsHealth:
    health = JobsHealth(
        **processes,
        status="ok",
        due=found.jobs.due,
        behind_seconds=round(found.jobs.behind, 1),
        failed=found.jobs.failed,
        leaders=found.leaders,
        event_lag_seconds=round(found.event_lag, 1),
        webhooks_waiting=found.webhooks,
        webhooks_behind_seconds=round(found.webhook_age, 1),
    )
    missing = [name for name, led in found.leaders.items() if not led]
    if found.jobs.behind > BEHIND:
        health.status, health.reason = "unavailable", "Nobody works off what is due"
    elif not health.running:
        health.status, health.reason = "unavailable", "No jobs process runs"
    elif missing:
        health.status, health.reason = "degraded", f"Nobody does: {', '.join(missing)}"
    elif found.event_lag > EVENTS_BEHIND:
        health.status, health.reason = "degraded", "Events wait for their numbers: nobody is told of them"
    elif found.webhook_age > WEBHOOKS_BEHIND:
        health.status, health.reason = "degraded", "Webhooks are behind"
    return health


def _of_audit(found: Backlog) -> AuditHealth:
    health = AuditHealth(status="ok", verified_at=found.trails_verified_at)
    if found.broken_trails:
        health.broken = [BrokenTrail.model_validate(each) for each in found.broken_trails]
        named = ", ".join(str(each.project_id) for each in health.broken)
        health.status = "degraded"
        health.reason = f"The audit trail is not as it was written in project {named}"
    return health


def _of_redis(shared: bool | str) -> RedisHealth:
    if shared is True:
        return RedisHealth(status="ok", shared=True)
    return RedisHealth(status="unavailable", reason="Rate windows are per process", shared=False)


P = TypeVar("P", LivekitHealth, EgressHealth, SipHealth)


def _answers(part: type[P], counted: str, answer: Any) -> P:
    """A part that answered with what it has, or why it did not."""
    if isinstance(answer, str):
        return part(status="unavailable", reason=answer)
    return part.model_validate({"status": "ok", counted: len(answer)})
