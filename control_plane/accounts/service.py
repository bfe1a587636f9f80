"""Projects and API keys of an account."""

from datetime import datetime
from typing import NoReturn

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from control_plane.accounts.keys import is_active, live_keys, make_key, publish, show_key, take_place
from control_plane.accounts.models import Account, Project
from control_plane.accounts.schemas import KeyCreate, KeyMade, KeyRead, KeyUpdate, ProjectCreate, ProjectUpdate
from control_plane.auth.callers import Caller
from control_plane.auth.models import ApiKey
from control_plane.clock import Clock, iso
from control_plane.db.database import Db
from control_plane.errors import Conflict, Forbidden, InvalidRequest, NotFound
from control_plane.gate.window import RateLimiter
from control_plane.ids import random_id
from control_plane.plans.quota import Quota
from control_plane.secrets.box import SecretBox


class AccountService:
    """What one caller's account owns. Row-level security does not guard these tables: each query names the account."""

    def __init__(
        self, db: Db, caller: Caller, clock: Clock, box: SecretBox, quota: Quota, limiter: RateLimiter
    ) -> None:
        self.db, self.caller, self.clock = db, caller, clock
        self.box, self.quota, self.limiter = box, quota, limiter

    async def projects(self) -> list[Project]:
        """The account's projects."""
        query = select(Project).where(Project.account_id == self.caller.account_id).order_by(col(Project.id))
        return list((await self.db.exec(query)).all())

    async def project(self, project_id: int) -> Project:
        """One of the account's projects; `NotFound` or `Forbidden`."""
        project = await self.db.get(Project, project_id)
        if project is None:
            raise NotFound(f"There is no project {project_id}")
        if project.account_id != self.caller.account_id:
            raise Forbidden("This project belongs to another account")
        return project

    async def create_project(self, body: ProjectCreate) -> Project:
        """A new project; `Conflict` where the slug is taken, `Forbidden` and `NotFound` for another account."""
        if body.account_id not in (None, self.caller.account_id):
            await self._refuse_account(body.account_id)
        await self.quota.take("projects")
        slug = body.slug or random_slug()
        project = Project(account_id=self.caller.account_id, slug=slug, name=body.name)
        self.db.add(project)
        try:
            await self.db.flush()
        except IntegrityError as error:
            raise Conflict(f"The slug {slug!r} is taken") from error
        await self.db.refresh(project)
        return project

    async def update_project(self, project_id: int, body: ProjectUpdate) -> Project:
        """Change the fields that were sent."""
        project = await self.project(project_id)
        changes = body.changes()
        project.sqlmodel_update(changes)
        if "allowed_origins" in changes:  # callers are remembered with them
            await publish(self.db, self.limiter, await live_keys(self.db, col(Project.id) == project_id))
        return project

    async def keys(self) -> list[KeyRead]:
        """The keys of all the account's projects, newest first."""
        query = (
            select(ApiKey)
            .join(Project, col(Project.id) == ApiKey.project_id)
            .where(Project.account_id == self.caller.account_id)
            .order_by(col(ApiKey.id).desc())
        )
        now = self.clock.now()
        return [show_key(key, now) for key in (await self.db.exec(query)).all()]

    async def key(self, number: int) -> KeyRead:
        """A key of one of the account's projects; `NotFound` or `Forbidden`."""
        return show_key(await self._key(number), self.clock.now())

    async def _key(self, number: int) -> ApiKey:
        query = (
            select(ApiKey, Project.account_id)
            .join(Project, col(Project.id) == ApiKey.project_id)
            .where(ApiKey.id == number)
        )
        row = (await self.db.exec(query)).one_or_none()
        if row is None:
            raise NotFound(f"There is no API key {number}")
        if row[1] != self.caller.account_id:
            raise Forbidden("This API key belongs to another account")
        return row[0]

    async def create_key(self, body: KeyCreate) -> KeyMade:
        """A new key of one of the account's projects, within the caller's scopes and time; its secrets shown once."""
        self._check_expiry(body.expires_at)
        project = await self.project(body.project_id or self.caller.project_id)
        self.caller.demand_scopes(body.scopes)
        self._demand_lifetime(body.expires_at)
        return await make_key(
            self.db,
            self.box,
            project,
            label=body.label,
            now=self.clock.now(),
            scopes=body.scopes,
            expires_at=body.expires_at,
        )

    async def update_key(self, number: int, body: KeyUpdate) -> KeyRead:
        """Change the fields that were sent; nobody makes a key that may do more, or longer, than he may himself."""
        changes = body.changes()
        self._check_expiry(body.expires_at)
        key = await self._key(number)
        if not changes.keys().isdisjoint({"scopes", "expires_at"}):
            self.caller.demand_scopes(changes.get("scopes", key.scopes))
        if "expires_at" in changes:
            self._demand_lifetime(body.expires_at)
        if key.revoked_at is not None:
            raise Conflict("This API key was revoked")
        now = self.clock.now()
        if "expires_at" in changes and not is_active(key, now):
            await take_place(self.db, self.caller.account_id, now)
        key.sqlmodel_update(changes)
        await publish(self.db, self.limiter, [key.key_id])
        return show_key(key, now)

    async def revoke_key(self, number: int) -> None:
        """End a key at once, the caller's own too; a key that has ended stays so."""
        key = await self._key(number)
        key.revoked_at = key.revoked_at or self.clock.now()
        await publish(self.db, self.limiter, [key.key_id])

    async def _refuse_account(self, account_id: int) -> NoReturn:
        if await self.db.get(Account, account_id) is None:
            raise NotFound(f"There is no account {account_id}")
        raise Forbidden("This account is another one than the API key's")

    def _check_expiry(self, expires_at: datetime | None) -> None:
        if expires_at is not None and expires_at <= self.clock.now():
            raise InvalidRequest.field("expires_at", "must be in the future")

    def _demand_lifetime(self, expires_at: datetime | None) -> None:
        """Raise `Forbidden` where a key would last longer than the one that asks for it."""
        own = self.caller.expires_at
        if own is None or self.caller.is_console:
            return
        if expires_at is None or expires_at > own:
            ends = iso(own)
            refusal = f"This API key ends at {ends}, and makes none that lasts longer"
            raise Forbidden(refusal, details={"expires_at": ends})


def random_slug() -> str:
    """A slug that nobody has, as far as chance allows."""
    return random_id("p", 9)
