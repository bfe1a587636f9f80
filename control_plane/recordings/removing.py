"""Recordings are removed whole, the file first; a trace says that it is gone."""

import structlog
from sqlmodel import col, func, select

from control_plane.accounts.models import Project
from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.errors import PlatformError
from control_plane.gate.models import AuditEntry
from control_plane.recordings.beeping import RAW
from control_plane.recordings.finishing import is_missing
from control_plane.recordings.models import FILES, Recording, RecordingKind, RecordingStatus
from control_plane.recordings.peaks import peaks_key
from control_plane.recordings.pieces import list_pieces
from control_plane.recordings.settling import lock_recording
from control_plane.recordings.storage import RecordingStore

RETENTION = "retention"
"""Who removes what has been kept long enough, in the trace."""
AT_ONCE = 100

log = structlog.get_logger()


class Remover:
    """Removes recordings that are marked as deleted, and marks those that were kept long enough."""

    def __init__(self, database: Database, clock: Clock, store: RecordingStore) -> None:
        self.database, self.clock, self.store = database, clock, store

    async def remove(self, recording_id: int, *, by: str = RETENTION) -> bool:
        """Remove the file of a recording and all that was made of it, then its row. Raises `Unavailable`.

        False where its recorder may keep a file that is still to come: it is removed as soon as it does.
        """
        async with self.database.platform() as db:
            recording = await db.get(Recording, recording_id)
        if recording is None or recording.deleted_at is None:
            return True
        key, is_to_come = recording.storage_key, False
        if key and is_missing(recording, self.clock.now()):
            if recording.kind in FILES:
                key = await self.store.seal(key)  # as whoever finished it may have begun to
            is_to_come = not await self.store.size(key)
        gone = [key, peaks_key(key)] if key else []
        if raw := recording.details.get(RAW):
            gone.insert(0, raw)
        if key and recording.kind == RecordingKind.HLS:
            gone = [*await list_pieces(self.store, key), key]  # the list last: it names the others
        for key in gone:
            await self.store.remove(key)
        if is_to_come:
            return False
        async with self.database.platform() as db:
            locked = await lock_recording(db, recording_id)
            if locked is None:
                return True
            target = {"recording_id": recording_id, "removed": gone, "size_bytes": locked.size_bytes}
            db.add(
                AuditEntry(
                    project_id=locked.project_id,
                    key_id=by,
                    action="recording removed",
                    target=target,
                    status=200,
                    at=self.clock.now(),
                )
            )
            await db.delete(locked)
        log.info("recording removed", recording=recording_id)
        return True

    async def sweep(self) -> None:
        """Finish what was interrupted, and remove what its project keeps no longer."""
        now = self.clock.now()
        async with self.database.platform() as db:
            kept = select(Recording, Project.retention_days).join(Project, col(Project.id) == Recording.project_id)
            over = kept.where(
                col(Project.retention_days).is_not(None),
                Recording.status != RecordingStatus.RECORDING,
                col(Recording.deleted_at).is_(None),
                col(Recording.ended_at) < now - func.make_interval(0, 0, 0, Project.retention_days),
            )
            for recording, _ in (await db.exec(over.limit(AT_ONCE))).all():
                recording.deleted_at = now
        async with self.database.platform() as db:
            marked = select(Recording.id).where(col(Recording.deleted_at).is_not(None)).order_by(func.random())
            waiting = (await db.exec(marked.limit(AT_ONCE))).all()
        for recording_id in waiting:
            try:
                await self.remove(recording_id)
            except PlatformError as error:
                log.warning("recording not removed", recording=recording_id, reason=error.message)
                return  # the store is away: for the others too
