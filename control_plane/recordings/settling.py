"""How a recording ends: once, with the truth about its file."""

from typing import Final

import structlog
from sqlmodel import select

from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.media.recorder import Egress, EgressState
from control_plane.recordings.models import Recording, RecordingKind, RecordingStatus
from control_plane.recordings.telling import tell

FORMATS = ("ogg", "mp3", "mp4", "wav", "webm")
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
    if recording.kind == RecordingKind.LIVESTREAM:
        _settle_stream(db, clock, recording, egress)
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


def _settle_stream(db: Db, clock: Clock, recording: Recording, egress: Egress) -> None:
    """A livestream leaves nothing: it went on until it was stopped, or broke off."""
    if egress.started_at is None or egress.state in (EgressState.FAILED, EgressState.ABORTED):
        fail(db, clock, recording, egress.error or NOTHING_HEARD)
        return
    now = clock.now()
    recording.ended_at = min(egress.ended_at or now, now)
    recording.duration = max(0.0, (recording.ended_at - egress.started_at).total_seconds())
    recording.status = RecordingStatus.COMPLETED
    tell_end(db, clock, recording)


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
    tell(db, clock, recording, "stopped")
    if recording.status == RecordingStatus.ERROR:
        tell(db, clock, recording, "failed")
