"""What is kept for a time only: what guarded against repeats, and what nobody will ask for any more."""

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import literal_column
from sqlmodel import col, delete, select

from control_plane.calendars.models import CalendarEvent
from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.gate.idempotency import KEPT
from control_plane.gate.models import IdempotentRequest
from control_plane.health.models import ProcessPulse
from control_plane.jobs.models import Job, JobState
from control_plane.livekit_hooks.models import LivekitHook
from control_plane.monitor.models import MonitorTicket
from control_plane.recordings.models import ToldEgress
from control_plane.sessions.models import Worker

AT_ONCE: Final = 5000
"""Rows of one transaction."""
_DAY: Final = timedelta(days=1)
_KEPT: Final[tuple[tuple[Any, timedelta, Any], ...]] = (
    (IdempotentRequest.created_at, KEPT, True),
    (LivekitHook.received_at, _DAY, True),
    (ToldEgress.ended_at, _DAY, True),
    (Job.run_at, _DAY, col(Job.state) == JobState.DONE),
    (Job.run_at, 7 * _DAY, col(Job.state) == JobState.FAILED),
    (MonitorTicket.expires_at, timedelta(0), True),
    (Worker.seen_at, _DAY, True),
    (ProcessPulse.seen_at, _DAY, True),
    (CalendarEvent.ends_at, 365 * _DAY, True),
)
"""The moment a row is dated by, how long it is kept from then on, and which rows of its table are meant."""


async def forget(database: Database, clock: Clock) -> None:
    """Delete what has been kept long enough."""
    for moment, age, meant in _KEPT:
        place: Any = literal_column("ctid")
        full = True
        old: Any = select(place).select_from(moment.class_).where(moment < clock.now() - age, meant).limit(AT_ONCE)
        while full:
            async with database.platform() as db:
                full = (await db.exec(delete(moment.class_).where(place.in_(old)))).rowcount == AT_ONCE
