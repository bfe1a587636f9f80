"""What LiveKit tells about rooms becomes rows and facts, from hooks and reconciler alike; repeats change nothing."""

from datetime import UTC, datetime
from typing import Any

from sqlmodel import col, select

from control_plane.accounts.models import Project
from control_plane.clock import Clock, iso
from control_plane.db.database import Db
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.media.server import LiveParticipant, LiveRoom
from control_plane.names import RoomName
from control_plane.rooms.models import Participant, Room, RoomOrigin, RoomStatus
from control_plane.rooms.repository import RoomRepository
from control_plane.rooms.service import finish_room
from control_plane.rooms.supervisions import SUPERVISOR, Supervisions


class RoomProjection:
    """Keeps rooms and participants in step with LiveKit, across projects."""

    def __init__(self, db: Db, clock: Clock) -> None:
        self.db, self.clock = db, clock
        self.log = EventLog(db, clock)

    async def started(self, live: LiveRoom) -> Room | None:
        """A room runs. None where its name belongs to no project of ours, or it has been closed here already."""
        slug, _, short = live.name.partition("_")
        project = (await self.db.exec(select(Project).where(col(Project.slug) == slug))).one_or_none()
        if project is None or not short:
            return None
        if await self._was_closed(project.id, live.sid):
            return None
        rooms = RoomRepository(self.db, project.id)
        created_at = datetime.fromtimestamp(live.created_at, UTC) if live.created_at else self.clock.now()
        room, made = await rooms.open(
            RoomName(short, live.name),
            origin=RoomOrigin.TOKEN,
            sid=live.sid,
            created_at=created_at,
            empty_timeout=live.empty_timeout or 300,
            max_participants=live.max_participants,
        )
        if made:
            self.log.append(
                Fact.ROOM_CREATED, project_id=project.id, room_name=room.full_name, created_at=iso(created_at)
            )
        elif room.sid != live.sid:
            room.sid = live.sid  # made by POST /rooms, or begun again under the same name
        return room

    async def finished(self, full_name: str, sid: str) -> None:
        """A room has ended. A newer room of the same name is not touched."""
        room = await self._open_room(full_name)
        if room is not None and room.sid == (sid or None):
            await finish_room(RoomRepository(self.db, room.project_id), self.log, room, at=self.clock.now())

    async def joined(self, live: LiveRoom, participant: LiveParticipant) -> None:
        """Somebody is in a room."""
        room = await self.started(live)
        if room is None or room.status != RoomStatus.OPEN:
            return
        rooms = RoomRepository(self.db, room.project_id)
        joined_at = datetime.fromtimestamp(participant.joined_at, UTC) if participant.joined_at else self.clock.now()
        new = await rooms.join(
            room.id,
            sid=participant.sid,
            identity=participant.identity,
            name=participant.name,
            kind=participant.kind,
            joined_at=joined_at,
            tracks=participant.tracks,
        )
        if not new or participant.hidden or participant.kind == SUPERVISOR:
            return
        if room.started_at is None:
            room.started_at = joined_at
            self.log.append(Fact.ROOM_STARTED, project_id=room.project_id, room_name=room.full_name)
        self.log.append(
            Fact.PARTICIPANT_JOINED,
            project_id=room.project_id,
            room_name=room.full_name,
            identity=participant.identity,
            name=participant.name,
            joined_at=iso(joined_at),
            kind=participant.kind,
        )

    async def left(self, full_name: str, sid: str, *, reason: str) -> None:
        """Somebody has left."""
        room = await self._open_room(full_name)
        if room is None:
            return
        gone = await RoomRepository(self.db, room.project_id).leave(room.id, sid, at=self.clock.now())
        if gone is not None and gone.kind == SUPERVISOR:
            supervisions = Supervisions(self.db, room.project_id)
            await supervisions.left(self.log, room, gone, reason=reason, at=self.clock.now())
        elif gone is not None:
            self.log.append(
                Fact.PARTICIPANT_LEFT,
                project_id=room.project_id,
                room_name=room.full_name,
                identity=gone.identity,
                reason=reason,
            )

    async def track(self, full_name: str, sid: str, track: dict[str, Any], *, published: bool) -> None:
        """Somebody's track came or went."""
        room = await self._open_room(full_name)
        stay = room and await RoomRepository(self.db, room.project_id).find_stay(room.id, sid)
        if not room or not stay:
            return
        known = [known for known in stay.tracks if known["sid"] != track["sid"]]
        if published == (len(known) < len(stay.tracks)):
            return
        stay.tracks = [*known, track] if published else known
        if stay.kind == SUPERVISOR:
            return
        self.log.append(
            Fact.TRACK_PUBLISHED if published else Fact.TRACK_UNPUBLISHED,
            project_id=room.project_id,
            room_name=room.full_name,
            identity=stay.identity,
            track_sid=track["sid"],
            track_type=track["type"],
            source=track["source"],
        )

    async def refresh(self, stay: Participant, person: LiveParticipant) -> None:
        """Somebody has another name, or muted a track: LiveKit tells neither by a hook."""
        if (stay.name, stay.tracks) == (person.name, _with_states(stay.tracks, person.tracks)):
            return
        fresh = await RoomRepository(self.db, stay.project_id).find_stay(stay.room_id, stay.sid)
        if fresh is not None:
            fresh.name, fresh.tracks = person.name, _with_states(fresh.tracks, person.tracks)

    async def _open_room(self, full_name: str) -> Room | None:
        query = select(Room).where(Room.full_name == full_name, Room.status == RoomStatus.OPEN).with_for_update()
        return (await self.db.exec(query)).one_or_none()

    async def _was_closed(self, project_id: int, sid: str) -> bool:
        query = select(Room.id).where(Room.project_id == project_id, Room.sid == sid, Room.status == RoomStatus.CLOSED)
        return (await self.db.exec(query)).first() is not None


def _with_states(known: list[dict[str, Any]], live: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tracks that are known, muted or not as they are now."""
    muted = {track["sid"]: track["muted"] for track in live}
    return [track | {"muted": muted.get(track["sid"], track["muted"])} for track in known]
