"""What becomes known of a recording, step by step: the same of files and of streams, under names of their own."""

from typing import Any, Final, Literal

from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.recordings.models import FILES, Recording

Step = Literal["starting", "started", "stopping", "stopped", "failed"]

_OF_FILES: Final[dict[Step, Fact]] = {
    "starting": Fact.RECORDING_STARTING,
    "started": Fact.RECORDING_STARTED,
    "stopping": Fact.RECORDING_STOPPING,
    "stopped": Fact.RECORDING_STOPPED,
    "failed": Fact.RECORDING_FAILED,
}
_OF_STREAMS: Final[dict[Step, Fact]] = {
    "starting": Fact.STREAM_STARTING,
    "started": Fact.STREAM_STARTED,
    "stopping": Fact.STREAM_STOPPING,
    "stopped": Fact.STREAM_STOPPED,
    "failed": Fact.STREAM_FAILED,
}


def tell(db: Db, clock: Clock, recording: Recording, step: Step) -> None:
    """Record a step of a recording."""
    fact = (_OF_FILES if recording.kind in FILES else _OF_STREAMS)[step]
    told: dict[str, Any] = {
        "recording_id": recording.id,
        "session_id": recording.session_id,
        "egress_id": recording.egress_id,
        "format": recording.format,
        "status": recording.status,
    }
    if step in ("stopped", "failed"):
        told |= {"duration": recording.duration, "size_bytes": recording.size_bytes, "error": recording.error}
    EventLog(db, clock).append(fact, project_id=recording.project_id, room_name=recording.room_name, **told)


def tell_playable(db: Db, clock: Clock, recording: Recording) -> None:
    """Record once that the first part of a stream can be played."""
    if recording.playable_at is None:
        recording.playable_at = clock.now()
        EventLog(db, clock).append(
            Fact.STREAM_PLAYABLE,
            project_id=recording.project_id,
            room_name=recording.room_name,
            recording_id=recording.id,
        )


def ask_stop(db: Db, clock: Clock, recording: Recording) -> None:
    """Note that a recording is to end, and tell it once. The row must be locked."""
    if recording.stop_asked_at is None:
        recording.stop_asked_at = clock.now()
        tell(db, clock, recording, "stopping")
