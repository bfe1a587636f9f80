"""The audit trail, verified round after round without being asked: whoever changes it behind the platform's back sets
off an alarm, which stands until a whole round has found nothing.
"""

from typing import Any, Final

import structlog
from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import insert

from control_plane.accounts.chaining import verify_trail
from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.gate.models import AuditCheck
from control_plane.secrets.macs import Macs

ENTRIES: Final = 20_000
"""Entries after which a pass looks at no further project. Of one it looks at no more at once: `chaining.MOST`."""
PROJECTS: Final = 200
"""Projects of one pass: the next begins with those that were looked at the longest ago."""

_DUE: Final = text("""
    select project.id, after, found, broken, finished_at
    from project left join audit_check on audit_check.project_id = project.id
    order by looked_at nulls first, project.id limit :most
""")

log = structlog.get_logger()


async def verify_trails(database: Database, clock: Clock, macs: Macs) -> None:
    """Verify as much as one pass may, going on where the last one stood."""
    async with database.platform() as db:
        due = (await db.execute(_DUE, {"most": PROJECTS})).all()
    left = ENTRIES
    for project in due:
        left -= await _verify_on(database, clock, macs, project)
        if left <= 0:
            return


async def _verify_on(database: Database, clock: Clock, macs: Macs, last: Row[Any]) -> int:
    """Go on with the round of a project; how many entries were looked at."""
    async with database.platform() as db:
        verdict = await verify_trail(db, macs, last.id, after=last.after or 0)
    found = last.found if last.after else None
    if verdict.problems:
        found = found or verdict.problems[0].model_dump()
        log.error("audit trail broken", project=last.id, problems=len(verdict.problems), **found)
    is_over = verdict.next_after is None
    values = {
        "after": verdict.next_after or 0,
        "found": found,
        "broken": found if is_over else found or last.broken,
        "looked_at": clock.now(),
        "finished_at": clock.now() if is_over else last.finished_at,
    }
    put = insert(AuditCheck).values(project_id=last.id, **values)
    async with database.platform() as db:
        await db.execute(put.on_conflict_do_update(index_elements=["project_id"], set_=values))
    return verdict.entries
