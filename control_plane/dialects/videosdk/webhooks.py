"""What facts are called in a room's webhooks, and what is told with them."""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from sqlmodel import col, select

from control_plane.clock import iso_ms
from control_plane.db.database import Db
from control_plane.dialects.videosdk.models import VideoRoom, VideoTranscription
from control_plane.dialects.videosdk.places import Places
from control_plane.dialects.videosdk.shapes import object_id
from control_plane.events.facts import Fact
from control_plane.events.models import Event
from control_plane.recordings.models import FILES, Recording, RecordingKind, RecordingStatus
from control_plane.rooms.models import Participant, Room
from control_plane.webhooks.dialects import Letter

SIGNATURE: Final = "videosdk-signature"
SIGNING_KEY: Final = "videosdk"
"""Name of the RSA key that signs."""
NEAR: Final = timedelta(seconds=2)
"""By how much LiveKit's clock and ours may be apart, and a fact later than what it is about."""

_ROOMS: Final[Mapping[str, str]] = {
    Fact.PARTICIPANT_JOINED: "participant-joined",
    Fact.PARTICIPANT_LEFT: "participant-left",
    Fact.ROOM_STARTED: "session-started",
    Fact.ROOM_FINISHED: "session-ended",
    Fact.STREAM_PLAYABLE: "hls-playable",
    Fact.TRANSCRIPTION_COMPLETED: "transcription-completed",
}
_STEPS: Final[Mapping[str, str]] = {
    Fact.RECORDING_STARTING: "starting",
    Fact.RECORDING_STARTED: "started",
    Fact.RECORDING_STOPPING: "stopping",
    Fact.RECORDING_STOPPED: "stopped",
    Fact.RECORDING_FAILED: "failed",
    Fact.STREAM_STARTING: "starting",
    Fact.STREAM_STARTED: "started",
    Fact.STREAM_STOPPING: "stopping",
    Fact.STREAM_STOPPED: "stopped",
    Fact.STREAM_FAILED: "failed",
}
PREFIXES: Final[Mapping[str, str]] = {
    RecordingKind.ROOM: "recording",
    RecordingKind.PARTICIPANT: "participant-recording",
    RecordingKind.TRACK: "participant-track-recording",
    RecordingKind.HLS: "hls",
    RecordingKind.LIVESTREAM: "livestream",
}


def names_of(fact: str) -> list[str]:
    """All that a fact may be called here, by what is recorded or streamed."""
    if fact in _ROOMS:
        return [_ROOMS[fact]]
    kinds = [kind for kind in PREFIXES if (kind in FILES) == fact.startswith("recording.")]
    return [f"{PREFIXES[kind]}-{_STEPS[fact]}" for kind in kinds] if fact in _STEPS else []


NAMES: Final = tuple(name for fact in Fact for name in names_of(fact))
"""All that a room can be told of."""


def name_of(event: Event, recording: Recording | None) -> str | None:
    """What a fact is called; None for one that has no name here."""
    if event.type in _ROOMS:
        return _ROOMS[event.type]
    if recording is None or event.type not in _STEPS:
        return None
    step = _STEPS[event.type]
    if step == "stopped" and event.data.get("status") == RecordingStatus.ERROR:
        return None  # it has failed, which is told by itself
    return f"{PREFIXES[recording.kind]}-{step}"


class RoomLetters:
    """Writes the webhooks of rooms, signed with the key of this installation."""

    facts = frozenset((*_ROOMS, *_STEPS))

    def __init__(self, key: RSAPrivateKey, places: Places) -> None:
        self._key, self._places = key, places

    def headers(self, body: bytes) -> dict[str, str]:
        """The signature: RSA-SHA256 over the body, in base64."""
        return {SIGNATURE: base64.b64encode(self._key.sign(body, PKCS1v15(), SHA256())).decode()}

    async def write(self, db: Db, events: Sequence[Event]) -> dict[int, Letter]:
        """Letters by the number of their event."""
        names = {event.room_name for event in events if event.room_name}
        rooms = {room.full_name: room for room in await _all(db, VideoRoom, col(VideoRoom.full_name).in_(names))}
        sessions = await _all(db, Room, col(Room.full_name).in_(names) & col(Room.started_at).is_not(None))
        wanted = {event.data.get("recording_id") for event in events} - {None}
        recordings = {row.id: row for row in await _all(db, Recording, col(Recording.id).in_(wanted))}
        letters = {}
        for event in events:
            room = rooms.get(event.room_name or "")
            recording = recordings.get(event.data.get("recording_id") or 0)
            name = name_of(event, recording)
            session = _session_of(event, recording, sessions)
            if room is None or name is None or session is None:
                continue
            data = {"meetingId": room.room_id, "sessionId": object_id(session.id)}
            data |= await self._data(db, name, event, session, recording)
            body = json.dumps({"webhookType": name, "data": data}, ensure_ascii=False, separators=(",", ":"))
            letters[event.seq or 0] = Letter(name, body)
        return letters

    async def _data(
        self, db: Db, name: str, event: Event, session: Room, recording: Recording | None
    ) -> dict[str, Any]:
        if event.type in (Fact.PARTICIPANT_JOINED, Fact.PARTICIPANT_LEFT):
            identity = event.data["identity"]
            called = event.data.get("name") or await _called(db, session.id, identity)
            return {"participantId": identity, "participantName": called}
        if event.type == Fact.ROOM_STARTED:
            return {"start": iso_ms(session.started_at)}
        if event.type == Fact.ROOM_FINISHED:
            return {"start": iso_ms(session.started_at), "end": iso_ms(session.closed_at)}
        if recording is None:
            return {}
        data: dict[str, Any] = {"id": object_id(recording.id)} | self._whom(recording)
        if event.type == Fact.TRANSCRIPTION_COMPLETED:
            done = await db.get(VideoTranscription, event.data["transcription_id"])
            return data | self._places.of_transcription(done) if done else data
        if name.endswith("-failed"):
            return data | {"reason": event.data.get("error")}
        if recording.kind == RecordingKind.HLS and not name.endswith("-starting"):
            return data | self._places.of_stream(recording)
        if name.endswith("-stopped") and recording.kind != RecordingKind.LIVESTREAM:
            return data | self._places.of_file(recording)
        return data

    @staticmethod
    def _whom(recording: Recording) -> dict[str, str]:
        asked = recording.details.get("asked", {})
        return {name: asked[name] for name in ("participantId", "kind") if name in asked}


def _session_of(event: Event, recording: Recording | None, sessions: Sequence[Room]) -> Room | None:
    """The session that a fact belongs to."""
    if recording is not None and "room_id" in recording.details:
        return next((row for row in sessions if row.id == recording.details["room_id"]), None)
    ends = event.type in (Fact.PARTICIPANT_LEFT, Fact.ROOM_FINISHED)
    at = event.created_at
    possible = [
        row
        for row in sessions
        if row.full_name == event.room_name and _began(row) <= at + NEAR and (row.closed_at or at) >= at - NEAR
    ]
    return (min if ends else max)(possible, key=lambda row: row.id, default=None)


def _began(session: Room) -> datetime:
    assert session.started_at is not None
    return session.started_at


async def _called(db: Db, session_id: int, identity: str) -> str:
    query = select(Participant.name).where(Participant.room_id == session_id, Participant.identity == identity)
    return (await db.exec(query.order_by(col(Participant.id).desc()))).first() or ""


async def _all(db: Db, model: Any, which: Any) -> Sequence[Any]:
    rows: Iterable[Any] = (await db.exec(select(model).where(which))).all()
    return list(rows)
