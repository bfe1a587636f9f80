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
from control_plane.errors import Unavailable
from control_plane.gate.models import AuditCheck
from control_plane.secrets.macs import Macs

ENTRIES: Final = 20_000
"""Entries after which a pass looks at no further project. Of one it looks at no more at once: `chaining.MOST`."""
PROJECTS: Final = 200
"""Projects of one pass: the next begins with those that were looked at the longest ago."""
UNREADABLE: Final = {"entry_id": None, "kind": "unreadable"}
"""What is told of a trail with a value in it that the platform cannot have written, such as a time without end."""

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
    """Go on with the round of a project; how many entries were looked at. One that cannot be read keeps none of the
    others from being verified."""
    after, looked_at = last.after or 0, {"looked_at": clock.now()}
    try:
        async with database.platform() as db:
            verdict = await verify_trail(db, macs, last.id, after=after)
    except Unavailable:  # such as a statement that took too long
        log.warning("audit trail is verified later", project=last.id)
        await _note(database, last.id, {"after": after, **looked_at})
        return 0
    except Exception:
        log.exception("audit trail broken", project=last.id, **UNREADABLE)
        await _note(database, last.id, {"after": 0, "found": None, "broken": UNREADABLE, **looked_at})
        return 0
    found = last.found if last.after else None
    if verdict.problems:
        found = found or verdict.problems[0].model_dump()
        log.error("audit trail broken", project=last.id, problems=len(verdict.problems), **found)
    is_over = verdict.next_after is None
    values = {
        "after": verdict.next_after or 0,
        "found": found,
        "broken": found if is_over else found or last.broken,
        "finished_at": clock.now() if is_over else last.finished_at,
        **looked_at,
    }
    await _note(database, last.id, values)
    return verdict.entries


async def _note(database: Database, project_id: int, values: dict[str, Any]) -> None:
    put = insert(AuditCheck).values(project_id=project_id, **values)
    async with database.platform() as db:
        await db.execute(put.on_conflict_do_update(index_elements=["project_id"], set_=values))
