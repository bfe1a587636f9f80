"""Egresses of LiveKit's, ours and others': told once that one runs, and once that it has ended, whoever hears of it."""

from collections.abc import Collection
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select, update

from control_plane.accounts.models import Project
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.media.recorder import Egress, EgressState
from control_plane.recordings.models import Recording, ToldEgress


async def tell_egress(db: Db, clock: Clock, egress: Egress, recording: Recording | None) -> None:
    """Record that an egress runs, and that it has ended, unless that was told. One that has ended has run.

    In rooms of projects only. One without an id never began, and is told each time.
    """
    slug = egress.room.partition("_")[0]
    project_id = (await db.exec(select(Project.id).where(col(Project.slug) == slug))).first()
    if project_id is None:
        return
    log, now = EventLog(db, clock), clock.now()
    told: dict[str, Any] = {
        "project_id": project_id,
        "room_name": egress.room,
        "egress_id": egress.id,
        "recording_id": recording.id if recording else None,
    }
    ended: dict[str, Any] = {"status": egress.state, "error": egress.error or None}
    if not egress.id:
        log.append(Fact.EGRESS_ENDED, **told, **ended)
        return
    row = {"id": egress.id, "project_id": project_id, "room_name": egress.room, "began_at": now}
    begun = insert(ToldEgress).values(**row).on_conflict_do_nothing().returning(col(ToldEgress.id))
    if await db.scalar(begun) is not None:
        log.append(Fact.EGRESS_STARTED, **told, status=EgressState.STARTING, error=None)
    if egress.state.is_over and await forget_egress(db, clock, egress.id):
        log.append(Fact.EGRESS_ENDED, **told, **ended)


async def forget_egress(db: Db, clock: Clock, egress_id: str) -> bool:
    """An egress does not run any more; whether it did by our rows."""
    running = update(ToldEgress).where(col(ToldEgress.id) == egress_id, col(ToldEgress.ended_at).is_(None))
    return await db.scalar(running.values(ended_at=clock.now()).returning(col(ToldEgress.id))) is not None


async def list_running(db: Db) -> set[str]:
    """Egresses of which nobody has told the end."""
    return set((await db.exec(select(ToldEgress.id).where(col(ToldEgress.ended_at).is_(None)))).all())


async def only_ours(db: Db, egresses: Collection[Egress]) -> list[Egress]:
    """Those in rooms of projects."""
    slugs = {egress.room.partition("_")[0] for egress in egresses}
    if not slugs:
        return []
    known = set((await db.exec(select(Project.slug).where(col(Project.slug).in_(slugs)))).all())
    return [egress for egress in egresses if egress.room.partition("_")[0] in known]
