"""Carriers' lines, as a customer handles them."""

from contextlib import suppress

import structlog
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from control_plane.auth.callers import Caller
from control_plane.db.database import Db
from control_plane.db.rows import refuse_missing
from control_plane.gate.idempotency import Attempt
from control_plane.telephony.carriers import TrunkRules
from control_plane.telephony.models import SipTrunk
from control_plane.telephony.schemas import TrunkCreate, TrunkUpdate
from control_plane.telephony.sync import TrunkSync, sealed_for, tell_now
from guard.outbound import Outbound
from sip.dialer import SipAwayError

log = structlog.get_logger()


class TrunkService:
    """The trunks of one caller. The row is written first; what LiveKit did not take is repaired, or undone and told."""

    def __init__(
        self, db: Db, caller: Caller, sync: TrunkSync, rules: TrunkRules, outbound: Outbound, attempt: Attempt
    ) -> None:
        self.db, self.caller, self.sync, self.attempt = db, caller, sync, attempt
        self.rules, self.outbound = rules, outbound

    async def all(self) -> list[SipTrunk]:
        """All trunks, oldest first."""
        return list((await self.db.exec(trunks_of(self.caller.project_id))).all())

    async def get(self, trunk_id: int, *, lock: bool = False) -> SipTrunk:
        """One trunk; `NotFound` or `Forbidden`."""
        query = trunks_of(self.caller.project_id).where(SipTrunk.id == trunk_id)
        query = query.with_for_update().execution_options(populate_existing=True) if lock else query
        found = (await self.db.exec(query)).one_or_none()
        return found or await refuse_missing(self.db, "sip_trunk", trunk_id, "trunk")

    async def create(self, body: TrunkCreate) -> SipTrunk:
        """A new trunk; one that cannot be made is taken out of LiveKit by the repair.

        Raises `Unavailable` without a SIP service, `Conflict` where its number is in use, `InvalidRequest` where
        LiveKit refuses it, and as `TrunkRules` does.
        """
        trunk = await self._find_made() or await self._write(body)
        if trunk.synced_at is None:
            try:
                await self._clear(trunk.phone_number)
                await self._tell(trunk)
            except BaseException:
                trunk.deleted_at = self.sync.clock.now()
                await self.db.commit()
                raise
        return trunk

    async def _find_made(self) -> SipTrunk | None:
        """The trunk that an earlier try of this request has made, and did not give up: LiveKit would refuse another."""
        if not self.attempt.made:
            return None
        made = trunks_of(self.caller.project_id).where(SipTrunk.id == int(self.attempt.made))
        return (await self.db.exec(made)).one_or_none()

    async def _write(self, body: TrunkCreate) -> SipTrunk:
        await self._check(body.address, has_password=bool(body.password))
        callers = await self.rules.callers_of(self.outbound, body.address, body.allowed_addresses)
        given = body.model_dump(exclude={"password"}) | {"allowed_addresses": callers}
        trunk = SipTrunk(project_id=self.caller.project_id, **given)
        self.db.add(trunk)
        await self.db.flush()
        self._seal(trunk, body.password)
        await self.attempt.note(self.db, f"{trunk.id}")
        await self.db.commit()
        return trunk

    async def _clear(self, phone_number: str) -> None:
        """Have LiveKit forget what was given up of a number: it has one line for each."""
        mine = (SipTrunk.project_id == self.caller.project_id, SipTrunk.phone_number == phone_number)
        query = select(SipTrunk).where(*mine, col(SipTrunk.deleted_at).is_not(None)).with_for_update(skip_locked=True)
        with suppress(SipAwayError):  # whoever tells it of the next one says so
            while (given_up := (await self.db.exec(query.limit(1))).first()) is not None:
                await self.sync.forget(self.db, given_up)

    async def _tell(self, trunk: SipTrunk) -> None:
        """Tell LiveKit, and nobody beside us: of two that tell it at once each would have it make what it lacks."""
        await self.get(trunk.id, lock=True)
        await tell_now(self.db, self.sync, trunk)
        await self.db.commit()

    async def update(self, trunk_id: int, body: TrunkUpdate) -> SipTrunk:
        """Change a trunk. Raises as `create` does, and then nothing has changed; `NotFound`, `Forbidden`."""
        changes = body.model_dump(exclude_unset=True, exclude={"password"})
        known = await self.get(trunk_id)
        address = changes.get("address", known.address)
        has_password = bool(body.password) if "password" in body.model_fields_set else known.has_password
        await self.db.commit()  # nothing is held while names are looked up
        self.db.expire(known)
        await self._check(address, has_password=has_password)
        if "allowed_addresses" in changes:
            changes["allowed_addresses"] = await self.rules.callers_of(
                self.outbound, address, changes["allowed_addresses"]
            )
        trunk = await self.get(trunk_id, lock=True)
        before = trunk.model_dump(include=changes.keys() | {"sealed_password"})
        trunk.sqlmodel_update(changes)
        if "password" in body.model_fields_set:
            self._seal(trunk, body.password)
        trunk.synced_at = None
        await self.db.commit()
        try:
            await self._tell(trunk)
        except BaseException:
            trunk.sqlmodel_update(before | {"synced_at": None})
            await self.db.commit()
            raise
        return trunk

    async def delete(self, trunk_id: int) -> None:
        """Give a trunk up; LiveKit is told now, or as soon as it can be."""
        trunk = await self.get(trunk_id, lock=True)
        trunk.deleted_at = self.sync.clock.now()
        await self.db.commit()
        try:
            await self.sync.forget(self.db, trunk)
        except SipAwayError:
            log.warning("a trunk is given up later", trunk=trunk.id)

    async def _check(self, address: str, *, has_password: bool) -> None:
        await self.rules.check_host(self.outbound, address, self.caller.slug, has_password=has_password)

    def _seal(self, trunk: SipTrunk, password: str | None) -> None:
        trunk.sealed_password = self.sync.box.seal(password, row=sealed_for(trunk.id)) if password else None


def trunks_of(project_id: int) -> SelectOfScalar[SipTrunk]:
    """A project's trunks, oldest first."""
    query = select(SipTrunk).where(SipTrunk.project_id == project_id, col(SipTrunk.deleted_at).is_(None))
    return query.order_by(col(SipTrunk.id))
