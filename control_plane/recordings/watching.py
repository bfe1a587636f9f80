"""Recordings as they are: what the recorder runs, beside what the rows say."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from sqlmodel import col, func, select

from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.errors import PlatformError
from control_plane.media.recorder import Egress, Recorder
from control_plane.recordings.egresses import forget_egress, list_running, only_ours
from control_plane.recordings.finishing import Finisher, which_are_missing
from control_plane.recordings.hooks import egress_changed
from control_plane.recordings.models import Recording, RecordingOrigin, RecordingStatus
from control_plane.recordings.settling import fail, lock_recording
from control_plane.recordings.taking import find_recording, recognise
from control_plane.sessions.models import Session

LOST_AFTER = timedelta(seconds=20)
"""How long after it was asked a recorder may not know a recording; an order that crosses the look is younger."""
LOST, NOT_BEGUN = "the recorder was lost", "the server stopped before a recorder was asked"
UNTOLD = "nobody had heard that it would be recorded"
ASK_AGAIN = timedelta(seconds=8)
"""How long an asked stop may take before it is asked again."""
AT_ONCE = 500
TOLD_AT_ONCE = 50
"""Egresses that a pass asks for one by one: those that run no more."""
BOUND = (RecordingOrigin.AGENT, RecordingOrigin.BOT)
"""Origins whose recordings end with their session."""

log = structlog.get_logger()


class RecordingWatch:
    """Repairs what no hook told: missed ends, orders without an answer, stops that were lost; ends what is too long.

    A recording that an agent's setting or a bot began is as long as its conversation.
    """

    def __init__(
        self, database: Database, clock: Clock, recorder: Recorder, finisher: Finisher, *, longest: timedelta
    ) -> None:
        self.database, self.clock, self.recorder, self.finisher = database, clock, recorder, finisher
        self.longest = longest

    async def compare(self) -> None:
        """One pass over recordings that run here or there. Raises `Unavailable` where LiveKit is away."""
        seen_at = self.clock.now()
        running = {egress.id: egress for egress in await self.recorder.list_running()}
        ours = col(Recording.egress_id).in_(running.keys())
        async with self.database.platform() as db:
            query = select(Recording.egress_id).where(Recording.status == RecordingStatus.RECORDING, ours)
            known = set((await db.exec(query)).all())
        for egress in running.values():  # first: a row whose recorder's answer was lost is not lost with it
            if egress.id not in known:
                await self._claim(egress)
        last = 0
        while rows := await self._after(last):
            last = rows[-1].id
            await self._compare_all(rows, running, seen_at)
        await self._tell(running)

    async def _tell(self, running: Mapping[str, Egress]) -> None:
        """Tell of egresses of which no hook told that they began, or that they ended; of one of ours with its row."""
        async with self.database.platform() as db:
            told = await list_running(db)
            began = await only_ours(db, [egress for egress in running.values() if egress.id not in told])
        for egress_id in sorted(told - running.keys())[:TOLD_AT_ONCE]:
            ended = await self.recorder.find(egress_id)
            if ended is not None:
                began.append(ended)
                continue
            async with self.database.platform() as db:
                await forget_egress(db, self.clock, egress_id)  # LiveKit has forgotten it: nobody knows how it ended
        for egress in began:
            async with self.database.platform() as db:
                await egress_changed(db, self.clock, egress)

    async def _after(self, recording_id: int) -> Sequence[Recording]:
        """The next of those that run."""
        query = select(Recording).where(Recording.status == RecordingStatus.RECORDING, Recording.id > recording_id)
        async with self.database.platform() as db:
            return (await db.exec(query.order_by(col(Recording.id)).limit(AT_ONCE))).all()

    async def _compare_all(self, rows: Sequence[Recording], running: Mapping[str, Egress], seen_at: datetime) -> None:
        of_sessions = [row.session_id for row in rows if row.origin in BOUND and row.session_id]
        over = select(Session.id).where(col(Session.id).in_(of_sessions), col(Session.ended_at).is_not(None))
        async with self.database.platform() as db:
            ended = set((await db.exec(over)).all())
        for row in rows:
            try:
                too_long = self._is_too_long(row, seen_at) or row.session_id in ended
                await self._compare(row, running.get(row.egress_id or ""), seen_at, too_long=too_long)
            except PlatformError as error:
                log.warning("recording not compared", recording=row.id, reason=error.message)

    async def _compare(self, row: Recording, egress: Egress | None, seen_at: datetime, *, too_long: bool) -> None:
        if row.ended_at is not None:
            return
        if row.ordered_at is None:  # what began without an agent is ordered by whoever wrote it down, or by nobody
            if row.origin == RecordingOrigin.API and row.started_at < seen_at - LOST_AFTER:
                await self._lost(row.id, NOT_BEGUN)
            elif row.waits_for_notice and too_long:
                await self._lost(row.id, UNTOLD)
            return
        if egress is None and row.egress_id is not None:
            egress = await self.recorder.find(row.egress_id)
        if egress is None:
            if row.ordered_at < seen_at - LOST_AFTER:
                await self._lost(row.id, LOST)
            return
        async with self.database.platform() as db:
            recording = await lock_recording(db, row.id)
            if recording is not None:
                recognise(db, self.clock, recording, egress)
        if too_long and not egress.state.is_over:
            await self.recorder.stop(egress.id)

    async def look_again(self) -> None:
        """One pass over recordings whose file was not in the store: recorders try again what a store refused."""
        async with self.database.platform() as db:
            missing = select(Recording).where(which_are_missing(self.clock.now()))
            rows = (await db.exec(missing.order_by(func.random()).limit(AT_ONCE))).all()
        for row in rows:
            egress = await self.recorder.find(row.egress_id) if row.egress_id else None
            if egress is not None and egress.state.is_over:
                async with self.database.platform() as db:
                    recording = await lock_recording(db, row.id)
                    if recording is not None:
                        recognise(db, self.clock, recording, egress)
        await self.finisher.finish_all(row.id for row in rows)

    def _is_too_long(self, row: Recording, seen_at: datetime) -> bool:
        if row.stop_asked_at is not None:
            return row.stop_asked_at < seen_at - ASK_AGAIN
        since = row.heard_at or row.ordered_at  # by our clock: a recorder's may be another
        return since is not None and since < seen_at - self.longest

    async def _lost(self, recording_id: int, reason: str) -> None:
        async with self.database.platform() as db:
            recording = await lock_recording(db, recording_id)
            if recording is None or recording.ended_at is not None:
                return
            if reason == LOST or recording.ordered_at is None:
                fail(db, self.clock, recording, reason)

    async def _claim(self, egress: Egress) -> None:
        """A recording whose row does not know it: its answer was lost, or came after its end."""
        async with self.database.platform() as db:
            recording = await find_recording(db, egress)
            if recording is None:
                return  # somebody else's
            recognise(db, self.clock, recording, egress)
            unwanted = recording.ended_at is not None
        if unwanted:
            log.warning("a recording that has ended here still ran", recording=recording.id)
            await self.recorder.stop(egress.id)
