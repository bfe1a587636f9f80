"""What LiveKit tells about rooms becomes rows and facts, from hooks and reconciler alike.

Rooms, stays and tracks are known by LiveKit's ids, and each goes one way only: it begins, it ends. So what is told
twice, late or in another order comes to the same: whoever has left was there, and what has ended is not begun again.
"""

from datetime import UTC, datetime
from typing import Any, Final

from sqlmodel import col, select

from control_plane.accounts.models import Project
from control_plane.clock import Clock, iso
from control_plane.db.database import Db
from control_plane.errors import Unavailable
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.media.server import LiveParticipant, LiveRoom
from control_plane.names import RoomName
from control_plane.rooms.endings import begin_room, end_room, end_stay, end_track, tell_created, tell_track
from control_plane.rooms.models import Participant, Room, RoomOrigin, RoomStatus
from control_plane.rooms.repository import RoomRepository
from control_plane.rooms.supervisions import SUPERVISOR

TRIES: Final = 3
"""How often a room is looked for that somebody else opens or closes meanwhile."""


class RoomProjection:
    """Keeps rooms and participants in step with LiveKit, across projects. Of one room's hooks one at a time."""

    def __init__(self, db: Db, clock: Clock) -> None:
        self.db, self.clock = db, clock
        self.log = EventLog(db, clock)

    async def room_of(self, live: LiveRoom, *, runs: bool = False) -> Room | None:
        """The room, locked; written where it is new to us. None where its name belongs to no project of ours.

        LiveKit has one room of a name at a time: the younger one tells that the elder is over. `runs`: LiveKit was
        asked, and it is the one that is there.
        """
        project: tuple[int, str] | None = None
        for _ in range(TRIES):
            room = await self.find(live)
            if room is not None:
                return room
            project = project or await self._project_of(live.name)
            if project is None:
                return None
            room = await self._take_name(live, RoomName(project[1], live.name), project[0], runs=runs)
            if room is not None:
                return room
        raise Unavailable("The room's name changes hands; try again")

    async def find(self, live: LiveRoom) -> Room | None:
        """The room of that id, open or closed, locked."""
        query = select(Room).where(Room.full_name == live.name, Room.sid == live.sid)
        return (await self.db.exec(query.with_for_update())).one_or_none()

    async def is_ours(self, full_name: str) -> bool:
        """Whether a room's name belongs to a project."""
        return await self._project_of(full_name) is not None

    async def finished(self, room: Room, *, at: datetime) -> None:
        """A room has ended. Who is in it by our rows is told by hooks of their own, or found by the reconciler."""
        if room.status == RoomStatus.OPEN:
            await end_room(self.db, self.log, room, at=at)

    async def joined(self, room: Room, person: LiveParticipant) -> Participant | None:
        """Somebody is in a room, or was; their stay where that is news."""
        joined_at = datetime.fromtimestamp(person.joined_at, UTC) if person.joined_at else self.clock.now()
        told = not (person.hidden or person.kind == SUPERVISOR)
        stay = await RoomRepository(self.db, room.project_id).join(
            room.id,
            sid=person.sid,
            identity=person.identity,
            name=person.name,
            kind=person.kind,
            joined_at=joined_at,
            told=told,
        )
        if stay is None or not told:
            return stay
        if room.started_at is None:
            self.log.append(Fact.ROOM_STARTED, project_id=room.project_id, room_name=room.full_name)
        room.started_at = min(room.started_at or joined_at, joined_at)
        self.log.append(
            Fact.PARTICIPANT_JOINED,
            project_id=room.project_id,
            room_name=room.full_name,
            identity=person.identity,
            name=person.name,
            joined_at=iso(joined_at),
            kind=person.kind,
        )
        return stay

    async def find_stay(self, room: Room, sid: str) -> Participant | None:
        """A stay in a room, there or over, locked."""
        return await RoomRepository(self.db, room.project_id).find_stay(room.id, sid)

    async def list_present(self, room: Room) -> list[Participant]:
        """Whose stay is not over by our rows, locked."""
        return await RoomRepository(self.db, room.project_id).lock_present(room.id)

    async def left(
        self, room: Room, stay: Participant, *, cause: str | None, at: datetime, with_room: bool = False
    ) -> None:
        """Somebody has left, by themselves or `with_room`. `cause` is LiveKit's word, None where it told nothing."""
        if stay.left_at is None:
            await end_stay(self.db, self.log, room, stay, cause=cause, with_room=with_room, at=at)

    def track(self, room: Room, stay: Participant, track: dict[str, Any], *, published: bool) -> bool:
        """Somebody's track came or went; whether it came, and that is news. What has gone has come before."""
        if track["sid"] in stay.past_tracks:
            return False
        is_new = all(known["sid"] != track["sid"] for known in stay.tracks)
        if is_new:
            stay.tracks = [*stay.tracks, track]
            tell_track(self.log, Fact.TRACK_PUBLISHED, room, stay, track)
        if not published or stay.left_at is not None:
            end_track(self.log, room, stay, track)
        return is_new

    def revive(self, stay: Participant, track_sid: str) -> None:
        """LiveKit shows a track again that had gone: a client's connection for publishing was made anew."""
        stay.past_tracks = [sid for sid in stay.past_tracks if sid != track_sid]

    def refresh(self, stay: Participant, person: LiveParticipant) -> None:
        """Somebody has another name, or muted a track: LiveKit tells neither by a hook."""
        stay.name, stay.tracks = person.name, _with_states(stay.tracks, person.tracks)

    async def _take_name(self, live: LiveRoom, name: RoomName, project_id: int, *, runs: bool) -> Room | None:
        """The row of a room that is new to us; None where it must be looked for again."""
        created_at = datetime.fromtimestamp(live.created_at, UTC) if live.created_at else self.clock.now()
        rooms = RoomRepository(self.db, project_id)
        standing = await rooms.find_open(name.full, lock=True)
        if standing is not None and standing.sid is None:  # made by POST /rooms or for a call
            begin_room(self.log, standing, sid=live.sid, created_at=created_at)
            return standing
        if standing is not None and standing.sid == live.sid:  # its maker wrote that while we waited for the row
            return standing
        is_past = standing is not None and not runs and created_at < standing.created_at
        if standing is not None and not is_past:
            await end_room(self.db, self.log, standing, at=self.clock.now())
            await self.db.flush()
        ended = {"status": RoomStatus.CLOSED, "closed_at": self.clock.now()} if is_past else {}
        room = await rooms.add(
            name,
            origin=RoomOrigin.TOKEN,
            sid=live.sid,
            created_at=created_at,
            empty_timeout=live.empty_timeout or 300,
            max_participants=live.max_participants,
            **ended,
        )
        if room is not None:
            tell_created(self.log, room)
            if is_past:
                self.log.append(Fact.ROOM_FINISHED, project_id=project_id, room_name=name.full)
        return room

    async def _project_of(self, full_name: str) -> tuple[int, str] | None:
        """The project of a room's name, and the name as the customer says it."""
        slug, _, short = full_name.partition("_")
        query = select(Project.id).where(col(Project.slug) == slug)
        project_id = (await self.db.exec(query)).one_or_none() if short else None
        return (project_id, short) if project_id is not None else None


def has_news(stay: Participant, person: LiveParticipant) -> bool:
    """Whether somebody's name, or a track that is known to be muted or not, has changed."""
    return (stay.name, stay.tracks) != (person.name, _with_states(stay.tracks, person.tracks))


def _with_states(known: list[dict[str, Any]], live: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tracks that are known, muted or not as they are now."""
    muted = {track["sid"]: track["muted"] for track in live}
    return [track | {"muted": muted.get(track["sid"], track["muted"])} for track in known]
