"""The agent as a conversation that goes on uses it, whatever was published since."""

from sqlmodel import col, select

from control_plane.db.database import Db
from control_plane.personas.models import Persona
from control_plane.personas.serving import find_version
from control_plane.sessions.models import Session, SessionJob, Slot


async def find_served(db: Db, session: Session, epoch: int | None = None) -> Persona | None:
    """The agent of a session's job, or of its last one; None where it has had none."""
    query = select(SessionJob).where(SessionJob.project_id == session.project_id, SessionJob.session_id == session.id)
    if epoch is not None:
        query = query.where(SessionJob.epoch == epoch)
    job = (await db.exec(query.order_by(col(SessionJob.epoch).desc()).limit(1))).first()
    if job is None:
        return None
    slot = select(Slot).where(Slot.session_id == session.id, col(Slot.persona_ids).contains([job.persona_id]))
    held = (await db.exec(slot.limit(1))).first()
    version = session.persona_versions.get(str(job.persona_id))
    draft = held.draft if held is not None else None
    serving = await find_version(db, job.persona_id, version, project_id=session.project_id, draft=draft)
    return serving.persona if serving is not None else None
