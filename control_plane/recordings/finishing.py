"""What became of the files of recordings that have ended."""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlmodel import and_, col, select

from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import PlatformError, Unavailable
from control_plane.jobs.queue import enqueue
from control_plane.metering.ledger import record
from control_plane.metering.models import UsageEntry
from control_plane.recordings.beeping import Beeper, wants_beeps
from control_plane.recordings.models import FILES, Recording, RecordingKind, RecordingStatus
from control_plane.recordings.peaks import PEAKS
from control_plane.recordings.settling import KEPT, NOT_THERE, fail, lock_recording, tell_end
from control_plane.recordings.storage import AWAY, GONE, RecordingStore
from control_plane.recordings.telling import tell_playable

ARRIVES_WITHIN: Final = timedelta(minutes=1)
"""How long after its end a recording waits for its file before it is an error; one that comes later mends that."""
LOOKED_FOR: Final = timedelta(days=30)
"""How long a file is looked for that did not come: recorders keep what a store refuses."""
AT_ONCE: Final = 500
TOGETHER: Final = 8
"""Files that are looked at together: a store that hangs must not keep all others waiting."""
MENDED: Final = (NOT_THERE, KEPT, AWAY, GONE)
"""Errors that are none any more as soon as the file is there."""

log = structlog.get_logger()


class Finisher:
    """Looks at files in the store, and says whether a recording is complete."""

    def __init__(self, database: Database, clock: Clock, store: RecordingStore, beeper: Beeper | None = None) -> None:
        """Without a `beeper` it leaves what is to be redacted to the process that has one."""
        self.database, self.clock, self.store, self.beeper = database, clock, store, beeper

    async def finish(self, recording_id: int) -> None:
        """Complete a recording whose file is in the store. One that ended a minute ago without is an error."""
        async with self.database.platform() as db:
            found = await db.get(Recording, recording_id)
        if found is None or not self._is_awaited(found):
            return
        key, size, problem = await self._look(found)
        async with self.database.platform() as db:
            recording = await lock_recording(db, recording_id)
            if recording is None or not self._is_awaited(recording):
                return
            if size and await wants_beeps(db, recording):
                if self.beeper is not None:
                    self.beeper.begin(recording_id, key, size)
                return
            if size:
                await self._complete(db, recording, key, size)
            elif recording.status == RecordingStatus.RECORDING and self._is_over(recording, problem):
                fail(db, self.clock, recording, recording.error or problem)

    async def sweep(self) -> None:
        """Look at the files of all recordings that have just ended."""
        query = select(Recording.id).where(
            Recording.status == RecordingStatus.RECORDING, col(Recording.ended_at).is_not(None)
        )
        async with self.database.platform() as db:
            waiting = (await db.exec(query.order_by(col(Recording.id)).limit(AT_ONCE))).all()
        await self.finish_all(waiting)

    async def find_playable(self) -> None:
        """Tell of the streams whose first part has come to the store."""
        query = select(Recording.id, Recording.storage_key).where(
            Recording.status == RecordingStatus.RECORDING,
            Recording.kind == RecordingKind.HLS,
            col(Recording.egress_id).is_not(None),
            col(Recording.playable_at).is_(None),
        )
        async with self.database.platform() as db:
            waiting = (await db.exec(query.order_by(col(Recording.id)).limit(AT_ONCE))).all()
        for recording_id, key in waiting:
            if await self.store.size(key or ""):
                async with self.database.platform() as db:
                    recording = await lock_recording(db, recording_id)
                    if recording is not None and recording.ended_at is None:
                        tell_playable(db, self.clock, recording)

    async def finish_all(self, recordings: Iterable[int]) -> None:
        """Finish some of them together; what goes wrong with one is no concern of the others."""
        together = asyncio.Semaphore(TOGETHER)

        async def finish(recording_id: int) -> None:
            async with together:
                try:
                    await self.finish(recording_id)
                except PlatformError as error:
                    log.warning("a recording is finished later", recording=recording_id, reason=error.message)

        async with asyncio.TaskGroup() as tasks:
            for recording_id in recordings:
                tasks.create_task(finish(recording_id))

    def _is_awaited(self, recording: Recording) -> bool:
        if recording.ended_at is None or recording.deleted_at is not None:
            return False
        return recording.status == RecordingStatus.RECORDING or is_missing(recording, self.clock.now())

    async def _look(self, recording: Recording) -> tuple[str, int | None, str]:
        """The key of a file as it is kept, its size, and why there is none."""
        key = recording.storage_key or ""
        try:
            key = await self.store.seal(key) if recording.kind in FILES else key
            return key, await self.store.size(key), NOT_THERE
        except Unavailable as error:
            return key, None, error.message

    def _is_over(self, recording: Recording, problem: str) -> bool:
        """Whether a file was waited for enough: not at all where its recorder says why it is not there."""
        if recording.error and problem != AWAY:
            return True
        return self.clock.now() - (recording.ended_at or self.clock.now()) > ARRIVES_WITHIN

    async def _complete(self, db: Db, recording: Recording, key: str, size: int) -> None:
        now = self.clock.now()
        recording.storage_key = key
        if recording.kind in FILES:
            recording.size_bytes = size
        if recording.error in MENDED:
            recording.error = None
        if recording.kind in FILES:
            await enqueue(db, PEAKS, str(recording.id), run_at=now, recording_id=recording.id)
        await record(db, _usage(recording, at=recording.ended_at or now), clock=self.clock)
        recording.status = RecordingStatus.ERROR if recording.error else RecordingStatus.COMPLETED
        tell_end(db, self.clock, recording)


def is_missing(recording: Recording, now: datetime) -> bool:
    """Whether its file was made, is not in the store, and may still come."""
    made = recording.ended_at is not None and recording.duration is not None
    return made and recording.size_bytes is None and now - (recording.ended_at or now) < LOOKED_FOR


def which_are_missing(now: datetime) -> Any:
    """The condition of recordings that `is_missing` holds for, and that nobody deleted."""
    return and_(
        col(Recording.status) == RecordingStatus.ERROR,
        col(Recording.duration).is_not(None),
        col(Recording.size_bytes).is_(None),
        col(Recording.deleted_at).is_(None),
        col(Recording.ended_at) > now - LOOKED_FOR,
    )


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
