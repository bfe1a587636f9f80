"""Who supervises a room: questions, and what becomes of it when somebody leaves."""

from datetime import datetime, timedelta
from typing import Final

from sqlmodel import col, select, update

from agents.audience import voice_of
from control_plane.db.database import Db
from control_plane.events.facts import Fact
from control_plane.events.log import EventLog
from control_plane.gate.models import AuditEntry
from control_plane.rooms.models import Participant, Room, Supervision

COME_WITHIN: Final = timedelta(seconds=60)
"""Whoever is not in the room so long after asking for a mode has left it."""
COMING_BACK: Final = timedelta(seconds=2)
"""Whoever asked for a mode so short a time before their connection ended is connecting anew."""
SUPERVISOR: Final = "supervisor"
"""Their kind among participants; they are nobody in the room."""
LEFT: Final = "supervisor left"
"""The action of the audit entry of somebody who gave a call back by leaving."""


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
