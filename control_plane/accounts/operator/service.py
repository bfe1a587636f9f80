"""What the operator does with accounts."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, func, select, text
from sqlmodel import col

from control_plane.accounts.activity.schemas import Activity, TransactionRead
from control_plane.accounts.activity.service import OwnActivity, spend_support_key
from control_plane.accounts.console.resetting import ResetSigner, make_link
from control_plane.accounts.keys import live_keys, publish
from control_plane.accounts.models import Account, LedgerEntry, Project
from control_plane.accounts.opening import first_project, open_account
from control_plane.accounts.operator.schemas import (
    AccountCreate,
    AccountMade,
    AccountRead,
    AccountUpdate,
    LedgerEntryCreate,
)
from control_plane.accounts.schemas import FirstProject
from control_plane.auth.passwords import hash_password
from control_plane.auth.sessions import sessions_of
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.errors import Gone, NotFound
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

    def __init__(
        self, db: Db, clock: Clock, entry: Callable[..., AuditEntry], box: SecretBox, limiter: RateLimiter
    ) -> None:
        self.db, self.clock, self.entry, self.box, self.limiter = db, clock, entry, box, limiter

    async def accounts(self, page: Page) -> tuple[list[Row[Any]], int]:
        """A page of accounts, and how many there are."""
        total = await self.db.scalar(select(func.count()).select_from(Account))
        rows = await self.db.execute(_SEE_PAGE, {"offset": page.offset, "limit": page.per_page})
        return list(rows.all()), total or 0

    async def create(self, body: AccountCreate) -> AccountMade:
        """A new account with its owner, one project and one key; `Conflict` where the e-mail has an account."""
        hashed = await hash_password(body.password)
        opened = await open_account(
            self.db,
            self.clock,
            self.box,
            email=body.email,
            name=body.name,
            plan=body.plan,
            password_hash=hashed,
        )
        account_id = opened.account.id
        self._note(opened.project.id, account_id, status=201)
        await self.db.flush()
        return AccountMade(
            account=await self._seen(account_id),
            project=FirstProject.model_validate(opened.project),
            api_key=opened.key,
        )

    async def update(self, account_id: int, body: AccountUpdate) -> AccountRead:
        """Change the fields that were sent; in force for the account's next request."""
        account = await self.db.get(Account, account_id)
        if account is None:
            raise NotFound(f"There is no account {account_id}")
        account.sqlmodel_update(body.changes())
        self._note(await self._first_project(account_id), account_id, status=200)
        await self.db.flush()
        seen = await self._seen(account_id)
        keys = await live_keys(self.db, col(Project.account_id) == account_id)
        sessions = await sessions_of(self.db, account_id)
        await publish(self.db, self.limiter, [*keys, *sessions])  # callers are remembered with plan and rate
        return seen

    async def give(self, account_id: int, body: LedgerEntryCreate) -> TransactionRead:
        """Write down what an account was given."""
        first_project = await self._first_project(account_id)
        entry = LedgerEntry(
            account_id=account_id,
            kind=body.type,
            amount_usd=Decimal(str(body.amount)),
            description=body.description,
            at=self.clock.now(),
        )
        self.db.add(entry)
        self._note(first_project, account_id, status=201)
        await self.db.flush()
        return TransactionRead(
            id=f"{entry.kind}-{entry.id}",
            type=body.type,
            amount=body.amount,
            description=entry.description,
            date=entry.at,
        )

    async def activity(self, support_key: str) -> Activity:
        """What an account has done, for its support access key, once. Raises `NotFound`, `Gone`.

        The account sees every try with a key it made, in its trail.
        """
        key, is_first = await spend_support_key(self.db, self.clock, support_key)
        project_id = await self._first_project(key.account_id)
        self._note(project_id, key.account_id, status=200 if is_first else Gone.status, support_key_id=str(key.id))
        if not is_first:
            await self.db.commit()
            raise Gone("This support access key was used, or is older than a day")
        return await OwnActivity(self.db, self.clock, key.account_id).everything()

    async def make_password_link(self, email: str, signer: ResetSigner, *, public_url: str) -> tuple[str, datetime]:
        """A link that sets another password, and until when; the account's trail tells. Raises `NotFound`."""
        account, url, until = await make_link(self.db, self.clock, signer, email, public_url=public_url)
        self._note(await self._first_project(account.id), account.id, status=201)
        return url, until

    async def _first_project(self, account_id: int) -> int:
        first = await first_project(self.db, account_id)
        if first is None:
            raise NotFound(f"There is no account {account_id}")
        return first

    async def _seen(self, account_id: int) -> AccountRead:
        return AccountRead.model_validate((await self.db.execute(_SEE_ONE, {"account": account_id})).one())

    def _note(self, project_id: int, account_id: int, *, status: int, **more: str) -> None:
        """An entry in the account's own trail: its customer sees what the operator changed."""
        target = {"account_id": str(account_id), **more}
        self.db.add(self.entry(project_id=project_id, key_id=KEY_ID, target=target, status=status))
