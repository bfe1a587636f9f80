"""What the operator does with accounts."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Row, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import col

from control_plane.accounts.keys import live_keys, make_key, publish
from control_plane.accounts.members import OWNER
from control_plane.accounts.models import Account, Member, Project
from control_plane.accounts.operator.schemas import AccountCreate, AccountMade, AccountRead, AccountUpdate, FirstProject
from control_plane.accounts.service import random_slug
from control_plane.auth.passwords import hash_password
from control_plane.db.database import Db
from control_plane.errors import Conflict, NotFound
from control_plane.gate.models import AuditEntry
from control_plane.gate.operator import KEY_ID
from control_plane.gate.window import RateLimiter
from control_plane.secrets.box import SecretBox
from control_plane.wire import Page

_SEE = """
    select id, email, plan, requests_per_minute, created_at,
        (select count(*) from project where account_id = account.id) as projects,
        (select count(*) from member where account_id = account.id) as members,
        (select count(*) from api_key join project on project.id = api_key.project_id
         where account_id = account.id and revoked_at is null) as api_keys
    from account {which}
"""
_SEE_PAGE = text(_SEE.format(which="order by id offset :offset limit :limit"))
_SEE_ONE = text(_SEE.format(which="where id = :account"))


class OperatorService:
    """All accounts, through a transaction across projects."""

    def __init__(self, db: Db, entry: Callable[..., AuditEntry], box: SecretBox, limiter: RateLimiter) -> None:
        self.db, self.entry, self.box, self.limiter = db, entry, box, limiter

    async def accounts(self, page: Page) -> tuple[list[Row[Any]], int]:
        """A page of accounts, and how many there are."""
        total = await self.db.scalar(select(func.count()).select_from(Account))
        rows = await self.db.execute(_SEE_PAGE, {"offset": page.offset, "limit": page.per_page})
        return list(rows.all()), total or 0

    async def create(self, body: AccountCreate) -> AccountMade:
        """A new account with its owner, one project and one key; `Conflict` where the e-mail has an account."""
        hashed = await hash_password(body.password)
        account = Account(email=body.email, name=body.name, plan=body.plan, password_hash=hashed)
        self.db.add(account)
        try:
            await self.db.flush()
        except IntegrityError as error:
            raise Conflict("There is an account with this e-mail address") from error
        project = Project(account_id=account.id, slug=random_slug(), name=body.name or "First project")
        self.db.add_all([Member(account_id=account.id, email=body.email, name=body.name, role=OWNER), project])
        await self.db.flush()
        key = await make_key(self.db, self.box, project.id, label="First key")
        self._note(project.id, account.id, status=201)
        await self.db.flush()
        return AccountMade(
            account=await self._seen(account.id), project=FirstProject.model_validate(project), api_key=key
        )

    async def update(self, account_id: int, body: AccountUpdate) -> AccountRead:
        """Change the fields that were sent; in force for the account's next request."""
        account = await self.db.get(Account, account_id)
        if account is None:
            raise NotFound(f"There is no account {account_id}")
        account.sqlmodel_update(body.changes())
        first_project = await self.db.scalar(select(func.min(Project.id)).where(col(Project.account_id) == account_id))
        if first_project is not None:
            self._note(first_project, account_id, status=200)
        await self.db.flush()
        seen = await self._seen(account_id)
        keys = await live_keys(self.db, col(Project.account_id) == account_id)
        await publish(self.db, self.limiter, keys)  # callers are remembered with plan and rate
        return seen

    async def _seen(self, account_id: int) -> AccountRead:
        return AccountRead.model_validate((await self.db.execute(_SEE_ONE, {"account": account_id})).one())

    def _note(self, project_id: int, account_id: int, *, status: int) -> None:
        """An entry in the account's own trail: its customer sees what the operator changed."""
        target = {"account_id": str(account_id)}
        self.db.add(self.entry(project_id=project_id, key_id=KEY_ID, target=target, status=status))
