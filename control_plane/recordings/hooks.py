"""What LiveKit's hooks say of recordings."""

from typing import Literal

from sqlmodel import col, select

from control_plane.accounts.models import Project
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.media.recorder import Egress
from control_plane.recordings.models import Recording
from control_plane.recordings.taking import find_recording, recognise

RECORDED = "recorded"
"""Live channel: the recording of a session hears it now (`on`), or no longer."""
EgressHook = Literal["egress_started", "egress_updated", "egress_ended"]


async def egress_changed(db: Db, clock: Clock, hook: EgressHook, egress: Egress) -> Recording | None:
    """Take a recorder's news; the recording they are about, where it is one of ours."""
    fact = {"egress_started": Fact.EGRESS_STARTED, "egress_ended": Fact.EGRESS_ENDED}.get(hook)
    slug = egress.room.partition("_")[0]
    project = (await db.exec(select(Project.id).where(col(Project.slug) == slug))).first()
    recording = await find_recording(db, egress)
    if fact is not None and project is not None:
        EventLog(db, clock).append(
            fact,
            project_id=project,
            room_name=egress.room,
            egress_id=egress.id,
            recording_id=recording.id if recording else None,
            status=egress.state,
            error=egress.error or None,
        )
    if recording is not None:
        recognise(db, clock, recording, egress)
    return recording
