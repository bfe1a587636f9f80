"""Rooms that LiveKit keeps open though nothing will come of them any more, and whoever should close them did not.

Who comes back to a room whose conversation is over is turned away by the ticket that their token brings, and the room
is closed once more. Nobody may hear of it: no worker was there, or its question was not answered in time. And a room
that nobody has entered is closed by its livekit-server, unless that has died.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import ColumnElement, exists, or_
from sqlmodel import col, select

from agents.contract import AGENT_NAME, WITH_AGENT
from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.errors import PlatformError
from control_plane.jobs.queue import enqueue
from control_plane.media.server import LiveRoom, MediaServer
from control_plane.meetings.models import Meeting, MeetingStatus
from control_plane.rooms.models import Participant, Room, RoomOrigin, RoomStatus
from control_plane.rooms.repository import PEOPLE
from control_plane.sessions.ending import CLOSE_ROOM, COMES_BACK_WITHIN, close_again
from control_plane.sessions.models import Session, SessionStatus, Slot

ALONE_FOR: Final = timedelta(seconds=15)
"""How long somebody has been in a room whose conversation is over until it is closed: it may be closing just now."""
EMPTY_FOR: Final = timedelta(seconds=60)
"""How long after its time a room in which nobody is should have been closed by its livekit-server."""
AT_ONCE: Final = 20
"""Of each kind, in a pass."""

log = structlog.get_logger()


async def close_forsaken(database: Database, media: MediaServer, clock: Clock, live: Mapping[str, LiveRoom]) -> None:
    """Have them closed; `live` are the rooms that LiveKit has."""
    now = clock.now()
    empty = [name for name, room in live.items() if _is_empty(room, now)]
    late = [name for name in empty if _is_empty(live[name], now, beyond=live[name].empty_timeout)]
    async with database.platform() as db:
        alone = (await db.exec(_left_alone(now).limit(AT_ONCE))).all()
        left: list[Room] = []
        for query in (_nobody_in(late, now), _left_over(empty, now)) if empty else ():
            left += (await db.exec(query.limit(AT_ONCE))).all()
        for room in left:
            await enqueue(db, CLOSE_ROOM, f"{room.id}", run_at=now, room_name=room.full_name, room_id=room.id)
    async with asyncio.TaskGroup() as tasks:
        for name in live.keys() & set(alone):
            tasks.create_task(_close(database, media, name, now))


async def _close(database: Database, media: MediaServer, name: str, now: datetime) -> None:
    try:
        if await _waits_for_agent(media, name):
            async with database.platform() as db:
                await close_again(db, name, at=now)
    except PlatformError as error:
        log.warning("room not closed", reason=error.message, **{"pii.room": name})


async def _waits_for_agent(media: MediaServer, name: str) -> bool:
    """Whether an agent was asked for, or somebody is there by a token that brings one: it brought none where a lost
    persona had made the room anew before. Who came by other tokens talks to people, in a name that was a conversation's
    before."""
    if await media.has_dispatch(name, agent_name=AGENT_NAME):
        return True
    return any(WITH_AGENT in person.attributes for person in await media.list_participants(name))


def _is_empty(room: LiveRoom, now: datetime, *, beyond: float = 0) -> bool:
    age = now.timestamp() - room.created_at
    return not room.num_participants and room.created_at > 0 and age > beyond + EMPTY_FOR.total_seconds()


def _nobody_in(names: Sequence[str], now: datetime) -> Any:
    """Rooms of these names in which nobody is by our rows, or was just now."""
    somebody = exists().where(
        col(Participant.room_id) == Room.id,
        or_(col(Participant.left_at).is_(None), col(Participant.left_at) > now - EMPTY_FOR),
    )
    return select(Room).where(Room.status == RoomStatus.OPEN, col(Room.full_name).in_(names), ~somebody)


def _left_over(names: Sequence[str], now: datetime) -> Any:
    """Rooms of these names in which nobody is either, and a conversation was: a lost persona that joined again has made
    it anew, and gone. LiveKit would keep it for five minutes."""
    return _nobody_in(names, now).where(*_over(now))


def _left_alone(now: datetime) -> Any:
    """Names of rooms in which people are, and a conversation was, and nothing goes on or is to begin."""
    there = (
        col(Participant.room_id) == Room.id,
        col(Participant.kind).in_(PEOPLE),
        col(Participant.left_at).is_(None),
        col(Participant.joined_at) < now - ALONE_FOR,
    )
    return select(Room.full_name).where(Room.status == RoomStatus.OPEN, exists().where(*there), *_over(now))


def _over(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """A conversation was in a room that is not the customer's, and nothing goes on or is to begin."""
    mine = (col(Session.project_id) == Room.project_id, col(Session.room_name) == Room.full_name)
    goes_on = or_(col(Session.status) == SessionStatus.ACTIVE, col(Session.ended_at) > now - ALONE_FOR)
    return (
        col(Room.origin) != RoomOrigin.API,
        exists().where(*mine, col(Session.started_at) > now - COMES_BACK_WITHIN),
        ~exists().where(*mine, goes_on),
        ~exists().where(col(Slot.room_name) == Room.full_name, col(Slot.expires_at) > now),
        ~exists().where(
            col(Meeting.project_id) == Room.project_id,
            col(Meeting.room_name) == Room.full_name,
            col(Meeting.status) == MeetingStatus.ACTIVE,
        ),
    )
