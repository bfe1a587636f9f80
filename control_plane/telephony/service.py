"""Numbers and calls of one caller."""

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, or_, select, update

from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.db.rows import read_excerpt, refuse_missing
from control_plane.errors import Conflict, InvalidRequest, NotFound, PlatformError, Unavailable
from control_plane.events.live import LiveBus
from control_plane.media.server import MediaServer
from control_plane.personas.models import Persona
from control_plane.personas.repository import PersonaRepository
from control_plane.phones import is_possible
from control_plane.plans.quota import Quota
from control_plane.sessions.models import Session, SessionStatus
from control_plane.telephony.gate import Wish, demand_right_to_call
from control_plane.telephony.models import Call, SipConfig, SipTrunk
from control_plane.telephony.policy import canonical
from control_plane.telephony.schemas import ConfigCreate, ConfigUpdate
from control_plane.telephony.settling import (
    ASKED_AT,
    ASKED_TO,
    BEFORE_ANSWER,
    CALLED_INTO,
    HUNG_UP,
    LONGEST_HANDED_OVER,
    SPEAKING,
    lock_call,
    settle,
)
from control_plane.telephony.switchboard import Switchboard
from control_plane.telephony.sync import TrunkSync, tell_now
from control_plane.telephony.trunks import trunks_of
from control_plane.wire import Excerpt
from sip.dialer import Dialer, SipAwayError
from sip.outcomes import ANSWERED, Outcome

HAND_OVER = "hand_over"
"""Live channel: somebody to whom a session's persona is to hand its caller over."""
PRESS_KEYS = "press_keys"
"""Live channel: keys of a telephone that a session's persona is to press."""
CALLED_IN_WITHIN: Final = timedelta(seconds=20)
"""How long a persona that was asked to hand its caller over may take until it has somebody called."""
STATES: Final = {
    "queued": "waits in the queue",
    "ended": "has ended",
    "busy": "found the line busy",
    "rejected": "was rejected",
    "no_answer": "was not answered",
    "failed": "has failed",
}
"""What is said of a call that nobody is in, by its status."""


class Answered(NamedTuple):
    """A number that is answered, by whom, and whether the project has its line: without one nobody can call it."""

    config: SipConfig
    agent_name: str
    has_trunk: bool


class ConfigService:
    """The numbers of one caller: who answers them. A number is called over the trunk that has it."""

    def __init__(self, db: Db, caller: Caller, quota: Quota, sync: TrunkSync) -> None:
        self.db, self.caller, self.quota, self.sync = db, caller, quota, sync
        self.personas = PersonaRepository(db, project_id=caller.project_id)

    async def all(self) -> list[Answered]:
        """All configurations, oldest first."""
        lines = {trunk.phone_number for trunk in (await self.db.exec(trunks_of(self.caller.project_id))).all()}
        found = (await self.db.exec(self._query())).all()
        return [Answered(config, name, config.phone_number in lines) for config, name in found]

    async def create(self, body: ConfigCreate) -> Answered:
        """Have an agent answer a number, within the plan's number of configurations.

        Raises `NotFound` or `Forbidden` for the agent, `QuotaExceeded`, `Conflict` where the number is in use anywhere
        on this server, and `Unavailable`; whatever is raised, nothing is kept.
        """
        agent = await self.personas.get(body.agent_config_id)
        await self._intend(body.phone_number)
        await self.quota.take("sip_configs")
        config = SipConfig(project_id=self.caller.project_id, **body.model_dump())
        self.db.add(config)
        await self._claim_number(body.phone_number)
        lines = await self._tell(body.phone_number)
        return Answered(config, agent.name, config.phone_number in lines)

    async def update(self, config_id: int, body: ConfigUpdate) -> Answered:
        """Change a configuration. Raises as `create` does, and `NotFound` or `Forbidden` for the row."""
        config, name = await self._config(config_id)
        before = config.phone_number
        changes = body.changes()
        if "agent_config_id" in changes:
            name = (await self.personas.get(changes["agent_config_id"])).name
        await self._intend(before, changes.get("phone_number", before))
        config.sqlmodel_update(changes)
        await self._claim_number(config.phone_number)
        lines = await self._tell(before, config.phone_number)
        return Answered(config, name, config.phone_number in lines)

    async def delete(self, config_id: int) -> None:
        """Give up a configuration. Raises `NotFound`, `Forbidden`, `Unavailable`."""
        config, _ = await self._config(config_id)
        await self._intend(config.phone_number)
        await self.db.delete(config)
        await self.db.flush()
        await self._tell(config.phone_number)

    async def _intend(self, *phone_numbers: str) -> None:
        """Note that LiveKit is about to be told: where we die in the middle, the repair tells it what is so."""
        mine = (col(SipTrunk.project_id) == self.caller.project_id, col(SipTrunk.phone_number).in_(phone_numbers))
        if (await self.db.exec(update(SipTrunk).where(*mine).values(synced_at=None))).rowcount:
            await self.db.commit()

    async def _tell(self, *phone_numbers: str) -> set[str]:
        """Tell LiveKit while nothing is committed: where it cannot be told, nothing has changed. Which of the numbers
        have a trunk.

        Where the commit fails afterwards LiveKit is ahead of us until the repair; its rule may open nothing.
        """
        query = trunks_of(self.caller.project_id).where(col(SipTrunk.phone_number).in_(phone_numbers))
        trunks = (await self.db.exec(query.with_for_update())).all()
        told = [trunk.id for trunk in trunks]
        try:
            for trunk in trunks:
                await tell_now(self.db, self.sync, trunk)
        except PlatformError:
            # LiveKit may have taken some of it: the repair tells it again what is still so.
            await self.db.rollback()
            await self.db.exec(update(SipTrunk).where(col(SipTrunk.id).in_(told)).values(synced_at=None))
            await self.db.commit()
            raise
        await self.db.commit()
        return {trunk.phone_number for trunk in trunks}

    def _query(self) -> Any:
        return (
            select(SipConfig, Persona.name)
            .join(
                Persona, (col(Persona.id) == SipConfig.agent_config_id) & (Persona.project_id == SipConfig.project_id)
            )
            .where(SipConfig.project_id == self.caller.project_id)
            .order_by(col(SipConfig.id))
        )

    async def _claim_number(self, phone_number: str) -> None:
        """Write what was changed; the database sees the numbers of all projects."""
        try:
            await self.db.flush()
        except IntegrityError as error:
            raise Conflict(f"The number {phone_number} belongs to another configuration") from error

    async def _config(self, config_id: int) -> tuple[SipConfig, str]:
        found = (await self.db.exec(self._query().where(SipConfig.id == config_id))).one_or_none()
        if found is None:
            await refuse_missing(self.db, "sip_config", config_id, "SIP configuration")
        return found[0], found[1]


class CallService:
    """The calls of one caller, and what can be done with one that goes on."""

    def __init__(
        self,
        db: Db,
        caller: Caller,
        clock: Clock,
        dialer: Dialer,
        live: LiveBus,
        switchboard: Switchboard,
        media: MediaServer,
    ) -> None:
        self.db, self.caller, self.clock, self.dialer, self.live = db, caller, clock, dialer, live
        self.switchboard, self.media = switchboard, media

    async def page(
        self,
        excerpt: Excerpt,
        *,
        status: str | None,
        direction: str | None,
        since: datetime | None,
        until: datetime | None,
        search: str | None,
    ) -> tuple[list[Call], int]:
        """An excerpt of the calls, newest first, and how many there are. `search` is a part of either number."""
        query: Any = select(Call).where(Call.project_id == self.caller.project_id)
        if status is not None:
            query = query.where(Call.status == status)
        if direction is not None:
            query = query.where(Call.direction == direction)
        if since is not None:
            query = query.where(Call.started_at >= since)
        if until is not None:
            query = query.where(Call.started_at <= until)
        if search is not None:
            numbers = (col(Call.phone_number), col(Call.caller_id))
            query = query.where(or_(*(number.contains(search, autoescape=True) for number in numbers)))
        rows, total = await read_excerpt(self.db, query, col(Call.id), excerpt)
        return [row[0] for row in rows], total

    async def hang_up(self, call_id: int) -> None:
        """End a call, or take it out of the queue; one that has ended is fine. Its row says what was true of its phone.

        Raises `Unavailable`, and then nothing has changed.
        """
        await self._get(call_id)
        call = await lock_call(self.db, call_id)
        if call is None or call.ended_at is not None:
            return
        if call.status == "queued":
            await settle(self.db, self.clock, call, Outcome("no_answer", None, "hung up before it was placed"))
            return
        await self.db.commit()
        has_answered = call.status in BEFORE_ANSWER and await self._has_answered(call)
        call = await lock_call(self.db, call_id)
        if call is None or call.ended_at is not None:
            return
        if has_answered:
            await settle(self.db, self.clock, call, ANSWERED)  # whoever placed it died before it could
        known, call.reason = call.reason, call.reason or "hung up"  # whoever settles it keeps this
        call.details = call.details | {HUNG_UP: True}
        await self.db.commit()
        try:
            await self.dialer.hang_up(call.room_name, call.identity)
        except SipAwayError as error:
            call = await lock_call(self.db, call_id)
            if call is not None and call.ended_at is None:
                call.reason, call.details = known, {name: it for name, it in call.details.items() if name != HUNG_UP}
                await self.db.commit()
            raise Unavailable(f"{error}; try again") from error
        call = await lock_call(self.db, call_id)
        if call is not None and call.direction == "outbound" and call.status in BEFORE_ANSWER:
            # Its phone may be on its way into the room still: who places it sees that it has ended.
            await settle(self.db, self.clock, call, Outcome("no_answer", None, "hung up"))

    async def _has_answered(self, call: Call) -> bool:
        """Whether somebody speaks at the phone of one of our calls, whatever its row says. Raises `Unavailable`."""
        if call.direction != "outbound":
            return False
        try:
            phone = await self.media.find_participant(call.room_name, call.identity)
        except NotFound:
            return False
        return phone.attributes.get("sip.callStatus") in SPEAKING

    async def transfer(self, call_id: int, to: str) -> None:
        """Have the phone call somebody else. Raises as `Switchboard` does, and `Conflict` where there is nobody."""
        call = await self._answered(call_id)
        await self.db.commit()
        await self.switchboard.transfer(call, to, asked_by="api")

    async def hand_over(self, call_id: int, to: str) -> None:
        """Have the persona ask somebody to take the call.

        Raises `Conflict` where there is no conversation or somebody is asked already, `InvalidRequest`, `Forbidden` as
        the policy does, and `Unavailable` where the persona cannot be told.
        """
        if not is_possible(to):
            raise InvalidRequest.field("to", "must be a number in E.164 form for a warm transfer")
        to = canonical(to)
        call = await self._with_persona(call_id)
        if call.identity == f"sip_{to}":
            raise Conflict(f"{to} is the number of the phone in call {call_id}")
        line, now = call.caller_id or "", self.clock.now()
        trunks = (await self.db.exec(trunks_of(call.project_id).where(SipTrunk.phone_number == line))).all()
        # Judged again when the persona has them called, for which it is counted.
        wish = Wish(
            call.project_id,
            "warm",
            to,
            line,
            trunks[0].address if trunks else "",
            longest=round(LONGEST_HANDED_OVER),
            key_id=self.caller.key_id,
            call_id=call.id,
        )
        await demand_right_to_call(self.db, wish, now=now)
        await lock_call(self.db, call_id)
        into = col(Call.details)[CALLED_INTO].astext.cast(BigInteger)
        others = select(Call.id).where(Call.project_id == call.project_id, into == call.id)
        asked_at = call.details.get(ASKED_AT)
        is_asked = asked_at is not None and now - datetime.fromisoformat(asked_at) < CALLED_IN_WITHIN
        if is_asked or (await self.db.exec(others.where(col(Call.ended_at).is_(None)))).first() is not None:
            raise Conflict(f"Somebody is being asked to take call {call_id} already")
        call.details = call.details | {ASKED_AT: now.isoformat(), ASKED_TO: to}
        await self.db.commit()
        try:
            await self.live.command(HAND_OVER, {"session_id": call.session_id, "to": to})
        except Unavailable:  # nobody was asked: whoever tries again must not hear that somebody is
            await lock_call(self.db, call_id)
            call.details = {name: it for name, it in call.details.items() if name not in (ASKED_AT, ASKED_TO)}
            await self.db.commit()
            raise

    async def press(self, call_id: int, digits: str) -> None:
        """Press keys for the other end to hear. Raises `Conflict` where there is no conversation, and `Unavailable`
        where the persona cannot be told.
        """
        call = await self._with_persona(call_id)
        await self.db.commit()
        await self.live.command(PRESS_KEYS, {"session_id": call.session_id, "digits": digits})

    async def _get(self, call_id: int) -> Call:
        query = select(Call).where(Call.project_id == self.caller.project_id, Call.id == call_id)
        return (await self.db.exec(query)).one_or_none() or await refuse_missing(self.db, "call", call_id, "call")

    async def _answered(self, call_id: int) -> Call:
        call = await self._get(call_id)
        if call.answered_at is None and call.ended_at is None:
            await self.db.commit()
            if await self.switchboard.notice_answer(call):
                await self.db.refresh(call)
        if call.answered_at is None or call.ended_at is not None:
            state = STATES.get(call.status, "is not answered yet")
            raise Conflict(f"Call {call_id} {state}: there is nobody on the line")
        return call

    async def _with_persona(self, call_id: int) -> Call:
        call = await self._answered(call_id)
        session = select(Session.id).where(Session.project_id == call.project_id, Session.id == call.session_id)
        if (await self.db.exec(session.where(Session.status == SessionStatus.ACTIVE))).first() is None:
            raise Conflict(f"No agent is in call {call_id}")
        return call
