"""Recordings of one caller's rooms."""

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlmodel import and_, col, select

from control_plane.accounts.room_names import resolve
from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.db.rows import read_excerpt, refuse_missing
from control_plane.errors import Conflict, NotFound, Unavailable
from control_plane.gate.idempotency import Attempt
from control_plane.media.recorder import Recorder
from control_plane.plans.quota import Quota
from control_plane.recordings.beeping import demand_redactable
from control_plane.recordings.models import FILES, Recording, RecordingKind, RecordingOrigin, RecordingStatus
from control_plane.recordings.schemas import RecordingStart
from control_plane.recordings.settling import lock_recording
from control_plane.recordings.taking import RecordingTaker, new_recording, tie_to_session
from control_plane.recordings.telling import ask_stop
from control_plane.rooms.repository import RoomRepository
from control_plane.rooms.service import get_open_room, get_room
from control_plane.wire import Excerpt

log = structlog.get_logger()


class RecordingService:
    """What a caller does with recordings."""

    def __init__(
        self,
        db: Db,
        caller: Caller,
        quota: Quota,
        clock: Clock,
        recorder: Recorder,
        taker: RecordingTaker,
        attempt: Attempt,
    ) -> None:
        self.db, self.caller, self.quota, self.clock, self.attempt = db, caller, quota, clock, attempt
        self.recorder, self.taker = recorder, taker
        self.rooms = RoomRepository(db, caller.project_id)

    async def start(self, given: str, asked: RecordingStart) -> Recording:
        """Record an open room, within the plan's number of running recordings. It begins with the first sound.

        Raises `NotFound` for an unknown room, `Conflict` for a closed one, one that is being recorded just so and one
        that could not be redacted though its project wants it, and `Unavailable` without an egress service.
        """
        if self.attempt.made:
            begun = await self.get(int(self.attempt.made))
            if begun.egress_id is not None:
                return begun
            if begun.ended_at is None and begun.ordered_at is not None:
                raise Unavailable("Whether the recording has begun is being found out; try again", retry_after=5)
            if begun.ended_at is None:
                return await self._order(begun)
        room = await get_open_room(self.rooms, self.caller, given)
        await self.quota.take("recordings")
        running = select(Recording.id).where(
            self._own(),
            Recording.room_name == room.full_name,
            Recording.status == RecordingStatus.RECORDING,
            Recording.kind == RecordingKind.ROOM,
            Recording.format == asked.format,
            Recording.channels == asked.channels,
            col(Recording.stop_asked_at).is_(None),
            col(Recording.ended_at).is_(None),
        )
        if (await self.db.exec(running)).first() is not None:
            raise Conflict(f"The room {room.name!r} is being recorded as {asked.format} already")
        recording = new_recording(
            self.caller.project_id,
            room.full_name,
            format=asked.format,
            channels=asked.channels,
            origin=RecordingOrigin.API,
            at=self.clock.now(),
        )
        recording.details = {"room_id": room.id}
        await tie_to_session(self.db, recording)
        await demand_redactable(self.db, recording)
        self.db.add(recording)
        await self.db.flush()
        await self.attempt.note(self.db, f"{recording.id}")
        return await self._order(recording)

    async def _order(self, recording: Recording) -> Recording:
        await self.db.commit()
        return await self.taker.order(recording.id)

    async def stop(self, given: str, egress_id: str | None) -> list[str]:
        """Stop one running recording of a room, or all; their egress ids. Raises `NotFound` where none runs.

        One whose recorder does not answer now is asked again until it does.
        """
        room = await get_room(self.rooms, self.caller, given)
        query = select(Recording).where(
            self._own(),
            Recording.room_name == room.full_name,
            Recording.status == RecordingStatus.RECORDING,
            col(Recording.ended_at).is_(None),
        )
        if egress_id is not None:
            query = query.where(Recording.egress_id == egress_id)
        running = (await self.db.exec(query.order_by(col(Recording.id)).with_for_update())).all()
        if not running:
            which = f"recording {egress_id!r}" if egress_id else "recording"
            raise NotFound(f"No {which} is running in the room {room.name!r}")
        for recording in running:
            ask_stop(self.db, self.clock, recording)
        stopping = [recording.egress_id for recording in running if recording.egress_id is not None]
        # Who asks the recorder from then on ends what this request does not.
        self.db.afterwards(partial(self._stop, stopping))
        return stopping

    async def _stop(self, egress_ids: list[str]) -> None:
        asked = await asyncio.gather(*map(self.recorder.stop, egress_ids), return_exceptions=True)
        for problem in filter(None, asked):
            if not isinstance(problem, Unavailable):
                raise problem
            log.warning("a recording is stopped later", reason=problem.message)

    async def page(
        self,
        excerpt: Excerpt,
        *,
        room_name: str | None,
        status: str | None,
        session_id: int | None,
        since: datetime | None,
        until: datetime | None,
    ) -> tuple[list[Recording], int]:
        """An excerpt of the recordings, newest first, and how many there are. `room_name` is a short or a full name."""
        query: Any = select(Recording).where(self._own(), col(Recording.deleted_at).is_(None))
        if room_name is not None:
            name = await resolve(self.db, self.caller.slug, room_name, field="room_name")
            query = query.where(Recording.room_name == name.full)
        if status is not None:
            query = query.where(Recording.status == status)
        if session_id is not None:
            query = query.where(Recording.session_id == session_id)
        if since is not None:
            query = query.where(Recording.started_at >= since)
        if until is not None:
            query = query.where(Recording.started_at <= until)
        rows, total = await read_excerpt(self.db, query, col(Recording.id), excerpt)
        return [row[0] for row in rows], total

    async def get(self, recording_id: int) -> Recording:
        """One recording; `NotFound` or `Forbidden`."""
        query = select(Recording).where(self._own(), Recording.id == recording_id)
        found = (await self.db.exec(query)).one_or_none()
        if found is not None and found.deleted_at is not None:
            raise NotFound(f"There is no recording {recording_id}")
        return found or await refuse_missing(self.db, "recording", recording_id, "recording")

    async def get_file(self, recording_id: int) -> Recording:
        """A recording with a file. Raises `Conflict` while it is being written, `NotFound` where there is none."""
        return with_file(await self.get(recording_id))

    async def mark_deleted(self, recording_id: int) -> Recording:
        """Have nobody see a recording any more. Raises `Conflict` while it runs."""
        await self.get(recording_id)
        recording = await lock_recording(self.db, recording_id)
        if recording is None:
            raise NotFound(f"There is no recording {recording_id}")
        if recording.status == RecordingStatus.RECORDING:
            raise Conflict(f"Recording {recording_id} is still running: stop it first")
        recording.deleted_at = self.clock.now()
        return recording

    async def consent(self, recording_id: int, consent: bool) -> Recording:
        """Note whether people agreed to a recording."""
        recording = await self.get(recording_id)
        recording.consent = consent
        return recording

    def expiry(self, seconds: int) -> datetime:
        """The moment a link opens nothing any more."""
        return self.clock.now() + timedelta(seconds=seconds)

    def _own(self) -> Any:
        """Streams are not among the recordings."""
        return and_(col(Recording.project_id) == self.caller.project_id, col(Recording.kind).in_(FILES))


def with_file(recording: Recording) -> Recording:
    """The same. Raises `Conflict` while its file is being written, `NotFound` where there is none."""
    if recording.status == RecordingStatus.RECORDING:
        raise Conflict(f"Recording {recording.id} is still running")
    if not recording.size_bytes:
        raise NotFound(f"Recording {recording.id} has no file: {recording.error}")
    return recording
