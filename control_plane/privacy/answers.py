"""What waits: answers that are kept to be given again, and jobs."""

from typing import Any, Final

from sqlalchemy import text

from control_plane.db.database import Db
from control_plane.privacy.finding import Found
from control_plane.privacy.persons import Names
from control_plane.secrets.box import SecretBox

_ANSWERS: Final = text("select key, sealed_body from idempotent_request where project_id = :project order by key")
_DROP: Final = text("delete from idempotent_request where project_id = :project and key = any(:keys)")
# The sessions of `video.close` are rooms, with numbers of their own: they may be anybody's.
_JOBS: Final = text(r"""
    delete from job where state in ('waiting', 'done', 'failed') and kind not like 'privacy.%' and (
        payload ->> 'session_id' = any(:sessions) and kind <> 'video.close'
        or payload ->> 'meeting_id' = any(:meetings)
        or payload::text ilike any(:likes) and (
            payload ->> 'project_id' = :project
            or payload ->> 'room_name' like (
                select slug || '\_%' from project where id = cast(:project as bigint))))
""")


async def drop_answers(db: Db, box: SecretBox, project_id: int, names: Names) -> int:
    """Drop the answers that name them, of the last day; what repeats such a request does it anew."""
    rows = (await db.execute(_ANSWERS, {"project": project_id})).all()
    naming = [row.key for row in rows if row.sealed_body is not None and names.name(_opened(box, project_id, row))]
    await db.execute(_DROP, {"project": project_id, "keys": naming})
    return len(naming)


async def drop_jobs(db: Db, project_id: int, names: Names, found: Found) -> int:
    """Drop what waits to be done for their conversations, or was done: all of it is erased."""
    values = {
        "project": str(project_id),
        "sessions": [str(each) for each in found.sessions],
        "meetings": [str(each) for each in found.meetings],
        "likes": names.likes(),
    }
    done: Any = await db.execute(_JOBS, values)
    return int(done.rowcount)


def _opened(box: SecretBox, project_id: int, row: Any) -> str:
    try:
        return box.open(row.sealed_body, row=f"idempotent_request:{project_id}:{row.key}")
    except ValueError:  # of another key, or no seal: nobody can read it
        return ""
