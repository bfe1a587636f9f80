"""What is done with a phone that is on the line: sent to somebody else, or turned away."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import structlog
from sqlalchemy import BigInteger, text
from sqlalchemy.orm import aliased
from sqlmodel import col, or_, select

from control_plane.accounts.limits import is_full
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import Conflict, Forbidden, InvalidRequest, PlatformError, Unavailable
from control_plane.gate.models import AuditEntry
from control_plane.media.server import MediaServer
from control_plane.phones import is_possible
from control_plane.telephony.answering import miss_call
from control_plane.telephony.dialling import PLACED
from control_plane.telephony.gate import ASKED_FOR, Wish, demand_right_to_call
from control_plane.telephony.models import Call, SipTrunk, Transfer
from control_plane.telephony.numbers import find_desk, find_number
from control_plane.telephony.policy import canonical
from control_plane.telephony.settling import (
    ASKED_AT,
    ASKED_TO,
    BEFORE_ANSWER,
    CALLED_INTO,
    LONGEST_HANDED_OVER,
    NOBODY_WAITS,
    SPEAKING,
    lock_call,
    settle,
    tell_begin,
)
from control_plane.telephony.trunks import trunks_of
from sip.dialer import Dialer, SipAwayError, SipRefusedError
from sip.outcomes import ANSWERED

WITHIN: Final = 30.0
"""Seconds the other phone may ring."""
LONGEST_UNKNOWN: Final = 3600
"""Seconds that a call may last of which nothing was written down."""
AskedBy = Literal["api", "agent", "platform"]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a phone is sent: the address that the carrier is given, and the number in it, if it is one's."""

    address: str
    number: str | None


class Switchboard:
    """Reaches phones by LiveKit. The project's policy holds for whom a phone is sent to as for whom we call."""

    def __init__(self, database: Database, clock: Clock, dialer: Dialer, media: MediaServer) -> None:
        self.database, self.clock, self.dialer, self.media = database, clock, dialer, media

    async def notice_answer(self, call: Call) -> bool:
        """Whether somebody speaks at the phone of a call whose row does not say so yet; it does then. LiveKit knows of
        an answer before the report of a worker comes, or the word of whoever placed the call."""
        if call.status not in BEFORE_ANSWER or call.status == "queued":
            return False
        try:
            phone = await self.media.find_participant(call.room_name, call.identity)
        except PlatformError:
            return False
        if phone.attributes.get("sip.callStatus") not in SPEAKING:
            return False
        async with self.database.tenant(call.project_id) as db:
            known = await lock_call(db, call.id)
            if known is None or known.ended_at is not None:
                return False
            await settle(db, self.clock, known, ANSWERED)
        return True

    async def _look_at(self, project_id: int, session_id: int) -> None:
        """Take notice of an answer to the call of a session."""
        rings = (col(Call.answered_at).is_(None), col(Call.ended_at).is_(None))
        async with self.database.tenant(project_id) as db:
            call = (await db.exec(select(Call).where(Call.session_id == session_id, *rings).limit(1))).first()
        if call is not None:
            await self.notice_answer(call)

    async def transfer(self, call: Call, to: str, *, asked_by: AskedBy) -> None:
        """Send the phone of a call that goes on to a number, or to a name at the project's carrier; holds no connection
        meanwhile. What is asked of the carrier is written down and counted before.

        Raises `InvalidRequest` for an address that may be a number but says not which, `Forbidden` for what the policy
        does not allow and for other servers, `Conflict` where it fails, was done or is under way, and `Unavailable`.
        """
        target, transfer_id = await self._write(call, to, asked_by)
        try:
            outcome = await self.dialer.transfer(call.room_name, call.identity, target.address, within=WITHIN)
        except SipAwayError as error:
            raise Unavailable(str(error)) from error
        except SipRefusedError as error:
            await self._settle(call, transfer_id, "refused", None)
            raise Conflict(str(error)) from error
        is_done = outcome.status == "answered"
        await self._settle(call, transfer_id, "done" if is_done else "refused", outcome.sip_status)
        if not is_done:
            raise Conflict(
                "The transfer failed and the call goes on",
                details={"sip_status": outcome.sip_status, "reason": outcome.reason},
            )
        async with self.database.tenant(call.project_id) as db:
            transferred = await lock_call(db, call.id)
            if transferred is None or transferred.reason is not None:  # somebody hung up meanwhile
                raise Conflict("The call ended before it was transferred")
            transferred.reason = "transferred"

    async def _write(self, call: Call, to: str, asked_by: AskedBy) -> tuple[_Target, int]:
        """The intent: judged and counted under the policy's lock, so that no number of them at once passes a limit."""
        project_id, line, now = call.project_id, call.caller_id or "", self.clock.now()
        async with self.database.tenant(project_id) as db:
            trunks = (await db.exec(trunks_of(project_id))).all()
            target = _target_of(to, trunks)
            trunk = next((each for each in trunks if each.phone_number == line), None)
            # It is answered and has its longest duration by now, so that this is what is left of it under the lock too.
            left = _left_of(call, now)
            wish = Wish(
                project_id,
                "transfer",
                target.number,
                line,
                trunk.address if trunk else "",
                longest=left,
                address=target.address,
                shortest=left,  # nobody can end it earlier
                afterwards=0,
                key_id=call.key_id,
                call_id=call.id,
                replaced=call.id if call.direction == "outbound" else None,
            )
            allowed = await demand_right_to_call(db, wish, now=now)
            known = await lock_call(db, call.id)
            if known is None or known.ended_at is not None:
                raise Conflict("there is nobody on the line")
            before = select(Transfer.id).where(
                Transfer.call_id == call.id,
                or_(
                    Transfer.status == "done",
                    (col(Transfer.status) == "asked") & (col(Transfer.at) > now - ASKED_FOR),
                    (col(Transfer.asked_by) == "platform") & (asked_by == "platform"),
                ),
            )
            if (await db.exec(before.limit(1))).first() is not None:
                raise Conflict("This call is being transferred already, or was")
            row = Transfer(
                project_id=project_id,
                call_id=call.id,
                trunk_id=trunk.id if trunk else None,
                address=target.address,
                asked_by=asked_by,
                longest_seconds=allowed.longest_seconds,
                key_id=allowed.key_id,
                at=now,
            )
            db.add(row)
            if asked_by != "api":  # whose requests are written down by the gate
                who = (
                    "the platform" if asked_by == "platform" else f"agent {known.details.get('persona_id', '')}".strip()
                )
                told = {"call_id": call.id, "to": target.address}
                db.add(
                    AuditEntry(project_id=project_id, key_id=who, action="transfer", target=told, status=200, at=now)
                )
            await db.flush()
            return target, row.id

    async def _settle(self, call: Call, transfer_id: int, status: str, sip_status: int | None) -> None:
        async with self.database.tenant(call.project_id) as db:
            row = await db.get(Transfer, transfer_id)
            if row is not None:
                row.status, row.sip_status = status, sip_status

    async def transfer_session(self, project_id: int, session_id: int, to: str, *, listed: Collection[str]) -> None:
        """The same for the call of a session, as its persona asks: to numbers of its own list only. Raises
        `InvalidRequest` too."""
        number = _number_of(to)
        if number not in listed:
            raise _unlisted(to)
        await self._look_at(project_id, session_id)
        async with self.database.tenant(project_id) as db:
            call = await _find_answered(db, session_id)
        if call is None:
            raise Conflict("there is nobody on the line")
        await self.transfer(call, number, asked_by="agent")

    async def call_in(self, project_id: int, session_id: int, to: str, *, listed: Collection[str]) -> str:
        """Have somebody called into the room of a session's call, as its persona asks: somebody on its own list, or
        whom the API has asked it to hand its caller to. The identity of their phone.

        Raises `InvalidRequest`, `Forbidden` for what the policy does not allow, and `Conflict`.
        """
        to, now = _number_of(to), self.clock.now()
        identity = f"sip_{to}"
        await self._look_at(project_id, session_id)
        async with self.database.tenant(project_id) as db:
            call = await _find_answered(db, session_id)
            if call is None or call.identity == identity:
                raise Conflict("there is nobody on the line" if call is None else "that is the caller's own number")
            if to not in listed and call.details.get(ASKED_TO) != to:
                raise _unlisted(to)
            trunks = (await db.exec(trunks_of(project_id))).all()
            trunk = next((each for each in trunks if each.phone_number == call.caller_id), None)
            if trunk is None:
                raise Conflict("the line of this call is gone")
            wish = Wish(
                project_id,
                "warm",
                to,
                trunk.phone_number,
                trunk.address,
                longest=round(LONGEST_HANDED_OVER),
                key_id=call.key_id,
            )
            allowed = await demand_right_to_call(db, wish, now=now)
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
                longest_seconds=allowed.longest_seconds,
                key_id=allowed.key_id,
                destination=allowed.destination,
            )
            db.add(row)
            caller = await lock_call(db, call.id)
            if caller is not None:
                caller.details = {name: it for name, it in caller.details.items() if name not in (ASKED_AT, ASKED_TO)}
            await db.flush()
            allowed.call_id = row.id
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


def _target_of(to: str, trunks: Collection[SipTrunk]) -> _Target:
    try:
        number = find_number(to)
    except ValueError as error:
        raise InvalidRequest.field("to", str(error)) from error
    if number is not None:
        number = canonical(number)
        return _Target(f"tel:{number}", number)
    desk = find_desk(to, [trunk.address for trunk in trunks])
    if desk is None:
        raise Forbidden("Names are called at the project's own carriers only", details={"rule": "carriers"})
    return _Target(desk, None)


def _number_of(to: str) -> str:
    if not is_possible(to):
        raise InvalidRequest.field("to", "must be a possible number in E.164 form, such as +17751234567")
    return canonical(to)


def _unlisted(to: str) -> Forbidden:
    said = f"{to} is none of the numbers that this agent may transfer to"
    return Forbidden(said, details={"rule": "transfer_numbers"})


def _left_of(call: Call, now: datetime) -> int:
    """Seconds that a call might still have lasted; a minute at least."""
    lasted = (now - call.answered_at).total_seconds() if call.answered_at else 0.0
    return max(60, math.ceil((call.longest_seconds or LONGEST_UNKNOWN) - lasted))


def problem_of(error: PlatformError) -> str:
    """Why a transfer failed, for a persona to say."""
    reason = (error.details or {}).get("reason")
    return f"{error.message}: {reason}" if reason else error.message
