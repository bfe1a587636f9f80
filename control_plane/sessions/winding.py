"""Calls that are brought to a polite end: their workers are told by the next heartbeat, and cut off where they go on.

running ──wind_up_at is set──▶ says goodbye ──▶ ended by its own report
                                     └──after CUT_OFF──▶ ended here; the next heartbeat is answered with `end`
"""

from datetime import timedelta
from typing import Any

import structlog
from sqlmodel import col, select, update

from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.events.log import EventLog
from control_plane.metering.budget import find_used_up
from control_plane.sessions.ending import end_job, lock_running
from control_plane.sessions.models import SessionJob

CUT_OFF = timedelta(seconds=20)
"""From the decision to the end: a heartbeat, the rest of a sentence, a goodbye."""
AT_ONCE = 100
"""Jobs that a pass ends."""

log = structlog.get_logger()


async def wind_up(database: Database, clock: Clock, *, project_id: int, persona_id: int) -> int:
    """Mark the running jobs of a project, or of one agent of it (not 0), whose budget is used up now; how many."""
    async with database.platform() as db:
        personas = [persona_id] if persona_id else []
        if await find_used_up(db, project_id, personas, at=clock.now()) is None:
            return 0  # it was raised, or the month is over
        statement = update(SessionJob).where(
            col(SessionJob.project_id) == project_id,
            col(SessionJob.ended_at).is_(None),
            col(SessionJob.wind_up_at).is_(None),
        )
        if persona_id:
            statement = statement.where(col(SessionJob.persona_id) == persona_id)
        marked = (await db.exec(statement.values(wind_up_at=clock.now()))).rowcount
    if marked:
        log.info("calls wound up", project=project_id, persona=persona_id, calls=marked)
    return marked


async def cut_off(database: Database, clock: Clock) -> int:
    """End the jobs that went on all the same; how many."""
    async with database.platform() as db:
        late: Any = select(SessionJob.id, SessionJob.session_id, SessionJob.project_id).where(
            col(SessionJob.ended_at).is_(None), col(SessionJob.wind_up_at) < clock.now() - CUT_OFF
        )
        found = (await db.exec(late.limit(AT_ONCE))).all()
    for job_id, session_id, project_id in found:
        async with database.platform() as db:
            running = await lock_running(db, job_id, session_id, project_id=project_id)
            if running is not None:
                log.warning("call cut off", session=session_id, worker=running.job.worker_id)
                await end_job(db, EventLog(db, clock), running, outcome="ok", reason="budget", at=clock.now())
    return len(found)
