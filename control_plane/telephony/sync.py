"""LiveKit's trunks and rules in step with our rows."""

from datetime import timedelta
from typing import Final

import structlog
from sqlmodel import col, select

from agents.contract import AGENT_NAME
from control_plane.accounts.models import Project
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import Conflict, InvalidRequest, Unavailable
from control_plane.personas.models import Persona
from control_plane.secrets.box import SecretBox
from control_plane.sessions.slots import StandingSigner, dispatch_of
from control_plane.telephony.answering import ROOM_PREFIX
from control_plane.telephony.models import SipConfig, SipTrunk
from control_plane.telephony.settling import GRACE, LONGEST_HANDED_OVER
from sip.dialer import Carrier, Dialer, Line, NumberTakenError, SipAwayError, SipRefusedError

SETTLE = timedelta(seconds=5)
"""A trunk this young is being made by its request."""
GIVEN: Final = ("outbound_trunk_id", "inbound_trunk_id", "dispatch_rule_id")
"""What of a row is LiveKit's."""

log = structlog.get_logger()


def sealed_for(trunk_id: int) -> str:
    """The row a trunk's password is sealed for."""
    return f"sip_trunk:{trunk_id}"


def key_of(trunk_id: int) -> str:
    """What LiveKit knows our trunk by."""
    return f"parley:trunk:{trunk_id}"


class TrunkSync:
    """Tells LiveKit of trunks as our rows have them: one each way, and a rule where a number is answered."""

    def __init__(self, dialer: Dialer, box: SecretBox, numbers: StandingSigner, clock: Clock) -> None:
        self.dialer, self.box, self.numbers, self.clock = dialer, box, numbers, clock

    async def tell(self, db: Db, trunk: SipTrunk) -> None:
        """The caller commits. Raises `SipAwayError`, `SipRefusedError`."""
        sealed = trunk.sealed_password
        answered = await self._line(db, trunk)
        carrier = Carrier(
            key=key_of(trunk.id),
            name=trunk.name,
            number=trunk.phone_number,
            address=trunk.address,
            transport=trunk.transport,
            username=trunk.username,
            password=self.box.open(sealed, row=sealed_for(trunk.id)) if sealed else "",
            allowed_addresses=tuple(trunk.allowed_addresses),
            longest=answered[1] if answered else 0.0,
        )
        trunk.outbound_trunk_id = await self.dialer.open_trunk(carrier, trunk.outbound_trunk_id)
        trunk.inbound_trunk_id = await self.dialer.open_inbound(carrier, trunk.inbound_trunk_id)
        if answered is not None:
            trunk.dispatch_rule_id = await self.dialer.open_rule(
                carrier, answered[0], trunk.inbound_trunk_id, trunk.dispatch_rule_id
            )
        elif trunk.dispatch_rule_id is not None:
            await self.dialer.close_rule(trunk.dispatch_rule_id)
            trunk.dispatch_rule_id = None
        trunk.synced_at = self.clock.now()

    async def forget(self, db: Db, trunk: SipTrunk) -> None:
        """Take a trunk that was given up from LiveKit, then its row. Raises `SipAwayError`."""
        trunks, rules = await self.dialer.list_own(key_of(trunk.id))  # it may have made what we did not hear of
        for rule_id in filter(None, dict.fromkeys([trunk.dispatch_rule_id, *rules])):
            await self.dialer.close_rule(rule_id)
        for livekit_id in filter(None, dict.fromkeys([trunk.outbound_trunk_id, trunk.inbound_trunk_id, *trunks])):
            await self.dialer.close_trunk(livekit_id)
        await db.delete(trunk)
        await db.commit()

    async def _line(self, db: Db, trunk: SipTrunk) -> tuple[Line, float] | None:
        """Who answers a trunk's number, and after how many seconds a call in is ended, whoever still lives to end it:
        its persona may have brought two people together at the very last."""
        query = (
            select(SipConfig, Persona.name, Project.slug)
            .join(Persona, col(Persona.id) == SipConfig.agent_config_id)
            .join(Project, col(Project.id) == SipConfig.project_id)
            .where(SipConfig.project_id == trunk.project_id, SipConfig.phone_number == trunk.phone_number)
        )
        row = (await db.exec(query)).one_or_none()
        if row is None:
            return None
        config, name, slug = row
        dispatch = dispatch_of(self.numbers.sign(config.id, config.agent_config_id), name)
        line = Line(f"{slug}_{ROOM_PREFIX}", AGENT_NAME, dispatch.model_dump_json())
        return line, config.max_call_duration + GRACE + LONGEST_HANDED_OVER


async def tell_now(db: Db, sync: TrunkSync, trunk: SipTrunk) -> None:
    """Tell LiveKit in a request, which commits. Raises `Unavailable`, `Conflict` for its number, `InvalidRequest`."""
    try:
        await sync.tell(db, trunk)
    except SipAwayError as error:
        raise Unavailable(f"{error}: telephony needs a SIP service beside livekit-server", retry_after=5) from error
    except NumberTakenError as error:
        raise Conflict(f"The number {trunk.phone_number} is in use on this server") from error
    except SipRefusedError as error:
        raise InvalidRequest(f"LiveKit does not take this trunk: {error}") from error


async def repair_trunks(database: Database, sync: TrunkSync) -> int:
    """Tell LiveKit what it lacks: what a crash or its absence left, and what it lost with its Redis.

    How many trunks. Raises `SipAwayError`.
    """
    unfinished = col(SipTrunk.synced_at).is_(None) & (col(SipTrunk.created_at) < sync.clock.now() - SETTLE)
    left = unfinished | col(SipTrunk.deleted_at).is_not(None)
    async with database.platform() as db:
        columns = (getattr(SipTrunk, name) for name in GIVEN)
        trunks = (await db.exec(select(SipTrunk.id, left, *columns).order_by(col(SipTrunk.id)))).all()
    given = {livekit_id for _, _, *ids in trunks for livekit_id in ids if livekit_id is not None}
    # Read before LiveKit is asked: what a request is making meanwhile is not taken for lost.
    lost = given - await sync.dialer.list_ids() if given else set()
    wanted = [trunk_id for trunk_id, is_left, *ids in trunks if is_left or lost.intersection(ids)]
    for trunk_id in wanted[:100]:
        async with database.platform() as db:
            query = select(SipTrunk).where(SipTrunk.id == trunk_id).with_for_update(skip_locked=True)
            trunk = (await db.exec(query)).one_or_none()
            if trunk is not None:
                await _repair(db, sync, trunk, lost)
    return len(wanted)


async def _repair(db: Db, sync: TrunkSync, trunk: SipTrunk, lost: set[str]) -> None:
    for name in GIVEN:
        if getattr(trunk, name) in lost:
            setattr(trunk, name, None)
            trunk.synced_at = None
    try:
        if trunk.deleted_at is not None:
            await sync.forget(db, trunk)
        elif trunk.synced_at is None:
            if trunk.dispatch_rule_id is None:  # whoever had it made may have died before that was kept
                _, rules = await sync.dialer.list_own(key_of(trunk.id))
                trunk.dispatch_rule_id = next(iter(rules), None)
            await sync.tell(db, trunk)
    except SipRefusedError as error:
        trunk.synced_at = sync.clock.now()  # it will not be taken the next time either
        log.warning("LiveKit does not take a trunk", trunk=trunk.id, reason=str(error))
    except SipAwayError:
        await db.commit()  # what LiveKit has given already is ours
        raise
