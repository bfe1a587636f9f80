"""Asks LiveKit what really runs and repairs what no hook told: the same rows and facts a hook would have made."""

from datetime import timedelta

import structlog
from sqlmodel import col, select

from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.errors import PlatformError
from control_plane.media.server import LiveParticipant, LiveRoom, MediaServer
from control_plane.meetings import life as meetings
from control_plane.meetings import waiting
from control_plane.meetings.hooks import person_came, track_published
from control_plane.rooms.models import Participant, Room, RoomStatus
from control_plane.rooms.projection import RoomProjection
from control_plane.sessions.watch import room_gone
from control_plane.telephony.models import Call

SETTLE = timedelta(seconds=5)
"""A room this young may not have reached LiveKit yet."""

log = structlog.get_logger()


class Reconciler:
    """Compares rooms and participants with LiveKit."""

    def __init__(self, database: Database, media: MediaServer, clock: Clock) -> None:
        self.database, self.media, self.clock = database, media, clock
        self._suspected: set[tuple[str, str]] = set()

    async def reconcile(self) -> None:
        """One pass over all rooms that are open here or run there. Raises `Unavailable` where LiveKit is away."""
        seen_at = self.clock.now()
        suspected, self._suspected = self._suspected, set()
        live = {room.name: room for room in await self.media.list_rooms()}
        async with self.database.platform() as db:
            known = list((await db.exec(select(Room).where(Room.status == RoomStatus.OPEN))).all())
            # Rooms of calls that wait for their turn: LiveKit has none of them yet.
            awaited = set((await db.exec(select(Call.room_name).where(Call.status == "queued"))).all())
        for room in known:
            running = live.get(room.full_name)
            if running is None and room.full_name in awaited:
                continue
            if room.created_at < seen_at - SETTLE and (running is None or running.sid != (room.sid or running.sid)):
                await self._finish(room)
        for running_room in live.values():
            try:
                if running_room.name.startswith(waiting.PREFIX):
                    await self._compare_waiting(running_room)
                else:
                    await self._compare(running_room, suspected)
            except PlatformError as error:
                log.warning("room not compared", reason=error.message, **{"pii.room": running_room.name})
            except Exception:  # a room that cannot be understood must not hide the others
                log.exception("room not compared", **{"pii.room": running_room.name})
        async with self.database.platform() as db:
            await waiting.forget_gone(db, self.clock, live.keys(), before=seen_at - SETTLE)

    async def _finish(self, room: Room) -> None:
        log.warning("room found finished", **{"pii.room": room.full_name})
        async with self.database.platform() as db:
            await RoomProjection(db, self.clock).finished(room.full_name, room.sid or "")
            await room_gone(db, self.clock, room.full_name, room.sid or "")
            await meetings.room_gone(db, self.clock, room.full_name)

    async def _compare_waiting(self, live: LiveRoom) -> None:
        """Whoever is there is known to be, and told again what was decided: what is said to newcomers may be lost."""
        for person in await self.media.list_participants(live.name):
            if person.state == "ACTIVE":
                async with self.database.platform() as db:
                    await person_came(db, self.clock, live.name, person.identity, person.sid)

    async def _compare(self, live: LiveRoom, suspected: set[tuple[str, str]]) -> None:
        there = {person.sid: person for person in await self.media.list_participants(live.name)}
        seen_at = self.clock.now()
        async with self.database.platform() as db:
            projection = RoomProjection(db, self.clock)
            room = await projection.started(live)
            if room is None:
                return
            query = select(Participant).where(
                Participant.project_id == room.project_id,
                Participant.room_id == room.id,
                col(Participant.left_at).is_(None),
            )
            here = {person.sid: person for person in (await db.exec(query)).all()}
            for sid, person in there.items():
                if sid not in here and person.state == "ACTIVE":
                    await projection.joined(live, person)
                    if person.kind == "standard":
                        await person_came(db, self.clock, live.name, person.identity, sid)
                    for track in person.tracks:
                        await track_published(db, self.clock, live.name, person.identity, track)
            for sid, stay in here.items():
                if sid not in there and stay.joined_at < seen_at - SETTLE:
                    await projection.left(live.name, sid, reason="found_gone")
            for sid in here.keys() & there.keys():
                await projection.refresh(here[sid], there[sid])
                await self._compare_tracks(projection, live.name, here[sid], there[sid], suspected)

    async def _compare_tracks(
        self,
        projection: RoomProjection,
        room: str,
        stay: Participant,
        person: LiveParticipant,
        suspected: set[tuple[str, str]],
    ) -> None:
        """Believe that a track came or went unheard once two passes saw it: one may have crossed the hook."""
        known, live = ({track["sid"]: track for track in tracks} for tracks in (stay.tracks, person.tracks))
        for track_sid in known.keys() ^ live.keys():
            if (stay.sid, track_sid) in suspected:
                track, published = (known | live)[track_sid], track_sid in live
                await projection.track(room, stay.sid, track, published=published)
                if published:
                    await track_published(projection.db, self.clock, room, person.identity, track)
            else:
                self._suspected.add((stay.sid, track_sid))
