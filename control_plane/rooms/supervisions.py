"""Who supervises a room: questions, and what becomes of it when somebody leaves."""

import re
from datetime import datetime, timedelta
from typing import Final, cast

from sqlmodel import col, select, update

from agents.audience import (
    SUPERVISING,
    SUPERVISING_SINCE,
    SUPERVISOR_PREFIX,
    VOICE_SUFFIX,
    Mode,
    place_of,
    voice_of,
)
from control_plane.db.database import Db
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.gate.models import AuditEntry
from control_plane.jobs.queue import enqueue
from control_plane.media.server import LiveParticipant
from control_plane.rooms.models import Participant, Room, Supervision

COME_WITHIN: Final = timedelta(seconds=60)
"""Whoever is not in the room so long after asking for a mode has left it."""
COMING_BACK: Final = timedelta(seconds=2)
"""Whoever asked for a mode so short a time before their connection ended is connecting anew."""
SUPERVISOR: Final = "supervisor"
"""Their kind among participants; they are nobody in the room."""
LEFT: Final = "supervisor left"
"""The action of the audit entry of somebody who gave a call back by leaving."""
TURNED_AWAY: Final = "supervisor turned away"
"""The action of the audit entry of somebody who came with a token of what they do no more."""
SEAT: Final = "supervision.seat"
"""Job: see that a supervisor who came may do what they may now. Payload: room_name, identity, sid."""

_IDENTITY: Final = re.compile(f"{SUPERVISOR_PREFIX}([1-9][0-9]{{0,17}})({VOICE_SUFFIX})?")


class Supervisions:
    """Of the rooms of one project."""

    def __init__(self, db: Db, project_id: int) -> None:
        self.db, self.project_id = db, project_id

    async def running(self, room_id: int) -> list[Supervision]:
        """Who supervises a room, in the order they came."""
        query = select(Supervision).where(
            Supervision.project_id == self.project_id,
            Supervision.room_id == room_id,
            col(Supervision.ended_at).is_(None),
        )
        return list((await self.db.exec(query.order_by(col(Supervision.id)))).all())

    async def is_there(self, supervision: Supervision, *, now: datetime) -> bool:
        """Whether somebody is in the room to supervise it, or has just been let in."""
        if supervision.changed_at > now - COME_WITHIN:
            return True
        query = select(Participant.id).where(
            Participant.project_id == self.project_id,
            Participant.room_id == supervision.room_id,
            col(Participant.identity).in_((supervision.identity, voice_of(supervision.identity))),
            col(Participant.left_at).is_(None),
        )
        return (await self.db.exec(query)).first() is not None

    async def find_attributes(self, room_id: int, identity: str) -> dict[str, str] | None:
        """What the rows let somebody be in the call's room who has the name of a supervisor; None: they are not to be
        there, whatever their token says."""
        found = _IDENTITY.fullmatch(identity)
        for each in await self.running(room_id) if found else []:
            if identity == each.identity:
                return {}
            if identity == voice_of(each.identity) and place_of(cast("Mode", each.mode)) == "call":
                return attributes_of(each)
        return None

    async def came(self, room: Room, person: LiveParticipant, *, at: datetime) -> None:
        """Somebody is in a room. A supervisor whose token is older than what they do now is put right, or away.

        LiveKit's tokens are good until they expire, and whoever is in a room is given new ones by LiveKit itself.
        """
        if not person.identity.startswith(SUPERVISOR_PREFIX):
            return
        attributes = await self.find_attributes(room.id, person.identity)
        if attributes is not None and attributes.items() <= person.attributes.items():
            return
        if attributes is None:
            await self._note_turned_away(room, person.identity, at=at)
        who = {"room_name": room.full_name, "identity": person.identity, "sid": person.sid}
        await enqueue(self.db, SEAT, person.sid, run_at=at, **who)

    async def _note_turned_away(self, room: Room, identity: str, *, at: datetime) -> None:
        found = _IDENTITY.fullmatch(identity)
        query = select(Supervision.key_id).where(
            Supervision.project_id == self.project_id, Supervision.id == (int(found[1]) if found else 0)
        )
        key_id = (await self.db.exec(query)).one_or_none() or ""
        target = {"room_name": room.name, "supervisor": identity}
        self.db.add(
            AuditEntry(project_id=room.project_id, key_id=key_id, action=TURNED_AWAY, target=target, status=403, at=at)
        )

    async def end_all(self, room_id: int, *, at: datetime) -> None:
        """The room is gone, and nobody supervises it any more."""
        await self.db.exec(
            update(Supervision)
            .where(
                col(Supervision.project_id) == self.project_id,
                col(Supervision.room_id) == room_id,
                col(Supervision.ended_at).is_(None),
            )
            .values(ended_at=at)
        )

    async def left(self, log: EventLog, room: Room, stay: Participant, *, reason: str, at: datetime) -> None:
        """A connection of a supervisor is over: who listens no longer has left, who speaks no longer listens."""
        if reason == "duplicate_identity":
            return
        for each in await self.running(room.id):
            if each.changed_at > at - COMING_BACK:
                continue
            if stay.identity == each.identity:
                each.ended_at = at
                tell(log, room, each, mode="ended")
            elif stay.identity == voice_of(each.identity) and each.mode in ("barge", "takeover"):
                each.mode = "listen"  # asked for by nobody: who has left altogether is not taken for coming back
                tell(log, room, each, mode="listen")
            else:
                continue
            target = {"room_name": room.name, "supervisor": each.identity}
            self.db.add(
                AuditEntry(
                    project_id=room.project_id, key_id=each.key_id, action=LEFT, target=target, status=200, at=at
                )
            )


def attributes_of(supervision: Supervision) -> dict[str, str]:
    """What whoever speaks in the call as this supervisor has about them."""
    since = int(supervision.changed_at.timestamp() * 1_000)
    return {SUPERVISING: supervision.mode, SUPERVISING_SINCE: str(since)}


def tell(log: EventLog, room: Room, supervision: Supervision, *, mode: str, session_id: int | None = None) -> None:
    """Write the fact that somebody supervises a room in another way, or not any more."""
    log.append(
        Fact.SUPERVISION_CHANGED,
        project_id=room.project_id,
        room_name=room.full_name,
        session_id=session_id,
        supervisor=supervision.identity,
        name=supervision.name,
        mode=mode,
    )
