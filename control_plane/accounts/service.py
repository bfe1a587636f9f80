"""Projects and API keys of an account."""

import secrets
import string
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from control_plane.accounts.models import Project
from control_plane.accounts.schemas import KeyCreate, KeyMade, KeyRead, ProjectCreate
from control_plane.auth.callers import Caller
from control_plane.auth.models import ApiKey
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.errors import Conflict, Forbidden, InvalidRequest, NotFound
from control_plane.gate.window import RateLimiter
from control_plane.ids import fingerprint, random_id, random_secret
from control_plane.plans.quota import Quota
from control_plane.secrets.box import SecretBox

SHOWN = 10
"""Characters of a key that may be shown to recognise it by."""


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

    async def create_project(self, body: ProjectCreate) -> Project:
        """A new project; `Conflict` where the slug is taken."""
        await self.quota.take("projects")
        slug = body.slug or "p" + "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(9))
        project = Project(account_id=self.caller.account_id, slug=slug, name=body.name)
        self.db.add(project)
        try:
            await self.db.flush()
        except IntegrityError as error:
            raise Conflict(f"The slug {slug!r} is taken") from error
        await self.db.refresh(project)
        return project

    async def keys(self) -> list[ApiKey]:
        """The keys of all the account's projects, newest first."""
        query = (
            select(ApiKey)
            .join(Project, col(Project.id) == ApiKey.project_id)
            .where(Project.account_id == self.caller.account_id)
            .order_by(col(ApiKey.id).desc())
        )
        return list((await self.db.exec(query)).all())

    async def create_key(self, body: KeyCreate) -> KeyMade:
        """A new key of one of the account's projects; its secrets are not shown again."""
        project_id = body.project_id or self.caller.project_id
        await self._own_project(project_id)
        if body.expires_at is not None and body.expires_at <= self.clock.now():
            raise InvalidRequest.field("expires_at", "must be in the future")
        key, secret = random_secret("pk_"), random_secret("sk_")
        row = seal_key(
            self.box,
            project_id=project_id,
            label=body.label,
            key=key,
            secret=secret,
            scopes=body.scopes,
            expires_at=body.expires_at,
        )
        self.db.add(row)
        await self.db.flush()
        await self.db.refresh(row)
        return KeyMade(**KeyRead.model_validate(row).model_dump(), key=key, secret=secret)

    async def revoke_key(self, key_number: int) -> None:
        """End a key at once; a key that has ended stays so."""
        query = (
            select(ApiKey, Project.account_id)
            .join(Project, col(Project.id) == ApiKey.project_id)
            .where(ApiKey.id == key_number)
        )
        row = (await self.db.exec(query)).one_or_none()
        if row is None:
            raise NotFound(f"There is no API key {key_number}")
        if row[1] != self.caller.account_id:
            raise Forbidden("This API key belongs to another project")
        row[0].revoked_at = row[0].revoked_at or self.clock.now()
        await self.db.commit()
        await self.limiter.mark_changed(row[0].key_id)

    async def _own_project(self, project_id: int) -> None:
        query = select(Project.account_id).where(Project.id == project_id)
        account = (await self.db.exec(query)).one_or_none()
        if account is None:
            raise NotFound(f"There is no project {project_id}")
        if account != self.caller.account_id:
            raise Forbidden("This project belongs to another account")


def seal_key(
    box: SecretBox,
    *,
    project_id: int,
    label: str,
    key: str,
    secret: str,
    scopes: list[str],
    expires_at: datetime | None = None,
) -> ApiKey:
    """The row of a key: its hash, and its paired secret sealed for that row."""
    key_id = random_id("key_")
    return ApiKey(
        project_id=project_id,
        key_id=key_id,
        label=label,
        prefix=key[:SHOWN],
        hash=fingerprint(key),
        sealed_secret=box.seal(secret, row=f"api_key:{key_id}"),
        scopes=scopes,
        expires_at=expires_at,
    )
