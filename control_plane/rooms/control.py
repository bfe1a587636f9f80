"""Call control: what a caller does to a running room and to those in it. LiveKit alone knows who is there right now."""

from typing import Any

from control_plane.auth.callers import Caller
from control_plane.db.database import Db
from control_plane.errors import Conflict, NotFound
from control_plane.media.server import LiveParticipant, MediaServer
from control_plane.rooms.control_schemas import DataSend, ParticipantUpdate, TrackMute
from control_plane.rooms.endings import note_removal
from control_plane.rooms.models import Room
from control_plane.rooms.repository import VISIBLE_KINDS, RoomRepository
from control_plane.rooms.service import get_open_room


class CallControl:
    """Acts on the open rooms of one caller.

    Each method raises `NotFound` for an unknown room or participant, `Conflict` for a closed room, and `Unavailable`
    where LiveKit is away. Recorders are nobody: they are neither found nor changed.
    """

    def __init__(self, db: Db, caller: Caller, rooms: RoomRepository, media: MediaServer) -> None:
        self.db, self.caller, self.rooms, self.media = db, caller, rooms, media

    async def send(self, given: str, body: DataSend) -> None:
        """Send data to everybody or to some; where one of them is not there, nobody gets anything."""
        room = await self._open(given)
        wanted = body.destination_identities or []
        if wanted:
            people = await self.media.list_participants(room.full_name)
            there = {person.identity for person in people if _is_visible(person)}
            missing = [identity for identity in dict.fromkeys(wanted) if identity not in there]
            if missing:
                raise NotFound(f"Not in the room {room.name!r}: {', '.join(missing)}")
        await self.media.send_data(room.full_name, body.packet(), topic=body.topic, identities=wanted)

    async def update(self, given: str, identity: str, body: ParticipantUpdate) -> LiveParticipant:
        """Change somebody's metadata, permission or name; what is not named stays."""
        room = await self._open(given)
        await self._find(room, identity)
        changed = await self.media.update_participant(room.full_name, identity, body.change())
        stay = await self.rooms.find_stay(room.id, changed.sid)
        if stay is not None:
            stay.name = changed.name
        return changed

    async def mute(self, given: str, identity: str, body: TrackMute) -> str:
        """Mute or unmute a track, somebody's first audio track if none is named; its sid.

        Raises `NotFound` for an unknown track and `Conflict` where there is no audio track.
        """
        room = await self._open(given)
        person = await self._find(room, identity)
        track = _choose(person, body.track_sid)
        await self.media.mute_track(room.full_name, identity, track, muted=body.muted)
        stay = await self.rooms.find_stay(room.id, person.sid)
        if stay is not None:
            stay.tracks = [row | {"muted": body.muted} if row["sid"] == track else row for row in stay.tracks]
        return track

    async def kick(self, given: str, identity: str) -> None:
        """Remove somebody from the room."""
        room = await self._open(given)
        await self._find(room, identity)
        await note_removal(self.db, room.full_name, identity)
        await self.db.commit()
        await self.media.remove_participant(room.full_name, identity)

    async def _open(self, given: str) -> Room:
        """The room, with no transaction left open while LiveKit is asked."""
        room = await get_open_room(self.rooms, self.caller, given)
        await self.db.commit()
        return room

    async def _find(self, room: Room, identity: str) -> LiveParticipant:
        try:
            person = await self.media.find_participant(room.full_name, identity)
        except NotFound:
            person = None
        if person is None or not _is_visible(person):
            raise NotFound(f"Nobody called {identity!r} is in the room {room.name!r}")
        return person


def _is_visible(person: LiveParticipant) -> bool:
    return person.kind in VISIBLE_KINDS and not person.hidden


def _choose(person: LiveParticipant, track_sid: str | None) -> str:
    tracks: list[dict[str, Any]] = person.tracks
    if track_sid is not None:
        if track_sid not in [track["sid"] for track in tracks]:
            raise NotFound(f"{person.identity!r} has no track {track_sid!r}")
        return track_sid
    audio = [track for track in tracks if track["type"] == "audio"]
    if not audio:
        raise Conflict(f"{person.identity!r} publishes no audio track")
    # What comes from nowhere is the silence of a bot, which may speak on another.
    return str(min(audio, key=lambda track: track["source"] == "unknown")["sid"])
