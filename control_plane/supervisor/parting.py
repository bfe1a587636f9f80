"""People whom nothing helps any more: their persona was lost too often, or no worker has a place for another.

given up ──a phone, the agent has a fallback number, the gate lets it through──▶ transferred
    ├──a worker has a place──▶ a job without models plays an apology, and ends
    └──neither──▶ pages play their own; a phone is hung up
each ends with `session.failed` and the reason

It is a job of the queue: whoever dies in the middle, the next one begins where rows say. A transfer is tried once; of
apologies one is heard, as the exchange refuses a second; a page plays its own once.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlmodel import col, delete, select

from agents.contract import AGENT_NAME, NOTICE
from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.errors import PlatformError
from control_plane.events.log import EventLog
from control_plane.media.server import MediaServer
from control_plane.personas.models import Persona
from control_plane.sessions.ending import end_failed, has_running, lock_session
from control_plane.sessions.models import Session, SessionStatus, Slot
from control_plane.sessions.serving import find_served
from control_plane.sessions.slots import StandingSigner, dispatch_of
from control_plane.supervisor.dispatch import free_places, see_out
from control_plane.telephony.models import Call, Transfer
from control_plane.telephony.switchboard import Switchboard

APOLOGY_WITHIN: Final = 8.0
"""Seconds for a worker to come and begin to apologise."""
APOLOGISED_WITHIN: Final = 20.0
"""Seconds for it to be done."""
LOOK_EVERY: Final = 0.25

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Left:
    """Who is left alone: the session, its agent where that is known, and the phone that is on the line."""

    session: Session
    persona: Persona | None
    call: Call | None


class Parting:
    """Sees that nobody is left without a word."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        media: MediaServer,
        switchboard: Switchboard,
        tickets: StandingSigner,
        *,
        begin_within: float = APOLOGY_WITHIN,
    ) -> None:
        self.database, self.clock, self.media, self.switchboard = database, clock, media, switchboard
        self.tickets, self.begin_within = tickets, begin_within

    async def handle(self, payload: dict[str, Any]) -> None:
        """Work off `GIVE_UP`. Repeats are harmless."""
        left = await self._find(payload["project_id"], payload["session_id"])
        if left is None:
            return
        if not (await self._hand_on(left) or await self._apologise(left)):
            await self._notify(left)
        await self._end(left)

    async def _find(self, project_id: int, session_id: int) -> _Left | None:
        async with self.database.tenant(project_id) as db:
            session = await db.get(Session, session_id)
            if session is None or session.status != SessionStatus.ACTIVE or session.giving_up is None:
                return None
            on_the_line = (col(Call.answered_at).is_not(None), col(Call.ended_at).is_(None))
            call = await db.exec(select(Call).where(Call.session_id == session_id, *on_the_line).limit(1))
            return _Left(session, await find_served(db, session), call.first())

    async def _hand_on(self, left: _Left) -> bool:
        """Have a phone transferred to its agent's fallback number; whether it is gone."""
        number = left.persona.fallback_number if left.persona else None
        if left.call is None or number is None:
            return False
        if left.call.reason == "transferred":
            return True  # and whoever did it died before this was written down
        try:
            await self.switchboard.transfer(left.call, number, asked_by="platform")
        except PlatformError as error:
            if await self._is_handed_on(left.call):
                return True
            log.warning("not transferred to the fallback number", session=left.session.id, reason=error.message)
            return False
        return True

    async def _is_handed_on(self, call: Call) -> bool:
        """Whether another who works off the same has the phone transferred: theirs is waited for."""
        mine = (Transfer.project_id == call.project_id, Transfer.call_id == call.id, Transfer.asked_by == "platform")
        newest = select(Transfer.status).where(*mine).order_by(col(Transfer.id).desc()).limit(1)
        began = self.clock.monotonic()
        while True:
            async with self.database.tenant(call.project_id) as db:
                status = (await db.exec(newest)).first()
            if status != "asked" or self.clock.monotonic() - began >= self.begin_within:
                return status == "done"
            await self.clock.sleep(LOOK_EVERY)

    async def _apologise(self, left: _Left) -> bool:
        """Have a worker apologise, where one has a place; whether it did."""
        async with self.database.platform() as db:
            slot = (await db.exec(select(Slot).where(Slot.session_id == left.session.id).limit(1))).first()
            if slot is None or left.persona is None or await free_places(db, self.clock) <= 0:
                return False
        dispatch = dispatch_of(self.tickets.sign(slot.id, left.persona.id), left.persona.name)
        try:
            room = left.session.room_name
            await see_out(self.media, room, dispatch.identity)
            await self.media.dispatch(room, agent_name=AGENT_NAME, metadata=dispatch.model_dump_json())
        except PlatformError as error:
            log.warning("nobody was asked to apologise", session=left.session.id, reason=error.message)
            return False
        began = self.clock.monotonic()
        while (waited := self.clock.monotonic() - began) < APOLOGISED_WITHIN:
            state = await self._state_of(left.session)
            if state == "over":
                return True
            if state == "nobody" and waited >= self.begin_within:
                return False
            await self.clock.sleep(LOOK_EVERY)
        return True  # somebody speaks, and does not come to an end

    async def _state_of(self, session: Session) -> str:
        async with self.database.tenant(session.project_id) as db:
            active = select(Session.id).where(Session.id == session.id, Session.status == SessionStatus.ACTIVE)
            if (await db.exec(active)).first() is None:
                return "over"
            return "somebody" if await has_running(db, session.id) else "nobody"

    async def _notify(self, left: _Left) -> None:
        """Have pages say it themselves. From here on no ticket opens the session: of two apologies one is enough."""
        async with self.database.platform() as db:
            session = await lock_session(db, left.session.id, project_id=left.session.project_id)
            if session is None or await has_running(db, session.id):
                return
            await db.exec(delete(Slot).where(col(Slot.session_id) == session.id))
        language = left.persona.language if left.persona else "en"
        notice = json.dumps({"say": "sorry", "language": language}).encode()
        try:
            await self.media.send_data(left.session.room_name, notice, topic=NOTICE, identities=[])
        except PlatformError as error:
            log.warning("nobody could be told", session=left.session.id, reason=error.message)

    async def _end(self, left: _Left) -> None:
        async with self.database.platform() as db:
            session = await lock_session(db, left.session.id, project_id=left.session.project_id)
            if session is not None:
                await end_failed(db, EventLog(db, self.clock), session, at=self.clock.now())
