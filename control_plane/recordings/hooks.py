"""What LiveKit's hooks say of recordings."""

from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.media.recorder import Egress
from control_plane.recordings.egresses import tell_egress
from control_plane.recordings.models import Recording
from control_plane.recordings.taking import find_recording, recognise

RECORDED = "recorded"
"""Live channel: the recording of a session hears it now (`on`), or no longer."""


async def egress_changed(db: Db, clock: Clock, egress: Egress) -> Recording | None:
    """Take a recorder's news; the recording they are about, where it is one of ours."""
    recording = await find_recording(db, egress)
    await tell_egress(db, clock, egress, recording)
    if recording is not None:
        recognise(db, clock, recording, egress)
    return recording
