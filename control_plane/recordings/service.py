"""Recordings of one caller's rooms."""

from typing import Any, NoReturn

from sqlmodel import col, select

from control_plane.accounts.room_names import resolve
from control_plane.auth.callers import Caller
from control_plane.db.database import Db
from control_plane.db.rows import read_page, refuse_missing
from control_plane.errors import Conflict, NotFound, Unavailable
from control_plane.plans.quota import Quota
from control_plane.recordings.models import Recording, RecordingStatus
from control_plane.rooms.repository import RoomRepository
from control_plane.rooms.service import get_open_room, get_room
from control_plane.wire import Page

RETRY_AFTER = 60
"""Seconds after which it is worth asking again for a part of the installation that is missing."""


class RecordingService:
    """What a caller does with recordings. Starting, stopping and files need an egress service beside LiveKit."""

    def __init__(self, db: Db, caller: Caller, quota: Quota) -> None:
        self.db, self.caller, self.quota = db, caller, quota
        self.rooms = RoomRepository(db, caller.project_id)

    async def start(self, given: str) -> NoReturn:
        """Record an open room, within the plan's number of running recordings.

        Raises `NotFound` for an unknown room, `Conflict` for a closed one, and `Unavailable` without an egress service.
        """
        await get_open_room(self.rooms, self.caller, given)
        await self.quota.take("recordings")
        _refuse_without_egress()

    async def stop(self, given: str, egress_id: str | None) -> NoReturn:
        """Stop one running recording of a room, or all. Raises `NotFound` where none runs, and `Unavailable`."""
        room = await get_room(self.rooms, self.caller, given)
        query = select(Recording.id).where(
            self._own(), Recording.room_name == room.full_name, Recording.status == RecordingStatus.RECORDING
        )
        if egress_id is not None:
            query = query.where(Recording.egress_id == egress_id)
        if (await self.db.exec(query)).first() is None:
            which = f"recording {egress_id!r}" if egress_id else "recording"
            raise NotFound(f"No {which} is running in the room {room.name!r}")
        _refuse_without_egress()

    async def page(self, page: Page, *, room_name: str | None, status: str | None) -> tuple[list[Recording], int]:
        """A page of recordings, newest first, and how many there are. `room_name` is a short or a full name."""
        query: Any = select(Recording).where(self._own())
        if room_name is not None:
            name = await resolve(self.db, self.caller.slug, room_name, field="room_name")
            query = query.where(Recording.room_name == name.full)
        if status is not None:
            query = query.where(Recording.status == status)
        return await read_page(self.db, query.order_by(col(Recording.id).desc()), page)

    async def get(self, recording_id: int) -> Recording:
        """One recording; `NotFound` or `Forbidden`."""
        query = select(Recording).where(self._own(), Recording.id == recording_id)
        found = (await self.db.exec(query)).one_or_none()
        return found or await refuse_missing(self.db, "recording", recording_id, "recording")

    async def open_file(self, recording_id: int) -> NoReturn:
        """The file of a recording. Raises `Conflict` while it is being written, `NotFound` where there is none."""
        recording = await self.get(recording_id)
        if recording.status == RecordingStatus.RECORDING:
            raise Conflict(f"Recording {recording_id} is still running")
        if recording.storage_key is None:
            raise NotFound(f"Recording {recording_id} has no file")
        _refuse_without_egress()

    async def delete(self, recording_id: int) -> None:
        """Delete a recording and its file; `Conflict` while it runs."""
        recording = await self.get(recording_id)
        if recording.status == RecordingStatus.RECORDING:
            raise Conflict(f"Recording {recording_id} is still running: stop it first")
        if recording.storage_key is not None:
            _refuse_without_egress()
        await self.db.delete(recording)

    def _own(self) -> Any:
        return Recording.project_id == self.caller.project_id


def _refuse_without_egress() -> NoReturn:
    raise Unavailable(
        "No egress service is connected: recordings need one beside livekit-server", retry_after=RETRY_AFTER
    )
