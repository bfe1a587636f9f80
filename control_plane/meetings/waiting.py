"""The waiting room: each who waits is alone in a room of their own, which knows nothing of the meeting.

LiveKit shows everybody in a room to everybody, whatever they may subscribe to. So whoever waits is somewhere else, and
is sent the meeting's token there once admitted.
"""

import json
from typing import Final

from sqlmodel import col, select

from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import NotFound
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.ids import read_number
from control_plane.media.server import MediaServer
from control_plane.meetings.life import OPEN, tell_waiter
from control_plane.meetings.models import Meeting, Waiter, WaiterState
from control_plane.meetings.passes import Passes

PREFIX: Final = "waiting."
"""Of the rooms of those who wait. Rooms of projects have an underscore behind their slug; these have none."""
TOPIC: Final = "parley.admitted"
"""Data message to who is admitted: `{"token", "url"}`; with them the meeting is joined."""


def room_of(waiter: Waiter) -> str:
    """Where somebody waits, as LiveKit calls it."""
    return f"{PREFIX}{waiter.id}"


async def came(db: Db, clock: Clock, room_name: str) -> None:
    """Somebody is in a waiting room: tell the host, or them if it was decided before. Other rooms mean nothing."""
    waiter = await _lock(db, room_name)
    if waiter is None:
        return
    if waiter.state in (WaiterState.ADMITTED, WaiterState.DENIED):
        await tell_waiter(db, waiter, at=clock.now())
    elif waiter.state != WaiterState.WAITING:
        waiter.state, waiter.since = WaiterState.WAITING, clock.now()
        meeting = (await db.exec(select(Meeting).where(Meeting.id == waiter.meeting_id))).one()
        EventLog(db, clock).append(
            Fact.MEETING_WAITING,
            project_id=meeting.project_id,
            room_name=meeting.room_name,
            meeting_id=meeting.id,
            identity=waiter.identity,
            name=waiter.name,
        )


async def left(db: Db, room_name: str) -> None:
    """Whoever waited there does not any more."""
    waiter = await _lock(db, room_name)
    if waiter is not None and waiter.state == WaiterState.WAITING:
        waiter.state = WaiterState.INVITED


async def _lock(db: Db, room_name: str) -> Waiter | None:
    number = read_number(room_name.removeprefix(PREFIX)) if room_name.startswith(PREFIX) else None
    if number is None:
        return None
    return (await db.exec(select(Waiter).where(Waiter.id == number).with_for_update())).one_or_none()


async def list_waiting(db: Db, meeting: Meeting) -> list[Waiter]:
    """Who waits for a meeting now, the longest first."""
    query = select(Waiter).where(
        Waiter.project_id == meeting.project_id,
        Waiter.meeting_id == meeting.id,
        Waiter.state == WaiterState.WAITING,
    )
    return list((await db.exec(query.order_by(col(Waiter.since), col(Waiter.id)))).all())


async def decide(db: Db, clock: Clock, meeting: Meeting, identity: str, *, admit: bool) -> Waiter:
    """Let somebody in or send them away, whoever has been asked to wait; the last word counts.

    Raises `NotFound` for an identity that never waited. The job that tells them runs after the commit.
    """
    query = select(Waiter).where(
        Waiter.project_id == meeting.project_id, Waiter.meeting_id == meeting.id, Waiter.identity == identity
    )
    waiter = (await db.exec(query.with_for_update())).one_or_none()
    if waiter is None:
        raise NotFound(f"Nobody called {identity!r} waits for this meeting")
    waiter.state = WaiterState.ADMITTED if admit else WaiterState.DENIED
    await tell_waiter(db, waiter, at=clock.now())
    return waiter


class Usher:
    """Tells those who wait what was decided."""

    def __init__(self, database: Database, media: MediaServer, passes: Passes) -> None:
        self.database, self.media, self.passes = database, media, passes

    async def answer(self, waiter_id: int) -> None:
        """Send the meeting's token to who is admitted; close the room of who is not, or whose meeting is over.

        Nobody needs to be there: who comes later is told then. Raises `Unavailable` where LiveKit is away.
        """
        async with self.database.platform() as db:
            query = select(Waiter, Meeting).join(Meeting, col(Meeting.id) == Waiter.meeting_id)
            found = (await db.exec(query.where(Waiter.id == waiter_id))).one_or_none()
            if found is None:
                return
            waiter, meeting = found
            persona = await self.passes.persona_of(db, meeting)
        if waiter.state != WaiterState.ADMITTED or meeting.status not in OPEN:
            await self.media.close_room(room_of(waiter))
            return
        token = self.passes.admission(meeting, waiter.identity, waiter.name, persona)
        told = json.dumps({"token": token, "url": self.passes.livekit_url}).encode()
        try:
            await self.media.send_data(room_of(waiter), told, topic=TOPIC, identities=[])
        except NotFound:
            return
