"""What happens in LiveKit's rooms, and what follows: the same whether a hook tells it or the reconciler finds it.

Whatever follows, follows from news: from a row that was written, once.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlmodel import col, select, update

from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.livekit_hooks.models import LivekitHook
from control_plane.media.server import LiveParticipant, LiveRoom
from control_plane.meetings import life as meetings
from control_plane.meetings import waiting
from control_plane.meetings.hooks import person_came, track_published
from control_plane.rooms.models import Participant, Room, RoomStatus
from control_plane.rooms.projection import RoomProjection
from control_plane.rooms.repository import RoomRepository
from control_plane.rooms.retiring import is_retired, shut
from control_plane.rooms.supervisions import Supervisions
from control_plane.sessions.models import Session, SessionStatus
from control_plane.sessions.watch import room_gone
from control_plane.telephony.answering import phone_rings
from control_plane.telephony.models import Call
from control_plane.telephony.settling import phone_left

LATE, TOO_LATE = timedelta(seconds=2), timedelta(minutes=1)
"""A hook that was written so long ago is dated by itself; LiveKit gives up sooner than the second: then it is a clock
that is wrong."""

_TURN: Final = text("select pg_advisory_xact_lock(hashtextextended(:room, 0))")


def when(written: int, *, now: datetime) -> datetime:
    """When it happened what a hook tells that was written in this second."""
    second = datetime.fromtimestamp(written, now.tzinfo) + timedelta(seconds=1)
    return second if LATE < now - second < TOO_LATE else now


class Chronicle:
    """Writes down, within one transaction."""

    def __init__(self, db: Db, clock: Clock) -> None:
        self.db, self.clock = db, clock
        self.projection = RoomProjection(db, clock)

    async def take_turn(self, room_name: str) -> None:
        """Wait for whoever writes about a room of that name; to be done first, once for a transaction."""
        await self.db.execute(_TURN, {"room": room_name})

    async def room_runs(self, live: LiveRoom) -> Room | None:
        """LiveKit was asked, and this room is there. None where it is nobody's."""
        return await self.projection.room_of(live, runs=True)

    async def room_told(self, live: LiveRoom) -> None:
        """A room has begun, some time ago."""
        await self.projection.room_of(live)

    async def room_ended(self, live: LiveRoom, *, at: datetime) -> None:
        """A room has ended, whether or not we knew of it."""
        room = await self.projection.room_of(live)
        if room is not None:
            await self.projection.finished(room, at=at)
            await self.close(room, at=at)

    async def room_is_gone(self, room: Room) -> None:
        """An open room was not found in LiveKit, and its people neither. It must be locked."""
        now = self.clock.now()
        await self.leave_with_room(room, at=now)
        await self.projection.finished(room, at=now)
        await self.close(room, at=now)

    async def leave_with_room(self, room: Room, *, at: datetime) -> None:
        """Whoever is in a room by our rows has left it with its end."""
        for stay in await self.projection.list_present(room):
            await self.projection.left(room, stay, cause=None, with_room=True, at=at)
            await self._has_left(room, stay)

    async def close(self, room: Room, *, at: datetime) -> None:
        """A room is closed: so are its calls, its conversation and its meeting, unless its name has begun again."""
        await self.db.flush()
        again = select(Room.id).where(Room.full_name == room.full_name, Room.status == RoomStatus.OPEN)
        if (await self.db.exec(again)).first() is not None:
            return
        calls = select(Call.identity).where(
            Call.room_name == room.full_name, col(Call.ended_at).is_(None), Call.started_at <= at
        )
        for identity in (await self.db.exec(calls)).all():  # before the conversation: they know how it ended
            await phone_left(self.db, self.clock, room.full_name, identity)
        younger = select(Session.id).where(
            Session.room_name == room.full_name, Session.status == SessionStatus.ACTIVE, Session.started_at > at
        )
        if (await self.db.exec(younger)).first() is None:
            await room_gone(self.db, self.clock, room.full_name, room.sid or "")
        await meetings.room_gone(self.db, self.clock, room.full_name)

    async def came(self, live: LiveRoom, person: LiveParticipant) -> tuple[Room, Participant | None] | None:
        """Somebody is in a room, or has been: the room, and their stay where that is news. None where it is nobody's.

        Rooms in which people wait are no rows: whoever is there is told of each time.
        """
        room = await self.projection.room_of(live)
        if room is None:
            if person.kind == "standard":
                await person_came(self.db, self.clock, live.name, person.identity, person.sid)
            return None
        stay = await self.projection.joined(room, person)
        if stay is not None:
            await self._has_come(room, person)
            for track, published in [*((track, True) for track in person.tracks), *await self._early(person.sid)]:
                await self.track(room, stay, track, published=published)
        return room, stay

    async def left(self, live: LiveRoom, person: LiveParticipant, *, cause: str, at: datetime) -> None:
        """Somebody has left a room, so they have been there."""
        found = await self.came(live, person)
        if found is None:
            await waiting.left(self.db, self.clock, live.name)
            return
        room = found[0]
        stay = found[1] or await self.projection.find_stay(room, person.sid)
        if stay is not None:
            await self.gone(room, stay, cause=cause, at=at)

    async def gave_up(self, live: LiveRoom, person_sid: str, *, cause: str, at: datetime) -> None:
        """Somebody's connection failed before they were there; whom we had seen all the same has left."""
        room = await self.projection.find(live)
        stay = await self.projection.find_stay(room, person_sid) if room else None
        if room is not None and stay is not None:
            await self.gone(room, stay, cause=cause, at=at)
        elif room is None:
            await waiting.left(self.db, self.clock, live.name)

    async def gone(self, room: Room, stay: Participant, *, cause: str | None, at: datetime) -> None:
        """Somebody who was there has left: LiveKit says why, or nothing (None)."""
        await self.projection.left(room, stay, cause=cause, at=at)
        await self._has_left(room, stay)
        if room.status == RoomStatus.CLOSED:
            await self.close(room, at=room.closed_at or at)

    async def track_told(
        self, hook_id: str, live: LiveRoom, person: LiveParticipant, track: dict[str, Any], *, published: bool
    ) -> None:
        """A track came or went, of somebody of whom only the ids are told; kept for later where we do not know them.

        What must not be published is seen to at once.
        """
        room = await self.projection.find(live)
        stay = await self.projection.find_stay(room, person.sid) if room else None
        if room is not None and stay is not None:
            await self.track(room, stay, track, published=published)
        elif await self.projection.is_ours(live.name):
            early = {"awaits": person.sid, "content": {"track": track, "published": published}}
            await self.db.exec(update(LivekitHook).where(col(LivekitHook.id) == hook_id).values(**early))
            if published:
                await track_published(self.db, self.clock, live.name, person.identity, track)

    async def track(self, room: Room, stay: Participant, track: dict[str, Any], *, published: bool) -> None:
        """A known somebody's track came or went."""
        if self.projection.track(room, stay, track, published=published):
            await track_published(self.db, self.clock, room.full_name, stay.identity, track)

    async def _has_come(self, room: Room, person: LiveParticipant) -> None:
        if await is_retired(self.db, room.full_name):  # by a token that is older
            await shut(self.db, room.full_name, person.sid, at=self.clock.now())
        await Supervisions(self.db, room.project_id).came(room, person, at=self.clock.now())
        if person.kind == "sip":
            await phone_rings(self.db, self.clock, room.full_name, person.attributes.get("sip.trunkID", ""))
        elif person.kind == "standard":
            await person_came(self.db, self.clock, room.full_name, person.identity, person.sid)

    async def _has_left(self, room: Room, stay: Participant) -> None:
        if stay.kind == "sip" and not await self._is_back(room, stay):
            await phone_left(self.db, self.clock, room.full_name, stay.identity)

    async def _is_back(self, room: Room, stay: Participant) -> bool:
        """Whether the same phone is in a room of that name by another stay: it was called again."""
        await self.db.flush()
        is_it = col(Participant.identity) == stay.identity
        return await RoomRepository(self.db, room.project_id).has_present(room.full_name, is_it)

    async def _early(self, person_sid: str) -> list[tuple[dict[str, Any], bool]]:
        """What was told of somebody's tracks before anybody told of them."""
        waits = update(LivekitHook).where(col(LivekitHook.awaits) == person_sid).values(awaits=None, content=None)
        old = select(LivekitHook.content).where(col(LivekitHook.awaits) == person_sid)
        found = [content for content in (await self.db.exec(old)).all() if content is not None]
        if found:
            await self.db.exec(waits)
        return [(content["track"], content["published"]) for content in found]
