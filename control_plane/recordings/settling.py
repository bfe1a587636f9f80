"""How a recording ends: once, with the truth about its file."""

from typing import Final

import structlog
from sqlmodel import select

from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.media.recorder import Egress, EgressState
from control_plane.recordings.models import Recording, RecordingStatus

FORMATS = ("ogg", "mp3", "mp4", "wav")
NOTHING_HEARD = "nothing was recorded"
NOT_THERE: Final = "its file did not reach the store"
KEPT: Final = "its file did not reach the store: the recorder keeps it and tries again"

log = structlog.get_logger()


async def lock_recording(db: Db, recording_id: int) -> Recording | None:
    """A recording, locked until the commit."""
    query = select(Recording).where(Recording.id == recording_id).with_for_update()
    return (await db.exec(query.execution_options(populate_existing=True))).one_or_none()


def settle(db: Db, clock: Clock, recording: Recording, egress: Egress) -> None:
    """Take a recorder's last word on a recording whose row is locked; its file is looked at next, by `Finisher`.

    A word that comes after the end counts where the row has no file: one that was given up, or stored later.
    """
    if recording.ended_at is not None:
        if recording.status == RecordingStatus.ERROR and not recording.size_bytes and egress.size:
            _correct(recording, egress)
        return
    if not egress.size:
        aborted = egress.state is EgressState.ABORTED or not egress.error
        fail(db, clock, recording, NOTHING_HEARD if aborted else egress.error)
        return
    now = clock.now()
    recording.ended_at = min(egress.ended_at or now, now)  # a recorder's clock may be ahead
    recording.size_bytes = egress.size
    _take_file(recording, egress)
    if egress.state is EgressState.FAILED:
        recording.error = egress.error or "the recorder failed"
    elif egress.is_kept:
        recording.error = KEPT


def _correct(recording: Recording, egress: Egress) -> None:
    was_refused = recording.duration is not None
    _take_file(recording, egress)
    if was_refused and not egress.is_kept and egress.state is not EgressState.FAILED:
        recording.error = NOT_THERE  # all that is wrong with it, until it is found there


def _take_file(recording: Recording, egress: Egress) -> None:
    """What a recorder wrote."""
    recording.duration, recording.missing_ms = egress.seconds or 0, round(egress.missing * 1000)
    written = egress.filename.rpartition(".")[2]
    if written in FORMATS and written != recording.format and recording.storage_key:
        # A recorder that cannot write what was asked says so by its file's name.
        recording.storage_key = recording.storage_key.removesuffix(recording.format) + written
        recording.format = written


def fail(db: Db, clock: Clock, recording: Recording, reason: str) -> None:
    """End a recording without a file. The row must be locked."""
    recording.status, recording.error, recording.size_bytes = RecordingStatus.ERROR, reason, None
    recording.ended_at = recording.ended_at or clock.now()
    tell_end(db, clock, recording)


def tell_end(db: Db, clock: Clock, recording: Recording) -> None:
    """Record that a recording has ended, and how."""
    log.info("recording ended", recording=recording.id, status=recording.status, reason=recording.error)
    told = {
        "recording_id": recording.id,
        "session_id": recording.session_id,
        "egress_id": recording.egress_id,
        "format": recording.format,
        "status": recording.status,
        "duration": recording.duration,
        "size_bytes": recording.size_bytes,
        "error": recording.error,
    }
    for fact in (Fact.RECORDING_STOPPED, Fact.RECORDING_FAILED):
        if fact is Fact.RECORDING_STOPPED or recording.status == RecordingStatus.ERROR:
            EventLog(db, clock).append(fact, project_id=recording.project_id, room_name=recording.room_name, **told)
