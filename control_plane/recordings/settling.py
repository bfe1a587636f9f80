"""How a recording ends: once, with the truth about its file."""

from datetime import datetime, timedelta

import structlog
from sqlmodel import select

from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.jobs.queue import enqueue
from control_plane.media.recorder import Egress, EgressState
from control_plane.metering.ledger import record
from control_plane.metering.models import UsageEntry
from control_plane.recordings.models import Recording, RecordingStatus
from control_plane.recordings.peaks import PEAKS
from control_plane.recordings.storage import RecordingStore

FORMATS = ("ogg", "mp3", "mp4", "wav")
NOTHING_HEARD = "nothing was recorded"
ARRIVES_WITHIN = timedelta(minutes=5)
"""How long after its end a file may take into the store: recorders try an upload again."""

log = structlog.get_logger()


async def lock_recording(db: Db, recording_id: int) -> Recording | None:
    """A recording, locked until the commit."""
    query = select(Recording).where(Recording.id == recording_id).with_for_update()
    return (await db.exec(query.execution_options(populate_existing=True))).one_or_none()


def settle(db: Db, clock: Clock, recording: Recording, egress: Egress) -> None:
    """Take a recorder's last word on a recording whose row is locked; its file is looked at next, by `Finisher`."""
    if recording.ended_at is not None:
        return
    if not egress.size:
        aborted = egress.state is EgressState.ABORTED or not egress.error
        fail(db, clock, recording, NOTHING_HEARD if aborted else egress.error)
        return
    recording.ended_at = egress.ended_at or clock.now()
    recording.duration, recording.size_bytes = egress.seconds, egress.size
    if egress.state is EgressState.FAILED:
        recording.error = egress.error or "the recorder failed"
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


class Finisher:
    """Looks at the files of recordings that have ended, and says what became of them."""

    def __init__(self, database: Database, clock: Clock, store: RecordingStore) -> None:
        self.database, self.clock, self.store = database, clock, store

    async def finish(self, recording_id: int) -> None:
        """Complete a recording whose file is in the store. Raises `Unavailable` where the store does not say."""
        async with self.database.platform() as db:
            found = await db.get(Recording, recording_id)
        if found is None or not _is_unfinished(found):
            return
        key = await self.store.seal(found.storage_key or "")
        size = await self.store.size(key)
        async with self.database.platform() as db:
            recording = await lock_recording(db, recording_id)
            if recording is None or not _is_unfinished(recording):
                return
            if not size:
                if self.clock.now() - (recording.ended_at or self.clock.now()) > ARRIVES_WITHIN:
                    fail(db, self.clock, recording, recording.error or "its file did not reach the store")
                return
            recording.storage_key, recording.size_bytes = key, size
            await enqueue(db, PEAKS, str(recording.id), run_at=self.clock.now(), recording_id=recording.id)
            await record(db, _usage(recording, at=self.clock.now()), clock=self.clock)
            recording.status = RecordingStatus.ERROR if recording.error else RecordingStatus.COMPLETED
            tell_end(db, self.clock, recording)


def _usage(recording: Recording, *, at: datetime) -> UsageEntry:
    return UsageEntry(
        project_id=recording.project_id,
        source=f"recording:{recording.id}",
        session_id=recording.session_id,
        service="recording",
        provider="local",
        model=recording.format,
        audio_seconds=recording.duration or 0,
        requests=1,
        at=at,
    )


def _is_unfinished(recording: Recording) -> bool:
    return recording.ended_at is not None and recording.status == RecordingStatus.RECORDING
