"""The waiting room: each who waits is alone in a room of their own, which knows nothing of the meeting.

LiveKit shows everybody in a room to everybody, whatever they may subscribe to. So whoever waits is somewhere else, and
is sent the meeting's token there once admitted.
"""

import json
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime
from typing import Final

from sqlmodel import col, select

from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import Conflict, NotFound
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.ids import read_number
from control_plane.media.server import MediaServer
from control_plane.meetings.life import OPEN, tell_attendee
from control_plane.meetings.models import Attendee, AttendeeState, Meeting
from control_plane.meetings.passes import Passes
from control_plane.meetings.presence import is_full

PREFIX: Final = "waiting."
"""Of the rooms of those who wait. Rooms of projects have an underscore behind their slug; these have none."""
TOPIC: Final = "parley.admitted"
"""Data message to who is admitted: `{"token", "url"}`; with them the meeting is joined."""


def room_of(attendee: Attendee) -> str:
    """Where somebody waits, as LiveKit calls it."""
    return f"{PREFIX}{attendee.id}"


def waits_in(attendee: Attendee, room_name: str) -> bool:
    """Whether this is where somebody waits."""
    return room_name == room_of(attendee)


async def came(db: Db, clock: Clock, room_name: str) -> None:
    """Somebody is in a waiting room: tell the host, or them if it was decided before. Other rooms mean nothing."""
    attendee = await _lock(db, room_name)
    if attendee is None:
        return
    if attendee.state in (AttendeeState.ADMITTED, AttendeeState.DENIED):
        await tell_attendee(db, attendee, at=clock.now())
        return
    meeting = (await db.exec(select(Meeting).where(Meeting.id == attendee.meeting_id))).one()
    if meeting.status not in OPEN:
        await tell_attendee(db, attendee, at=clock.now())
    elif attendee.state != AttendeeState.WAITING:
        await arrived(db, clock, meeting, attendee)


async def arrived(db: Db, clock: Clock, meeting: Meeting, attendee: Attendee) -> None:
    """Somebody comes who was to wait: they do, or are in where the waiting room was switched off since."""
    if meeting.has_waiting_room or await is_full(db, meeting, clock.now(), but=attendee.identity):
        _began(db, clock, meeting, attendee)
    else:
        await _admit(db, clock, attendee)


async def switch(db: Db, clock: Clock, meeting_id: int, *, on: bool) -> tuple[Meeting, list[Attendee]]:
    """Switch the waiting room on for whoever comes from now on, or off; the meeting, and who is let in by that.

    Those who wait are let in, the longest first, as many as the meeting holds. Raises `Conflict` where it is over.
    """
    meeting = (await db.exec(select(Meeting).where(Meeting.id == meeting_id).with_for_update())).one()
    if meeting.status not in OPEN:
        raise Conflict("The meeting is over")
    meeting.controls = meeting.controls | {"enable_waiting_room": on, "auto_admit": False}
    admitted: list[Attendee] = []
    for attendee in [] if on else await list_waiting(db, meeting):
        if await is_full(db, meeting, clock.now(), but=attendee.identity):
            break
        await _admit(db, clock, attendee)
        admitted.append(attendee)
    return meeting, admitted


async def _admit(db: Db, clock: Clock, attendee: Attendee) -> None:
    attendee.state = AttendeeState.ADMITTED
    await tell_attendee(db, attendee, at=clock.now())


def _began(db: Db, clock: Clock, meeting: Meeting, attendee: Attendee) -> None:
    """Somebody waits from now on, in their room or by a socket."""
    attendee.state, attendee.since = AttendeeState.WAITING, clock.now()
    EventLog(db, clock).append(
        Fact.MEETING_WAITING,
        project_id=meeting.project_id,
        room_name=meeting.room_name,
        meeting_id=meeting.id,
        identity=attendee.identity,
        name=attendee.name,
    )


async def came_back(db: Db, clock: Clock, room_name: str, identity: str) -> None:
    """Somebody is in a meeting's room. Whom its hosts have sent away is sent away again: their token is still good."""
    query = (
        select(Attendee)
        .join(Meeting, col(Meeting.id) == Attendee.meeting_id)
        .where(Meeting.room_name == room_name, Attendee.identity == identity, Attendee.state == AttendeeState.DENIED)
    )
    attendee = (await db.exec(query)).one_or_none()
    if attendee is not None:
        await tell_attendee(db, attendee, at=clock.now())


async def left(db: Db, clock: Clock, room_name: str) -> None:
    """Whoever waited there does not any more: tell the hosts."""
    attendee = await _lock(db, room_name)
    if attendee is not None and attendee.state == AttendeeState.WAITING:
        await _stop(db, clock, attendee)


async def forget_gone(db: Db, clock: Clock, rooms: Collection[str], *, before: datetime) -> None:
    """Whoever began to wait before then in a room that is not among these has left unheard."""
    query = select(Attendee).where(
        Attendee.state == AttendeeState.WAITING, col(Attendee.seen_at).is_(None), col(Attendee.since) < before
    )
    for attendee in (await db.exec(query.with_for_update())).all():
        if room_of(attendee) not in rooms:
            await _stop(db, clock, attendee)


async def _stop(db: Db, clock: Clock, attendee: Attendee) -> None:
    attendee.state = AttendeeState.INVITED
    meeting = (await db.exec(select(Meeting).where(Meeting.id == attendee.meeting_id))).one()
    EventLog(db, clock).append(
        Fact.MEETING_WAITING_LEFT,
        project_id=meeting.project_id,
        room_name=meeting.room_name,
        meeting_id=meeting.id,
        identity=attendee.identity,
    )


async def _lock(db: Db, room_name: str) -> Attendee | None:
    number = read_number(room_name.removeprefix(PREFIX)) if room_name.startswith(PREFIX) else None
    if number is None:
        return None
    return (await db.exec(select(Attendee).where(Attendee.id == number).with_for_update())).one_or_none()


async def lock_attendee(db: Db, meeting: Meeting, identity: str) -> Attendee | None:
    """Somebody who came to a meeting or is to wait for it, locked until the commit."""
    query = select(Attendee).where(
        Attendee.project_id == meeting.project_id, Attendee.meeting_id == meeting.id, Attendee.identity == identity
    )
    return (await db.exec(query.with_for_update())).one_or_none()


async def list_waiting(db: Db, meeting: Meeting) -> list[Attendee]:
    """Who waits for a meeting now, the longest first."""
    query = select(Attendee).where(
        Attendee.project_id == meeting.project_id,
        Attendee.meeting_id == meeting.id,
        Attendee.state == AttendeeState.WAITING,
    )
    return list((await db.exec(query.order_by(col(Attendee.since), col(Attendee.id)))).all())


async def decide(db: Db, clock: Clock, meeting: Meeting, identity: str, *, admit: bool) -> Attendee:
    """Let somebody in or send them away, whoever has been asked to wait; the last word counts.

    Raises `NotFound` for an identity that never waited, `Conflict` where the meeting is full or over. The job that
    tells them runs after the commit.
    """
    current = (await db.exec(select(Meeting).where(Meeting.id == meeting.id).with_for_update())).one()
    if current.status not in OPEN:
        raise Conflict("The meeting is over")
    attendee = await lock_attendee(db, meeting, identity)
    if attendee is None:
        raise NotFound(f"Nobody called {identity!r} waits for this meeting")
    if admit and attendee.state != AttendeeState.ADMITTED and await is_full(db, meeting, clock.now(), but=identity):
        raise Conflict("The meeting is full")
    attendee.state = AttendeeState.ADMITTED if admit else AttendeeState.DENIED
    await tell_attendee(db, attendee, at=clock.now())
    return attendee


class Usher:
    """Tells those who wait what was decided."""

    def __init__(self, database: Database, media: MediaServer, passes: Passes) -> None:
        self.database, self.media, self.passes = database, media, passes

    async def answer(self, attendee_id: int) -> None:
        """Send the meeting's token to who is admitted; close the room of who is not, or whose meeting is over, and send
        them away from the meeting's.

        Nobody needs to be there: who comes later is told then. Raises `Unavailable` where LiveKit is away.
        """
        async with self.database.platform() as db:
            query = select(Attendee, Meeting).join(Meeting, col(Meeting.id) == Attendee.meeting_id)
            found = (await db.exec(query.where(Attendee.id == attendee_id))).one_or_none()
            if found is None:
                return
            attendee, meeting = found
            persona = await self.passes.persona_of(db, meeting)
        if attendee.state != AttendeeState.ADMITTED or meeting.status not in OPEN:
            await self.media.close_room(room_of(attendee))
            if attendee.state == AttendeeState.DENIED:
                with suppress(NotFound):
                    await self.media.remove_participant(meeting.room_name, attendee.identity)
            return
        token = self.passes.admission(meeting, attendee.identity, attendee.name, persona)
        told = json.dumps({"token": token, "url": self.passes.livekit_url}).encode()
        if await self.media.list_participants(room_of(attendee)):  # else they wait by a socket, or come later
            with suppress(NotFound):
                await self.media.send_data(room_of(attendee), told, topic=TOPIC, identities=[])
