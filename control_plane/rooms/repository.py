"""Questions about rooms and the people in them. The owner is part of every question."""

from typing import Any, Final

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select

from control_plane.db.database import Db
from control_plane.names import RoomName
from control_plane.rooms.models import Participant, Room, RoomOrigin, RoomStatus, Supervision

PEOPLE = ("standard", "sip")
"""Kinds of LiveKit's participants that are people."""
VISIBLE_KINDS = (*PEOPLE, "agent")
"""Who counts as somebody in the room: people, personas and phones, not recorders."""

NEWEST: Final = ((col(Room.status) == RoomStatus.OPEN).desc(), col(Room.created_at).desc(), col(Room.id).desc())
"""Order of rooms of one name. LiveKit may tell of a room when the next of its name runs, so ids do not say."""


class RoomRepository:
    """Rooms and participants of one project."""

    def __init__(self, db: Db, project_id: int) -> None:
        self.db, self.project_id = db, project_id

    async def find_open(self, full_name: str, *, lock: bool = False) -> Room | None:
        """The open room of that name; a locked one is read anew."""
        query = select(Room).where(
            Room.project_id == self.project_id, Room.full_name == full_name, Room.status == RoomStatus.OPEN
        )
        if lock:
            query = query.with_for_update().execution_options(populate_existing=True)
        return (await self.db.exec(query)).one_or_none()

    async def find_newest(self, full_name: str) -> Room | None:
        """The room of that name, open or the last one closed."""
        query = select(Room).where(Room.project_id == self.project_id, Room.full_name == full_name)
        return (await self.db.exec(query.order_by(*NEWEST).limit(1))).one_or_none()

    async def open(self, name: RoomName, *, origin: RoomOrigin, sid: str | None, **values: Any) -> tuple[Room, bool]:
        """The open room of that name, made if there is none; whether it was made."""
        made = await self.add(name, origin=origin, sid=sid, **values)
        room = await self.find_open(name.full, lock=True)
        if room is None:  # closed between the two statements: the newest row is the one that was meant
            room = await self.find_newest(name.full)
        assert room is not None
        return room, made is not None

    async def add(self, name: RoomName, *, origin: RoomOrigin, sid: str | None, **values: Any) -> Room | None:
        """A new room; None where one of that name is open, or LiveKit's id is known."""
        row = {"project_id": self.project_id, "name": name.short, "full_name": name.full, "origin": origin, "sid": sid}
        defaults = {"status": RoomStatus.OPEN, "empty_timeout": 300, "max_participants": 0, "metadata_": ""}
        statement = insert(Room).values(**defaults | row | values).on_conflict_do_nothing().returning(Room)
        return (await self.db.scalars(statement)).one_or_none()

    async def has_present(self, full_name: str, *who: Any) -> bool:
        """Whether somebody of whom this holds is in the open room of that name."""
        query = (
            select(Participant.id)
            .join(Room, col(Room.id) == Participant.room_id)
            .where(
                Room.project_id == self.project_id,
                Room.full_name == full_name,
                Room.status == RoomStatus.OPEN,
                col(Participant.left_at).is_(None),
                *who,
            )
        )
        return (await self.db.exec(query.limit(1))).first() is not None

    async def was_given_up(self, full_name: str, request_key: str) -> bool:
        """Whether a request has wanted this room and heard nothing of it."""
        query = select(Room.id).where(
            Room.project_id == self.project_id,
            Room.full_name == full_name,
            Room.status == RoomStatus.CLOSED,
            Room.request_key == request_key,
        )
        return (await self.db.exec(query.limit(1))).first() is not None

    async def list_live(self) -> list[tuple[Room, int]]:
        """Open rooms, newest first, with the number of those present."""
        present = (
            select(Participant.room_id, func.count().label("present"))
            .where(
                Participant.project_id == self.project_id,
                col(Participant.left_at).is_(None),
                col(Participant.kind).in_(VISIBLE_KINDS),
            )
            .group_by(col(Participant.room_id))
            .subquery()
        )
        query = (
            select(Room, func.coalesce(present.c.present, 0))
            .outerjoin(present, present.c.room_id == Room.id)
            .where(Room.project_id == self.project_id, Room.status == RoomStatus.OPEN)
            .order_by(col(Room.id).desc())
        )
        return [(room, count) for room, count in (await self.db.exec(query)).all()]

    async def find_with_present(self, full_name: str) -> tuple[Room, list[Participant], list[Supervision]] | None:
        """The room of that name, open or the last one closed; who is in it and who supervises it, as they came."""
        newest = select(Room.id).where(Room.project_id == self.project_id, Room.full_name == full_name)
        newest = newest.order_by(*NEWEST).limit(1)
        is_there = (
            (col(Participant.room_id) == Room.id)
            & (col(Participant.project_id) == self.project_id)
            & col(Participant.left_at).is_(None)
            & col(Participant.kind).in_(VISIBLE_KINDS)
            & (col(Room.status) == RoomStatus.OPEN)
        )
        supervises = (
            (col(Supervision.room_id) == Room.id)
            & (col(Supervision.project_id) == self.project_id)
            & col(Supervision.ended_at).is_(None)
        )
        query: Any = (
            select(Room, Participant, Supervision)
            .outerjoin(Participant, is_there)
            .outerjoin(Supervision, supervises)
            .where(Room.project_id == self.project_id, Room.id == newest.scalar_subquery())
            .order_by(col(Participant.joined_at), col(Participant.id), col(Supervision.id))
        )
        rows = (await self.db.execute(query)).all()
        if not rows:
            return None
        present = {each.id: each for _, each, _ in rows if each is not None}
        supervising = {each.id: each for _, _, each in rows if each is not None}
        return rows[0][0], list(present.values()), list(supervising.values())

    async def join(self, room_id: int, *, sid: str, **values: Any) -> Participant | None:
        """Somebody is there; None where we knew. A stay that has ended is not begun again."""
        statement = (
            insert(Participant)
            .values(project_id=self.project_id, room_id=room_id, sid=sid, tracks=[], past_tracks=[], **values)
            .on_conflict_do_nothing(index_elements=["room_id", "sid"])
            .returning(Participant)
        )
        return (await self.db.scalars(statement)).one_or_none()

    async def lock_present(self, room_id: int) -> list[Participant]:
        """Who is there, and who supervises, read anew and locked for a change."""
        query = select(Participant).where(
            Participant.project_id == self.project_id,
            Participant.room_id == room_id,
            col(Participant.left_at).is_(None),
        )
        query = query.order_by(col(Participant.id)).with_for_update().execution_options(populate_existing=True)
        return list((await self.db.exec(query)).all())

    async def find_stay(self, room_id: int, sid: str) -> Participant | None:
        """One stay, read anew and locked for a change."""
        query = (
            select(Participant)
            .where(Participant.project_id == self.project_id, Participant.room_id == room_id, Participant.sid == sid)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        return (await self.db.exec(query)).one_or_none()
