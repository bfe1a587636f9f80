"""Sessions: each time that people were in a room, one row of `room`. Their participants are stays, by identity."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlmodel import col, select

from control_plane.clock import iso_ms
from control_plane.db.rows import read_rows
from control_plane.dialects.videosdk.models import VideoRoom
from control_plane.dialects.videosdk.rooms import VideoRooms
from control_plane.dialects.videosdk.shapes import Pages, number_of, object_id
from control_plane.errors import NotFound
from control_plane.rooms.models import Participant, Room, RoomStatus
from control_plane.rooms.repository import NEWEST

RECORDERS = ("egress", "ingress")
"""Kinds that nobody meets."""


@dataclass(frozen=True, slots=True)
class Narrow:
    """What a list of sessions is narrowed to. Times are in milliseconds."""

    named: str | None = None
    room_id: str | None = None
    custom_room_id: str | None = None
    begun_after: int | None = None
    begun_before: int | None = None
    is_live: bool | None = None


class VideoSessions:
    """The sessions of one caller's rooms."""

    def __init__(self, rooms: VideoRooms) -> None:
        self.rooms, self.db, self.project_id = rooms, rooms.db, rooms.caller.project_id

    async def page(self, pages: Pages, narrow: Narrow) -> dict[str, Any]:
        """A page of sessions with their people, newest first."""
        query: Any = self._every()
        if narrow.room_id is not None:
            query = query.where(VideoRoom.room_id == narrow.room_id)
        if narrow.custom_room_id is not None:
            query = query.where(VideoRoom.custom_room_id == narrow.custom_room_id)
        if narrow.named is not None:
            either = (col(VideoRoom.room_id) == narrow.named) | (col(VideoRoom.custom_room_id) == narrow.named)
            query = query.where(either)
        if narrow.begun_after is not None:
            query = query.where(col(Room.started_at) >= _at(narrow.begun_after))
        if narrow.begun_before is not None:
            query = query.where(col(Room.started_at) <= _at(narrow.begun_before))
        if narrow.is_live is not None:
            query = query.where((col(Room.status) == RoomStatus.OPEN) == narrow.is_live)
        asked = query.order_by(col(Room.id).desc())
        found, total = await read_rows(self.db, asked, pages)
        rows: list[Any] = list(found)
        people = await self._people([row[0].id for row in rows])
        return pages.show([self.show(row[0], row[1], people.get(row[0].id, [])) for row in rows], total)

    async def get(self, given: str) -> tuple[Room, VideoRoom]:
        """A session and its room; `NotFound`."""
        number = number_of(given)
        query: Any = self._every().where(Room.id == number) if number else None
        row = (await self.db.execute(query)).one_or_none() if query is not None else None
        if row is None:
            raise NotFound("Please provide a valid sessionId")
        return row[0], row[1]

    async def live(self, room: VideoRoom, session_id: str | None = None, *, lock: bool = False) -> Room:
        """The session that goes on in a room; `NotFound` where none does, or another than is named."""
        query = select(Room).where(
            Room.project_id == self.project_id,
            Room.full_name == room.full_name,
            Room.status == RoomStatus.OPEN,
            col(Room.started_at).is_not(None),
        )
        session = (await self.db.exec(query.with_for_update() if lock else query)).one_or_none()
        if session is None or session_id not in (None, object_id(session.id)):
            raise NotFound("No active session found in this room")
        return session

    async def newest(self, room: VideoRoom, session_id: str | None) -> Room:
        """The last session of a room, or the one that is named, live or over; `NotFound`."""
        query: Any = self._every().where(Room.full_name == room.full_name).order_by(*NEWEST).limit(1)
        if session_id is not None:
            query = query.where(Room.id == number_of(session_id))
        row = (await self.db.execute(query)).one_or_none()
        if row is None:
            raise NotFound("No session found in this room")
        session: Room = row[0]
        return session

    async def shown(self, session: Room, room: VideoRoom) -> dict[str, Any]:
        """A session with its people, on the wire."""
        return self.show(session, room, (await self._people([session.id])).get(session.id, []))

    async def people(self, session: Room, room: VideoRoom, pages: Pages, *, present: bool) -> dict[str, Any]:
        """A page of a session's people: all, or those who are there."""
        stays = (await self._people([session.id])).get(session.id, [])
        people = show_people(stays)
        if present:
            people = [each for each in people if each["timelog"][-1]["end"] is None]
        part = people[pages.offset : pages.offset + pages.per_page]
        shown = self.show(session, room, stays) | {"participants": part}
        return pages.show([shown], len(people)) | {"data": shown}

    async def person(self, session: Room, participant_id: str) -> dict[str, Any]:
        """One of a session's people; `NotFound`."""
        for each in show_people((await self._people([session.id])).get(session.id, [])):
            if each["participantId"] == participant_id:
                return each
        raise NotFound("Please provide a valid participantId")

    def show(self, session: Room, room: VideoRoom, stays: Sequence[Participant]) -> dict[str, Any]:
        """A session on the wire."""
        custom = {"customRoomId": room.custom_room_id} if room.custom_room_id else {}
        return {
            "id": object_id(session.id),
            "roomId": room.room_id,
            **custom,
            "start": iso_ms(session.started_at),
            "end": iso_ms(session.closed_at),
            "participants": show_people(stays),
            "status": "ongoing" if session.status == RoomStatus.OPEN else "ended",
            "links": self.rooms.links.of(room.room_id, session.id),
        }

    def _every(self) -> Any:
        query = select(Room, VideoRoom).join(VideoRoom, col(VideoRoom.full_name) == Room.full_name)
        mine = query.where(Room.project_id == self.project_id, VideoRoom.project_id == self.project_id)
        only = self.rooms.claims.room
        mine = mine if only is None else mine.where(VideoRoom.room_id == only)
        return mine.where(col(Room.started_at).is_not(None))

    async def _people(self, sessions: Iterable[int]) -> dict[int, list[Participant]]:
        query = (
            select(Participant)
            .where(
                Participant.project_id == self.project_id,
                col(Participant.room_id).in_(list(sessions)),
                col(Participant.kind).not_in(RECORDERS),
            )
            .order_by(col(Participant.joined_at), col(Participant.id))
        )
        found: dict[int, list[Participant]] = {}
        for stay in (await self.db.exec(query)).all():
            found.setdefault(stay.room_id, []).append(stay)
        return found


def show_people(stays: Sequence[Participant]) -> list[dict[str, Any]]:
    """People on the wire, each with all their stays."""
    people: dict[str, dict[str, Any]] = {}
    for stay in stays:
        person = people.setdefault(stay.identity, {"participantId": stay.identity, "name": "", "timelog": []})
        person["name"] = stay.name or person["name"]
        person["timelog"].append({"start": iso_ms(stay.joined_at), "end": iso_ms(stay.left_at)})
    return list(people.values())


def _at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
