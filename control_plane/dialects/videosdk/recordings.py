"""Recordings and streams of one caller's rooms: begun, ended, shown, deleted."""

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog
from sqlmodel import col, select

from control_plane.clock import Clock, iso_ms
from control_plane.db.rows import read_rows
from control_plane.dialects.videosdk.models import VideoRoom, VideoTranscription
from control_plane.dialects.videosdk.places import Places
from control_plane.dialects.videosdk.rooms import add_webhook
from control_plane.dialects.videosdk.sessions import VideoSessions
from control_plane.dialects.videosdk.shapes import Pages, number_of, object_id
from control_plane.dialects.videosdk.taking import Wish, is_running, write_wish
from control_plane.dialects.videosdk.webhooks import PREFIXES
from control_plane.errors import Conflict, NotFound, Unavailable
from control_plane.media.recorder import Recorder
from control_plane.plans.quota import Quota
from control_plane.recordings.beeping import demand_redactable
from control_plane.recordings.models import FILES, Recording, RecordingKind, RecordingOrigin, RecordingStatus
from control_plane.recordings.settling import lock_recording
from control_plane.recordings.taking import RecordingTaker
from control_plane.recordings.telling import ask_stop
from control_plane.rooms.models import Participant, Room
from control_plane.secrets.box import SecretBox

log = structlog.get_logger()

SEVERAL = {RecordingKind.ROOM: "recording", RecordingKind.HLS: "hls", RecordingKind.LIVESTREAM: "rtmp"}
"""Kinds of which a room may allow several at once."""
SOURCES = {
    "audio": "microphone",
    "video": "camera",
    "screen_audio": "screen_share_audio",
    "screen_video": "screen_share",
}
WHOM = ("participantId", "kind")
"""What is asked for that says whom, and what of them."""


class VideoRecordings:
    """What a caller does with recordings of its rooms."""

    def __init__(
        self,
        sessions: VideoSessions,
        quota: Quota,
        clock: Clock,
        recorder: Recorder,
        taker: RecordingTaker,
        box: SecretBox,
        places: Places,
    ) -> None:
        self.sessions, self.rooms, self.db = sessions, sessions.rooms, sessions.db
        self.project_id = sessions.project_id
        self.quota, self.clock, self.recorder, self.taker = quota, clock, recorder, taker
        self.box, self.places = box, places

    async def start(self, room_id: str, wish: Wish, *, tell: str | None = None) -> Recording:
        """Begin in the live session of a room, within the plan's number of running recordings.

        What becomes of its kind in this room is told to the address `tell`, which must have been checked.

        Raises `RoomNotFound`, `NotFound` without a session, `Conflict` where the same goes on already or what is said
        could not be redacted, and `Unavailable` without a recorder.
        """
        room = await self.rooms.get(room_id)
        session = await self.sessions.live(room)
        await self.quota.take("recordings")
        several = SEVERAL.get(wish.kind)
        if several is None or (room.multi_composition or {}).get(several) not in (True, "true"):
            running = select(Recording.id).where(
                self._own(wish.kind), Recording.room_name == room.full_name, is_running()
            )
            running = running.where(*(_asked(name, wish.asked[name]) for name in WHOM if name in wish.asked))
            if (await self.db.exec(running)).first() is not None:
                raise Conflict(f"This {wish.kind} is being recorded or streamed already")
        made = await write_wish(self.db, self.box, room, session, wish, origin=RecordingOrigin.API, at=self.clock.now())
        await demand_redactable(self.db, made)
        if tell is not None:
            await add_webhook(self.db, self.box, room.project_id, room.full_name, tell, [f"{PREFIXES[wish.kind]}-*"])
        await self.db.commit()
        return await self.taker.order(made.id)

    async def stop(
        self, room_id: str, kind: RecordingKind, given: str | None = None, *, asked: Mapping[str, str] | None = None
    ) -> None:
        """End what runs of a kind in a room, or the one of an id; `NotFound` where none does.

        One whose recorder does not answer now is asked again until it does.
        """
        room = await self.rooms.get(room_id)
        query = select(Recording).where(
            self._own(kind),
            Recording.room_name == room.full_name,
            Recording.status == RecordingStatus.RECORDING,
            col(Recording.ended_at).is_(None),
        )
        query = query.where(*(_asked(name, value) for name, value in (asked or {}).items()))
        if given is not None:
            query = query.where(Recording.id == number_of(given))
        running = (await self.db.exec(query.order_by(col(Recording.id)).with_for_update())).all()
        if not running:
            raise NotFound("Nothing of this kind is running in this room")
        for recording in running:
            ask_stop(self.db, self.clock, recording)
        stopping = [recording.egress_id for recording in running if recording.egress_id is not None]
        await self.db.commit()
        answers = await asyncio.gather(*map(self.recorder.stop, stopping), return_exceptions=True)
        for problem in filter(None, answers):
            if not isinstance(problem, Unavailable):
                raise problem
            log.warning("a recording is stopped later", reason=problem.message)

    async def track_of(self, room_id: str, participant_id: str, kind: str) -> dict[str, str]:
        """The track of somebody that is meant, as a wish names it; `NotFound`."""
        room = await self.rooms.get(room_id)
        session = await self.sessions.live(room)
        query = select(Participant).where(
            Participant.project_id == self.project_id,
            Participant.room_id == session.id,
            Participant.identity == participant_id,
            col(Participant.left_at).is_(None),
        )
        stay = (await self.db.exec(query.order_by(col(Participant.id).desc()).limit(1))).first()
        for track in stay.tracks if stay else ():
            if track["source"] == SOURCES[kind]:
                return {f"{'audio' if kind.endswith('audio') else 'video'}_track": track["sid"]}
        raise NotFound(f"This participant has no track of the kind {kind}")

    async def present(self, room_id: str, participant_id: str) -> dict[str, str]:
        """Somebody who is there, as a wish names them; `NotFound`."""
        room = await self.rooms.get(room_id)
        session = await self.sessions.live(room)
        person = await self.sessions.person(session, participant_id)
        if person["timelog"][-1]["end"] is not None:
            raise NotFound("Please provide a valid participantId")
        return {"identity": participant_id}

    async def page(
        self, kind: RecordingKind, pages: Pages, *, room_id: str | None, session_id: str | None, **asked: str | None
    ) -> dict[str, Any]:
        """A page of one kind, newest first."""
        query = self._every(kind)
        if room_id is not None:
            query = query.where((VideoRoom.room_id == room_id) | (VideoRoom.custom_room_id == room_id))
        if session_id is not None:
            query = query.where(Room.id == (number_of(session_id) or 0))
        query = query.where(*(_asked(name, value) for name, value in asked.items() if value is not None))
        found, total = await read_rows(self.db, query.order_by(col(Recording.id).desc()), pages)
        rows: list[Any] = list(found)
        written = await self._written([row[0].id for row in rows])
        return pages.show([self.show(row[0], row[1], row[2], written.get(row[0].id)) for row in rows], total)

    async def get(self, kind: RecordingKind, given: str) -> tuple[Recording, dict[str, Any]]:
        """One of a kind, and as it is shown; `NotFound`."""
        query = self._every(kind).where(Recording.id == (number_of(given) or 0))
        row = (await self.db.execute(query)).one_or_none()
        if row is None:
            raise NotFound("Please provide a valid id")
        written = await self._written([row[0].id])
        return row[0], self.show(row[0], row[1], row[2], written.get(row[0].id))

    async def shown(self, recording: Recording) -> dict[str, Any]:
        """A recording just begun, on the wire."""
        return (await self.get(RecordingKind(recording.kind), object_id(recording.id)))[1]

    async def active(self, kind: RecordingKind, room_id: str) -> dict[str, Any]:
        """What runs of a kind in a room; `NotFound`."""
        room = await self.rooms.get(room_id)
        query = self._every(kind).where(Recording.room_name == room.full_name, is_running())
        row = (await self.db.execute(query.order_by(col(Recording.id).desc()).limit(1))).first()
        if row is None:
            raise NotFound("Nothing of this kind is running in this room")
        return self.show(row[0], row[1], row[2], None)

    async def mark_deleted(self, kind: RecordingKind, given: str) -> Recording:
        """Have nobody see one any more; `Conflict` while it runs."""
        recording, _ = await self.get(kind, given)
        locked = await lock_recording(self.db, recording.id)
        if locked is None:
            raise NotFound("Please provide a valid id")
        if locked.status == RecordingStatus.RECORDING:
            raise Conflict("This is still running: stop it first")
        locked.deleted_at = self.clock.now()
        return locked

    def show(
        self, recording: Recording, session: Room, room: VideoRoom, written: VideoTranscription | None
    ) -> dict[str, Any]:
        """A recording or stream on the wire."""
        asked = recording.details.get("asked", {})
        shown = {
            "id": object_id(recording.id),
            "roomId": room.room_id,
            "sessionId": object_id(session.id),
            "status": recording.status,
            "start": iso_ms(recording.started_at),
            "end": iso_ms(recording.ended_at),
            "createdAt": iso_ms(recording.created_at),
            "links": self.rooms.links.of(room.room_id, session.id),
            **({"error": recording.error} if recording.error else {}),
            **asked,
        }
        if recording.kind == RecordingKind.HLS:
            return shown | {"duration": recording.duration} | self.places.of_stream(recording)
        if recording.kind in FILES:
            file = self.places.of_file(recording)
            meta = {"duration": recording.duration, "format": recording.format}
            whole = {"type": "video" if recording.details.get("picture") else "audio", "size": recording.size_bytes}
            file = file | whole | {"meta": meta} if file else {}
            shown |= (
                {"files": [file] if file else []} if recording.kind != RecordingKind.ROOM else {"file": file or None}
            )
        if written is not None:
            shown |= {"transcription": self.places.of_transcription(written)}
        return shown

    def _every(self, kind: RecordingKind) -> Any:
        query: Any = select(Recording, Room, VideoRoom)
        query = query.join(VideoRoom, col(VideoRoom.full_name) == Recording.room_name)
        query = query.join(Room, col(Room.id) == col(Recording.details)["room_id"].as_integer())
        only = self.rooms.claims.room
        query = query.where(self._own(kind), col(Room.project_id) == self.project_id)
        return query if only is None else query.where(VideoRoom.room_id == only)

    def _own(self, kind: RecordingKind) -> Any:
        own = (col(Recording.project_id) == self.project_id) & (col(Recording.kind) == kind)
        return own & col(Recording.deleted_at).is_(None)

    async def _written(self, recordings: list[int]) -> dict[int, VideoTranscription]:
        query = select(VideoTranscription).where(
            VideoTranscription.project_id == self.project_id, col(VideoTranscription.recording_id).in_(recordings)
        )
        return {row.recording_id: row for row in (await self.db.exec(query)).all()}


def _asked(name: str, value: str) -> Any:
    """The condition of recordings for which this was asked."""
    return col(Recording.details)["asked"][name].as_string() == value
