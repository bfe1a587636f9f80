"""What people with a number have said about being called: a record that is only added to, of which the newest holds."""

from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, func, select

from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.db.rows import read_excerpt
from control_plane.gate.models import AuditEntry
from control_plane.sessions.models import Session
from control_plane.telephony.models import Call, Consent
from control_plane.telephony.policy import canonical
from control_plane.telephony.schemas import ConsentCreate
from control_plane.telephony.settling import lock_call, settle
from control_plane.wire import Excerpt
from sip.outcomes import Outcome

NOT_WANTED = Outcome("failed", None, "they asked not to be called again", left=False)


class ConsentService:
    """The consents that one caller keeps."""

    def __init__(self, db: Db, caller: Caller, clock: Clock) -> None:
        self.db, self.caller, self.clock = db, caller, clock

    async def create(self, body: ConsentCreate) -> Consent:
        """Write down what somebody said. Where they do not want to be called, that holds at once: what waits in the
        queue for their number is not called."""
        project, number = self.caller.project_id, canonical(body.number)
        given = body.model_dump() | {"number": number}
        consent = Consent(project_id=project, at=self.clock.now(), **given)
        self.db.add(consent)
        await self.db.flush()
        if consent.kind == "calls" and not consent.given:
            await _take_from_queue(self.db, self.clock, project, number)
        return consent

    async def page(self, excerpt: Excerpt, *, number: str | None, kind: str | None) -> tuple[list[Consent], int]:
        """An excerpt of the record, newest first, and how many rows it has."""
        query: Any = select(Consent).where(Consent.project_id == self.caller.project_id)
        if number is not None:
            query = query.where(Consent.number == canonical(number))
        if kind is not None:
            query = query.where(Consent.kind == kind)
        rows, total = await read_excerpt(self.db, query, col(Consent.id), excerpt)
        return [row[0] for row in rows], total


async def opt_out(db: Db, clock: Clock, session: Session, by: Literal["words", "key"]) -> None:
    """Whoever we have called in this session, which is locked, does not want to be called again. Said twice it is
    written once; of calls in nothing is written."""
    project = session.project_id
    query = select(Call).where(
        Call.project_id == project, Call.session_id == session.id, col(Call.direction) == "outbound"
    )
    call = (await db.exec(query.order_by(col(Call.id)).limit(1))).first()
    if call is None:
        return
    number, now = call.destination or canonical(call.phone_number), clock.now()
    row = {"project_id": project, "number": number, "kind": "calls", "given": False, "session_id": session.id}
    done = "said" if by == "words" else "pressed on the phone"
    row |= {"evidence": f"{done} in session {session.id}", "at": now}
    if (await db.scalar(insert(Consent).values(**row).on_conflict_do_nothing().returning(text("id")))) is None:
        return
    who = f"agent {call.details.get('persona_id', '')}".strip()
    told = {"session_id": session.id, "call_id": call.id}
    db.add(AuditEntry(project_id=project, key_id=who, action="opt-out", target=told, status=200, at=now))
    await _take_from_queue(db, clock, project, number)


async def _take_from_queue(db: Db, clock: Clock, project: int, number: str) -> None:
    reached = func.coalesce(Call.destination, Call.phone_number)
    waiting = select(Call.id).where(Call.project_id == project, Call.status == "queued", reached == number)
    for call_id in (await db.exec(waiting.order_by(col(Call.id)))).all():
        call = await lock_call(db, call_id)
        if call is not None and call.status == "queued":
            await settle(db, clock, call, NOT_WANTED)
