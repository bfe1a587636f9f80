"""What is done with a phone that is on the line: sent to somebody else, or turned away."""

from typing import Final

import structlog
from sqlalchemy import BigInteger, text
from sqlalchemy.orm import aliased
from sqlmodel import col, select

from control_plane.accounts.limits import is_full
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import Conflict, InvalidRequest, PlatformError, Unavailable
from control_plane.telephony.answering import miss_call
from control_plane.telephony.dialling import PLACED
from control_plane.telephony.gate import demand_right_to_call
from control_plane.telephony.models import Call
from control_plane.telephony.numbers import find_number, is_possible
from control_plane.telephony.settling import ASKED_AT, CALLED_INTO, NOBODY_WAITS, lock_call, settle, tell_begin
from control_plane.telephony.trunks import trunks_of
from sip.dialer import Dialer, SipAwayError, SipRefusedError

log = structlog.get_logger()

WITHIN: Final = 30.0
"""Seconds the other phone may ring."""


class Switchboard:
    """Reaches phones by LiveKit. The project's policy holds for whom a phone is sent to as for whom we call."""

    def __init__(self, database: Database, clock: Clock, dialer: Dialer) -> None:
        self.database, self.clock, self.dialer = database, clock, dialer

    async def transfer(self, call: Call, to: str) -> None:
        """Send the phone of a call that goes on to a number or an address; holds no connection meanwhile.

        Raises `InvalidRequest` for an address that may be a number but says not which, `Forbidden` for what the policy
        does not allow, `Conflict` where it fails, and `Unavailable`.
        """
        try:
            number = find_number(to)
        except ValueError as error:
            raise InvalidRequest.field("to", str(error)) from error
        if number is not None:
            line, now = call.caller_id or "", self.clock.now()
            async with self.database.tenant(call.project_id) as db:
                await demand_right_to_call(db, call.project_id, number, calling_from=line, now=now, replacing=True)
        address = f"tel:{to}" if to.startswith("+") else to
        try:
            outcome = await self.dialer.transfer(call.room_name, call.identity, address, within=WITHIN)
        except SipAwayError as error:
            raise Unavailable(str(error)) from error
        except SipRefusedError as error:
            raise Conflict(str(error)) from error
        if outcome.status != "answered":
            raise Conflict(
                "The transfer failed and the call goes on",
                details={"sip_status": outcome.sip_status, "reason": outcome.reason},
            )
        async with self.database.tenant(call.project_id) as db:
            transferred = await lock_call(db, call.id)
            if transferred is None or transferred.reason is not None:  # somebody hung up meanwhile
                raise Conflict("The call ended before it was transferred")
            transferred.reason = "transferred"

    async def transfer_session(self, project_id: int, session_id: int, to: str) -> None:
        """The same for the call of a session, as its persona asks: to numbers only. Raises `InvalidRequest` too."""
        if not is_possible(to):
            raise InvalidRequest.field("to", "must be a possible number in E.164 form, such as +17751234567")
        async with self.database.tenant(project_id) as db:
            call = await _find_answered(db, session_id)
        if call is None:
            raise Conflict("there is nobody on the line")
        await self.transfer(call, to)

    async def call_in(self, project_id: int, session_id: int, to: str) -> str:
        """Have somebody called into the room of a session's call, as its persona asks; the identity of their phone.

        Raises `InvalidRequest`, `Forbidden` for what the policy does not allow, and `Conflict`.
        """
        if not is_possible(to):
            raise InvalidRequest.field("to", "must be a possible number in E.164 form, such as +17751234567")
        now, identity = self.clock.now(), f"sip_{to}"
        async with self.database.tenant(project_id) as db:
            call = await _find_answered(db, session_id)
            if call is None or call.identity == identity:
                raise Conflict("there is nobody on the line" if call is None else "that is the caller's own number")
            trunks = (await db.exec(trunks_of(project_id))).all()
            trunk = next((each for each in trunks if each.phone_number == call.caller_id), None)
            if trunk is None:
                raise Conflict("the line of this call is gone")
            await demand_right_to_call(db, project_id, to, calling_from=trunk.phone_number, now=now)
            if await is_full(db, project_id, "sip_calls", now):
                raise Conflict("all lines are busy")
            row = Call(
                project_id=project_id,
                room_name=call.room_name,
                phone_number=to,
                caller_id=trunk.phone_number,
                status="queued",
                identity=identity,
                trunk_id=trunk.id,
                started_at=now,
                details={CALLED_INTO: call.id},
            )
            db.add(row)
            caller = await lock_call(db, call.id)
            if caller is not None:
                caller.details = {name: known for name, known in caller.details.items() if name != ASKED_AT}
            await db.flush()
            tell_begin(db, self.clock, row)
            await db.execute(text(f"select pg_notify('{PLACED}', '')"))
        return identity

    async def withdraw(self, project_id: int, session_id: int) -> None:
        """Hang up the phones that were called into the room of a session's call. Raises `Unavailable`."""
        caller = aliased(Call)
        into = col(Call.details)[CALLED_INTO].astext.cast(BigInteger)
        called_in = (
            select(Call.id)
            .join(caller, (col(caller.id) == into) & (col(caller.project_id) == Call.project_id))
            .where(Call.project_id == project_id, caller.session_id == session_id, col(Call.ended_at).is_(None))
        )
        phones = []
        async with self.database.tenant(project_id) as db:
            for call_id in (await db.exec(called_in)).all():
                call = await lock_call(db, call_id)
                if call is None:
                    continue
                if call.answered_at is None:
                    await settle(db, self.clock, call, NOBODY_WAITS)
                phones.append((call.room_name, call.identity))
        for room_name, identity in phones:
            try:
                await self.dialer.hang_up(room_name, identity)
            except SipAwayError as error:
                raise Unavailable(str(error)) from error

    async def turn_away(self, config_id: int, room_name: str, reason: str) -> None:
        """Tell a caller whom nobody will answer that the line is busy, and keep that they called."""
        async with self.database.platform() as db:
            identity = await miss_call(db, self.clock, config_id, room_name, reason)
        if identity is not None:
            try:
                await self.dialer.hang_up(room_name, identity)
            except (SipAwayError, SipRefusedError) as error:
                log.warning("a caller was not turned away", reason=str(error), **{"pii.room": room_name})


async def _find_answered(db: Db, session_id: int) -> Call | None:
    going_on = (col(Call.answered_at).is_not(None), col(Call.ended_at).is_(None))
    return (await db.exec(select(Call).where(Call.session_id == session_id, *going_on).limit(1))).first()


def problem_of(error: PlatformError) -> str:
    """Why a transfer failed, for a persona to say."""
    reason = (error.details or {}).get("reason")
    return f"{error.message}: {reason}" if reason else error.message
