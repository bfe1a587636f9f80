"""How a recording begins: its row first, then the recorder is asked, once."""

import json
import secrets
from datetime import datetime
from typing import Any

import structlog
from sqlmodel import col, func, select

from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import Conflict, NotFound, PlatformError
from control_plane.media.orders import Picture, RecordingOrder
from control_plane.media.recorder import Egress, EgressState, Recorder
from control_plane.recordings.models import Recording, RecordingOrigin
from control_plane.recordings.settling import fail, lock_recording, settle
from control_plane.recordings.telling import ask_stop, tell
from control_plane.secrets.box import SecretBox
from control_plane.sessions.repository import SessionRepository
from guard.outbound import RTMP, BadAddress, Outbound

log = structlog.get_logger()


def new_recording(
    project_id: int, room_name: str, *, format: str, channels: str, origin: RecordingOrigin, at: datetime
) -> Recording:
    """A recording that no recorder knows yet. The name of its file says nothing of who is in it."""
    return Recording(
        project_id=project_id,
        room_name=room_name,
        origin=origin,
        format=format,
        channels=channels,
        storage_key=f"{project_id}/{at:%Y-%m}/{secrets.token_hex(16)}.{format}",
        started_at=at,
    )


async def tie_to_session(db: Db, recording: Recording) -> None:
    """Tie it to the conversation that goes on in its room, so that a word is found in the sound."""
    session = await SessionRepository(db, recording.project_id).find_active(recording.room_name)
    if session is not None:
        recording.session_id, recording.zero_at = session


class RecordingTaker:
    """Asks the recorder for what a row holds."""

    def __init__(
        self, database: Database, clock: Clock, recorder: Recorder, box: SecretBox, outbound: Outbound
    ) -> None:
        self.database, self.clock, self.recorder, self.box = database, clock, recorder, box
        self.outbound = outbound

    async def order(self, recording_id: int) -> Recording:
        """Have a recording made, unless that was asked before. Holds no connection meanwhile.

        Raises `Unavailable`, `NotFound` and `Conflict` where no recorder takes it; its row then says why.
        """
        recording = await self._claim(recording_id)
        if recording is None:
            raise Conflict("This recording has begun already")
        order = order_of(recording, self.box)
        try:
            await self._judge(order)
            egress = await self.recorder.start(order)
        except PlatformError as error:
            await self._refused(recording_id, error.message)
            raise
        return await self._begun(recording_id, egress)

    async def _judge(self, order: RecordingOrder) -> None:
        """What was judged when it was given is judged where it is used: its name may lead elsewhere by now."""
        try:
            for url in order.urls:
                await self.outbound.check(url, RTMP)
            if order.picture is not None and order.picture.template_url:
                await self.outbound.check(order.picture.template_url)
        except BadAddress as error:
            raise Conflict(f"An address that this needs {error.reason}") from error

    async def _claim(self, recording_id: int) -> Recording | None:
        async with self.database.platform() as db:
            recording = await lock_recording(db, recording_id)
            if recording is None or recording.ordered_at is not None or recording.ended_at is not None:
                return None
            recording.ordered_at = self.clock.now()
            tell(db, self.clock, recording, "starting")
        return recording

    async def _refused(self, recording_id: int, reason: str) -> None:
        async with self.database.platform() as db:
            recording = await lock_recording(db, recording_id)
            if recording is not None and recording.egress_id is None:
                fail(db, self.clock, recording, reason)

    async def _begun(self, recording_id: int, egress: Egress) -> Recording:
        async with self.database.platform() as db:
            recording = await lock_recording(db, recording_id)
            if recording is None:
                raise NotFound("The recording was deleted")
            recognise(db, self.clock, recording, egress)
            stop = recording.stop_asked_at is not None or recording.ended_at is not None
        if stop:  # somebody wanted its end before there was anything to end
            await self.recorder.stop(egress.id)
        return recording


def urls_row(recording_id: int) -> str:
    """The row that a livestream's addresses are sealed for."""
    return f"recording:{recording_id}"


def order_of(recording: Recording, box: SecretBox) -> RecordingOrder:
    """What a recorder is asked for."""
    details, urls = recording.details, recording.sealed_urls
    picture = details.get("picture")
    return RecordingOrder(
        recording.room_name,
        recording.storage_key or "",
        format=recording.format,
        channels=recording.channels,  # type: ignore[arg-type]  # columns hold what the schema let in
        kind=recording.kind,  # type: ignore[arg-type]
        picture=Picture(**picture) if picture else None,
        identity=details.get("identity", ""),
        audio_track=details.get("audio_track", ""),
        video_track=details.get("video_track", ""),
        urls=tuple(json.loads(box.open(urls, row=urls_row(recording.id)))) if urls else (),
    )


def recognise(db: Db, clock: Clock, recording: Recording, egress: Egress) -> None:
    """Take what a recorder says of a recording; told once that it has begun. The row must be locked."""
    if recording.ended_at is None:
        _note_beginning(db, clock, recording, egress)
        if egress.state in (EgressState.ENDING, EgressState.COMPLETE):  # whatever is complete was ending before
            ask_stop(db, clock, recording)
    if egress.state.is_over:
        settle(db, clock, recording, egress)


def _note_beginning(db: Db, clock: Clock, recording: Recording, egress: Egress) -> None:
    if recording.egress_id is None:
        recording.egress_id = egress.id
        tell(db, clock, recording, "started")
    if egress.started_at is not None and recording.heard_at is None:
        recording.started_at, recording.heard_at = egress.started_at, clock.now()


async def find_recording(db: Db, egress: Egress) -> Recording | None:
    """The recording that an egress makes, locked; by the name of its file where its id has not been kept."""
    names = [name for path in egress.paths if (name := path.rpartition("/")[2])]  # each is random
    named: Any = func.regexp_replace(Recording.storage_key, "^.*/", "")
    mine = (col(Recording.egress_id) == egress.id) | ((col(Recording.room_name) == egress.room) & named.in_(names))
    found = (await db.exec(select(Recording.id).where(mine))).first()
    return await lock_recording(db, found) if found is not None else None
