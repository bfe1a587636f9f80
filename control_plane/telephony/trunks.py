"""Carriers' lines: our rows, and LiveKit's trunks in step with them."""

from datetime import timedelta

import structlog
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from control_plane.auth.callers import Caller
from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.db.rows import refuse_missing
from control_plane.errors import InvalidRequest, Unavailable
from control_plane.secrets.box import SecretBox
from control_plane.telephony.models import SipTrunk
from control_plane.telephony.schemas import TrunkCreate, TrunkUpdate
from sip.dialer import Carrier, Dialer, SipAwayError, SipRefusedError

SETTLE = timedelta(seconds=5)
"""A trunk this young is being made by its request."""

log = structlog.get_logger()


def sealed_for(trunk_id: int) -> str:
    """The row a trunk's password is sealed for."""
    return f"sip_trunk:{trunk_id}"


class TrunkService:
    """The trunks of one caller. The row is written first; what LiveKit did not take is repaired, or undone and told."""

    def __init__(self, db: Db, caller: Caller, clock: Clock, box: SecretBox, dialer: Dialer) -> None:
        self.db, self.caller, self.clock, self.box, self.dialer = db, caller, clock, box, dialer

    async def all(self) -> list[SipTrunk]:
        """All trunks, oldest first."""
        return list((await self.db.exec(trunks_of(self.caller.project_id))).all())

    async def get(self, trunk_id: int, *, lock: bool = False) -> SipTrunk:
        """One trunk; `NotFound` or `Forbidden`."""
        query = trunks_of(self.caller.project_id).where(SipTrunk.id == trunk_id)
        found = (await self.db.exec(query.with_for_update() if lock else query)).one_or_none()
        return found or await refuse_missing(self.db, "sip_trunk", trunk_id, "trunk")

    async def create(self, body: TrunkCreate) -> SipTrunk:
        """A new trunk. Raises `Unavailable` without a SIP service, `InvalidRequest` where LiveKit refuses it."""
        trunk = SipTrunk(project_id=self.caller.project_id, **body.model_dump(exclude={"password"}))
        self.db.add(trunk)
        await self.db.flush()
        self._seal(trunk, body.password)
        await self.db.commit()
        try:
            await self._sync(trunk)
        except BaseException:
            await self.db.delete(trunk)
            await self.db.commit()
            raise
        return trunk

    async def update(self, trunk_id: int, body: TrunkUpdate) -> SipTrunk:
        """Change a trunk. Raises as `create` does, and then nothing has changed; `NotFound`, `Forbidden`."""
        trunk = await self.get(trunk_id, lock=True)
        before = trunk.model_dump()
        trunk.sqlmodel_update(body.model_dump(exclude_unset=True, exclude={"password"}))
        if "password" in body.model_fields_set:
            self._seal(trunk, body.password)
        trunk.synced_at = None
        await self.db.commit()
        try:
            await self._sync(trunk)
        except BaseException:
            trunk.sqlmodel_update(before | {"synced_at": None})
            await self.db.commit()
            raise
        return trunk

    async def delete(self, trunk_id: int) -> None:
        """Give a trunk up; LiveKit is told now, or as soon as it can be."""
        trunk = await self.get(trunk_id, lock=True)
        trunk.deleted_at = self.clock.now()
        await self.db.commit()
        try:
            await forget_trunk(self.db, trunk, self.dialer)
        except SipAwayError:
            log.warning("a trunk is given up later", trunk=trunk.id)

    def _seal(self, trunk: SipTrunk, password: str | None) -> None:
        trunk.sealed_password = self.box.seal(password, row=sealed_for(trunk.id)) if password else None

    async def _sync(self, trunk: SipTrunk) -> None:
        try:
            await sync_trunk(trunk, self.dialer, self.box, self.clock)
        except SipAwayError as error:
            raise Unavailable(f"{error}: telephony needs a SIP service beside livekit-server", retry_after=5) from error
        except SipRefusedError as error:
            raise InvalidRequest(f"LiveKit does not take this trunk: {error}") from error
        await self.db.commit()


def trunks_of(project_id: int) -> SelectOfScalar[SipTrunk]:
    """A project's trunks, oldest first."""
    query = select(SipTrunk).where(SipTrunk.project_id == project_id, col(SipTrunk.deleted_at).is_(None))
    return query.order_by(col(SipTrunk.id))


async def sync_trunk(trunk: SipTrunk, dialer: Dialer, box: SecretBox, clock: Clock) -> None:
    """Tell LiveKit of a trunk as it is; the caller commits. Raises `SipAwayError`, `SipRefusedError`."""
    sealed = trunk.sealed_password
    carrier = Carrier(
        key=f"parley:trunk:{trunk.id}",
        name=trunk.name,
        number=trunk.phone_number,
        address=trunk.address,
        transport=trunk.transport,
        username=trunk.username,
        password=box.open(sealed, row=sealed_for(trunk.id)) if sealed else "",
    )
    trunk.outbound_trunk_id = await dialer.open_trunk(carrier, trunk.outbound_trunk_id)
    trunk.synced_at = clock.now()


async def forget_trunk(db: Db, trunk: SipTrunk, dialer: Dialer) -> None:
    """Take a trunk that was given up from LiveKit, then its row. Raises `SipAwayError`."""
    for livekit_id in (trunk.outbound_trunk_id, trunk.inbound_trunk_id):
        if livekit_id is not None:
            await dialer.close_trunk(livekit_id)
    await db.delete(trunk)
    await db.commit()


async def repair_trunks(database: Database, dialer: Dialer, box: SecretBox, clock: Clock) -> int:
    """Finish what a crash or an absent LiveKit left: how many trunks. Raises `SipAwayError`."""
    async with database.platform() as db:
        unfinished = col(SipTrunk.synced_at).is_(None) & (col(SipTrunk.created_at) < clock.now() - SETTLE)
        query = select(SipTrunk).where(unfinished | col(SipTrunk.deleted_at).is_not(None)).limit(100)
        trunks = (await db.exec(query.with_for_update(skip_locked=True))).all()
        for trunk in trunks:
            try:
                if trunk.deleted_at is not None:
                    await forget_trunk(db, trunk, dialer)
                else:
                    await sync_trunk(trunk, dialer, box, clock)
            except SipRefusedError as error:
                trunk.synced_at = clock.now()  # it will not be taken the next time either
                log.warning("LiveKit does not take a trunk", trunk=trunk.id, reason=str(error))
    return len(trunks)
