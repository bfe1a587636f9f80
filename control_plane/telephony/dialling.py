"""Calling somebody: every check, then the call as rows; placing it is the background process's."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import text
from sqlmodel import col, select

from control_plane.accounts.room_names import resolve
from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import Conflict, Forbidden, InvalidRequest
from control_plane.gate.idempotency import Attempt
from control_plane.ids import fingerprint
from control_plane.metering.budget import find_used_up
from control_plane.names import RoomName, room_name
from control_plane.personas.models import Persona
from control_plane.personas.repository import PersonaRepository
from control_plane.plans.catalogue import UNLIMITED
from control_plane.plans.quota import Quota
from control_plane.rooms.models import RoomOrigin
from control_plane.rooms.repository import RoomRepository
from control_plane.sessions.models import Slot
from control_plane.sessions.repository import SessionRepository
from control_plane.sessions.slots import new_secret
from control_plane.telephony.gate import Wish, demand_right_to_call
from control_plane.telephony.models import Call, DialDecision, SipTrunk
from control_plane.telephony.schemas import Dial
from control_plane.telephony.settling import tell_begin
from control_plane.telephony.trunks import trunks_of

PLACED = "parley_call_queued"
"""PostgreSQL channel: a call waits to be placed."""
PHONE_WITHIN = 0.45
"""Seconds a request waits for its phone to be in the room."""
LOOK_EVERY = 0.03
HELD = timedelta(minutes=10)
"""How long a persona's place is kept for a call that waits in the queue."""

_NEXT_ID = text("select nextval(pg_get_serial_sequence('call', 'id'))")
_PROGRESS = text("""
    select call.status, call.sip_status, call.reason, call.ended_at, participant.sid from call
    left join room on room.project_id = call.project_id and room.full_name = call.room_name and room.status = 'open'
    left join participant on participant.project_id = call.project_id and participant.room_id = room.id
        and participant.identity = call.identity
    where call.id = :call and call.project_id = :project
    order by participant.id desc limit 1
""")


@dataclass(frozen=True, slots=True)
class Placed:
    """A call as its caller hears of it; `participant_sid` is None while its phone is not in the room. `sip_status` and
    `reason` are of one that has ended already."""

    call: Call
    name: RoomName
    trunk: SipTrunk
    status: str
    participant_sid: str | None
    sip_status: int | None
    reason: str | None


class DialService:
    """Places calls of one caller."""

    def __init__(
        self, db: Db, database: Database, caller: Caller, quota: Quota, clock: Clock, attempt: Attempt
    ) -> None:
        self.db, self.database, self.caller, self.quota, self.clock = db, database, caller, quota, clock
        self.attempt = attempt

    async def dial(self, body: Dial) -> Placed:
        """Call somebody; returns before there is an answer, `status` is `queued` where the trunk's pace delays it.

        Raises, in this order: `InvalidRequest`, `NotFound`, `Forbidden` or `Conflict` for the agent, `InvalidRequest`
        for a missing trunk or a foreign caller id, `Forbidden` for what the project's policy does not allow and for a
        used up budget, `QuotaExceeded`, `Conflict` where a session is active in the room.
        """
        if self.attempt.made:  # an earlier try of this request, which has died: nobody is called twice
            return await self._go_on(int(self.attempt.made))
        call_id: int = await self.db.scalar(_NEXT_ID)
        name = await self._room(body, call_id)
        persona = await self._persona(body.agent_config_id)
        trunk = await self._trunk(body.caller_id)
        wish = Wish(
            self.caller.project_id,
            "dial",
            body.phone_number,
            trunk.phone_number,
            trunk.address,
            longest=persona.max_call_duration,
            key_id=self.caller.key_id,
            call_id=call_id,
        )
        allowed = await demand_right_to_call(self.db, wish, now=self.clock.now())
        used_up = await find_used_up(self.db, self.caller.project_id, [persona.id], at=self.clock.now())
        if used_up is not None:
            raise Forbidden("This month's budget is used up", details={"rule": "budget"})
        await self._check_configurations()
        await self.quota.take("sip_calls")
        await self.quota.take("sessions")
        call = await self._write(call_id, body, name, persona, trunk, allowed)
        await self.db.execute(text(f"select pg_notify('{PLACED}', '')"))
        await self.attempt.note(self.db, f"{call.id}")
        await self.db.commit()
        return await self._wait_for_phone(call, name, trunk)

    async def _go_on(self, call_id: int) -> Placed:
        """What is to be said of a call that was placed."""
        query = select(Call, SipTrunk).join(SipTrunk, col(SipTrunk.id) == Call.trunk_id).where(Call.id == call_id)
        call, trunk = (await self.db.exec(query)).one()
        name = RoomName(call.room_name.removeprefix(f"{self.caller.slug}_"), call.room_name)
        return await self._wait_for_phone(call, name, trunk)

    async def _write(
        self, call_id: int, body: Dial, name: RoomName, persona: Persona, trunk: SipTrunk, allowed: DialDecision
    ) -> Call:
        now, project = self.clock.now(), self.caller.project_id
        identity = f"sip_{body.phone_number}"
        rooms = RoomRepository(self.db, project)
        await rooms.open(name, origin=RoomOrigin.DIAL, sid=None, created_at=now)
        session = await SessionRepository(self.db, project).begin(
            name.full, persona, at=now, session_type="sip", caller_identity=identity, details=body.metadata
        )
        if session is None:
            raise Conflict(f"A session is active in the room {name.short!r}")
        call = Call(
            id=call_id,
            project_id=project,
            session_id=session.id,
            room_name=name.full,
            phone_number=body.phone_number,
            caller_id=trunk.phone_number,
            status="queued",
            identity=identity,
            trunk_id=trunk.id,
            started_at=now,
            details={"persona_id": persona.id},
            longest_seconds=allowed.longest_seconds,
            key_id=allowed.key_id,
            destination=allowed.destination,
        )
        slot = Slot(
            project_id=project,
            account_id=self.caller.account_id,
            room_name=name.full,
            persona_ids=[persona.id],
            ticket_hash=fingerprint(new_secret()),  # replaced when it is placed
            variables=_variables(body),
            caller_identity=identity,
            session_id=session.id,
            dispatched_at=now,
            expires_at=now + HELD,
        )
        self.db.add_all([call, slot])
        await self.db.flush()
        tell_begin(self.db, self.clock, call)
        return call

    async def _wait_for_phone(self, call: Call, name: RoomName, trunk: SipTrunk) -> Placed:
        """As it is once its phone is in the room, or it has failed, or nobody waits any longer."""
        deadline = asyncio.get_running_loop().time() + PHONE_WITHIN
        values = {"call": call.id, "project": self.caller.project_id}
        while True:
            async with self.database.tenant(self.caller.project_id) as db:
                row = (await db.execute(_PROGRESS, values)).one()
            is_known = row.sid is not None or row.ended_at is not None
            if is_known or asyncio.get_running_loop().time() > deadline:
                return Placed(call, name, trunk, row.status, row.sid, row.sip_status, row.reason)
            await asyncio.sleep(LOOK_EVERY)

    async def _room(self, body: Dial, call_id: int) -> RoomName:
        if body.room_name is not None:
            return await resolve(self.db, self.caller.slug, body.room_name, field="room_name", fresh=True)
        return room_name(f"outbound-call-{call_id}", self.caller.slug)

    async def _persona(self, wanted: int | None) -> Persona:
        if wanted is None:
            query = select(Persona.id).where(
                Persona.project_id == self.caller.project_id,
                col(Persona.deleted_at).is_(None),
                col(Persona.is_active).is_(True),
            )
            wanted = (await self.db.exec(query.order_by(col(Persona.id)).limit(1))).one_or_none()
            if wanted is None:
                raise InvalidRequest("No active agent: create one, or activate one")
        serving = await PersonaRepository(self.db, project_id=self.caller.project_id).serving(wanted)
        if not serving.persona.is_active:
            raise Conflict(f"Agent {wanted} is not active")
        return serving.persona

    async def _trunk(self, caller_id: str | None) -> SipTrunk:
        trunks = (await self.db.exec(trunks_of(self.caller.project_id))).all()
        if not trunks:
            raise InvalidRequest("No SIP trunk configured")
        trunk = next((trunk for trunk in trunks if caller_id in (None, trunk.phone_number)), None)
        if trunk is None:
            raise InvalidRequest.field("caller_id", "must be a number of one of the project's trunks")
        return trunk

    async def _check_configurations(self) -> None:
        """Dialling takes no configuration, but needs a plan that allows some and is not exceeded."""
        held = (await self.quota.left())["sip_configs"]
        limit, used = held["limit"], held["used"]
        if limit != UNLIMITED and (limit == 0 or used > limit):
            raise self.quota.exceeded("sip_configs", limit=limit, used=used)


def _variables(body: Dial) -> dict[str, Any]:
    told = {name: value for name, value in body.metadata.items() if isinstance(value, (str, int, float))}
    return told | {"phone_number": body.phone_number}
