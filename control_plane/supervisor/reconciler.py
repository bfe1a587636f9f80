"""Asks LiveKit what really runs and repairs what no hook told: the same rows and facts a hook would have made.

Our rows are read before LiveKit is asked. So what it does not show is over, whatever clocks say, and what it shows and
we did not know is news, once: by LiveKit's ids.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from sqlmodel import col, select

from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.errors import PlatformError
from control_plane.livekit_hooks.chronicle import Chronicle
from control_plane.media.server import LiveParticipant, LiveRoom, MediaServer
from control_plane.meetings import waiting
from control_plane.meetings.hooks import person_came
from control_plane.rooms.models import Participant, Room, RoomStatus
from control_plane.rooms.projection import has_news
from control_plane.supervisor.choosing import Choice
from control_plane.supervisor.forsaken import close_forsaken
from control_plane.supervisor.leftovers import SETTLE, Leftovers
from control_plane.telephony.models import Call

QUESTIONS: Final = 8
"""Rooms that LiveKit is asked for at once."""
COMES_WITHIN: Final = 3
SHOWN_WITHIN: Final = 2
"""Passes until LiveKit must have a room that we have asked for, and until it must show one that it has told of.

One that it has shown before is gone at once.
"""

log = structlog.get_logger()


class Reconciler:
    """Compares rooms and the people in them with LiveKit. One for each process: it remembers what it has seen."""

    def __init__(self, database: Database, media: MediaServer, clock: Clock) -> None:
        self.database, self.media, self.clock = database, media, clock
        self._choice = Choice()
        self._leftovers = Leftovers(database, clock)
        self._shown: frozenset[str] = frozenset()
        self._awaited: dict[int, int] = {}
        self._back: set[tuple[str, str]] = set()

    async def reconcile(self) -> None:
        """One pass. Raises `Unavailable` where LiveKit or the database is away."""
        seen_at = self.clock.now()
        async with self.database.platform() as db:
            known = (await db.exec(select(Room).where(Room.status == RoomStatus.OPEN))).all()
            # Rooms of calls that wait for their turn: LiveKit has none of them yet.
            queued = set((await db.exec(select(Call.room_name).where(Call.status == "queued"))).all())
        live = {room.name: room for room in await self.media.list_rooms()}
        await self._finish(known, live, queued)
        self._shown = frozenset(room.sid for room in live.values())
        await self._look(known, live)
        await self._leftovers.clear(live.keys(), before=seen_at - SETTLE)
        await close_forsaken(self.database, self.media, self.clock, live)

    async def _finish(self, known: Sequence[Room], live: dict[str, LiveRoom], queued: set[str]) -> None:
        """Close rooms that LiveKit has no more. One whose name it has under another id is closed by that one."""
        awaited, self._awaited = self._awaited, {}
        for room in known:
            if room.full_name in live or (room.sid is None and room.full_name in queued):
                continue
            passes = awaited.get(room.id, 0) + 1
            patience = COMES_WITHIN if room.sid is None else SHOWN_WITHIN
            if room.sid not in self._shown and passes < patience:
                self._awaited[room.id] = passes
                continue
            log.warning("room found finished", **{"pii.room": room.full_name})
            async with self.database.platform() as db:
                chronicle = Chronicle(db, self.clock)
                await chronicle.take_turn(room.full_name)
                query = select(Room).where(Room.id == room.id, Room.status == RoomStatus.OPEN).with_for_update()
                fresh = (await db.exec(query)).one_or_none()
                if fresh is not None and fresh.sid == room.sid:
                    await chronicle.room_is_gone(fresh)

    async def _look(self, known: Sequence[Room], live: dict[str, LiveRoom]) -> None:
        """Look into as many rooms as a pass may."""
        ours = await self._ours(known, live)
        told_again = frozenset(room.sid for room in ours if room.name.startswith(waiting.PREFIX))
        chosen = self._choice.choose(ours, urgent=told_again)
        stays = await self._stays([room.sid for room in chosen])
        found = dict(await self._ask(chosen))
        differing = [
            room for room in chosen if room.name in found and self._differs(stays.get(room.sid), found[room.name])
        ]
        if differing:  # a name may have changed hands since, and with it who is in it
            still = {room.sid for room in await self.media.list_rooms()}
            differing = [room for room in differing if room.sid in still]
        faulty: set[str] = set()
        back: set[tuple[str, str]] = set()
        for room in differing:
            try:
                await self._write(room, stays.get(room.sid), found[room.name], back)
            except PlatformError as error:
                faulty.add(room.sid)
                log.warning("room not compared", reason=error.message, **{"pii.room": room.name})
            except Exception:  # a room that cannot be understood must not hide the others
                faulty.add(room.sid)
                log.exception("room not compared", **{"pii.room": room.name})
        self._back = back
        for room in chosen:
            if room.name in found and room.sid not in faulty:
                self._choice.looked(room)

    async def _ours(self, known: Sequence[Room], live: dict[str, LiveRoom]) -> list[LiveRoom]:
        """The rooms of projects, and of those who wait."""
        names = {room.full_name for room in known}
        strange = {name for name in live if name not in names and not name.startswith(waiting.PREFIX)}
        foreign = strange - await self._leftovers.of_projects(strange)
        return [room for name, room in live.items() if name not in foreign]

    async def _stays(self, sids: list[str]) -> dict[str, dict[str, Participant]]:
        """Who is in rooms by our rows, as far as we know the rooms: by LiveKit's ids."""
        rooms = select(Room.id, Room.sid).where(col(Room.sid).in_(sids), Room.status == RoomStatus.OPEN)
        async with self.database.platform() as db:
            known = {room_id: sid for room_id, sid in (await db.exec(rooms)).all() if sid is not None}
            present = select(Participant).where(
                col(Participant.room_id).in_(known.keys()), col(Participant.left_at).is_(None)
            )
            found: dict[str, dict[str, Participant]] = {sid: {} for sid in known.values()}
            for stay in (await db.exec(present)).all():
                found[known[stay.room_id]][stay.sid] = stay
        return found

    async def _ask(self, rooms: Sequence[LiveRoom]) -> list[tuple[str, dict[str, LiveParticipant]]]:
        """Who is in these rooms, of those that LiveKit answers for."""
        turns = asyncio.Semaphore(QUESTIONS)

        async def ask(room: LiveRoom) -> tuple[str, dict[str, LiveParticipant]] | None:
            async with turns:
                try:
                    return room.name, {one.sid: one for one in await self.media.list_participants(room.name)}
                except PlatformError as error:
                    log.warning("room not looked into", reason=error.message, **{"pii.room": room.name})
                    return None

        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(ask(room)) for room in rooms]
        return [answer for task in asked if (answer := task.result()) is not None]

    def _differs(self, here: dict[str, Participant] | None, there: dict[str, LiveParticipant]) -> bool:
        """Whether there is anything to write; `here` is None of a room that is new, or in which somebody waits."""
        active = {sid: person for sid, person in there.items() if person.state == "ACTIVE"}
        if here is None or here.keys() - there.keys() or active.keys() - here.keys():
            return True
        return any(
            has_news(stay, there[sid])
            or {track["sid"] for track in stay.tracks} != {track["sid"] for track in there[sid].tracks}
            for sid, stay in here.items()
        )

    async def _write(
        self,
        live: LiveRoom,
        here: dict[str, Participant] | None,
        there: dict[str, LiveParticipant],
        back: set[tuple[str, str]],
    ) -> None:
        async with self.database.platform() as db:
            chronicle = Chronicle(db, self.clock)
            await chronicle.take_turn(live.name)
            room = await chronicle.room_runs(live)
            if room is None:  # whoever waits is told again what was decided: what is said to newcomers may be lost
                for person in there.values():
                    if person.state == "ACTIVE":
                        await person_came(db, self.clock, live.name, person.identity, person.sid)
                return
            if room.status != RoomStatus.OPEN:
                return  # closed by us, and LiveKit has not done with it
            for sid, person in there.items():
                if person.state == "ACTIVE" and sid not in (here or {}):
                    await chronicle.came(live, person)
            for sid, before in (here or {}).items():
                stay = await chronicle.projection.find_stay(room, sid)
                if stay is None:
                    continue
                if sid in there:
                    await self._compare(chronicle, room, stay, before, there[sid], back)
                else:
                    await chronicle.gone(room, stay, cause=None, at=self.clock.now())

    async def _compare(
        self,
        chronicle: Chronicle,
        room: Room,
        stay: Participant,
        before: Participant,
        person: LiveParticipant,
        back: set[tuple[str, str]],
    ) -> None:
        """Of somebody who is there: tracks, a name. What our row had before LiveKit was asked, and it has not, is gone.

        A track that is shown again though it had ended is believed in the second pass.
        """
        live = {track["sid"]: track for track in person.tracks}
        for sid, track in live.items():
            if sid in before.past_tracks and (stay.sid, sid) in self._back:
                chronicle.projection.revive(stay, sid)
            elif sid in before.past_tracks:
                back.add((stay.sid, sid))
            await chronicle.track(room, stay, track, published=True)
        for track in before.tracks:
            if track["sid"] not in live:
                await chronicle.track(room, stay, track, published=False)
        if stay.left_at is None:
            chronicle.projection.refresh(stay, person)
