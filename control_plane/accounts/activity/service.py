"""What an account may know of itself, and what it may show the operator."""

from datetime import timedelta
from typing import Final

from sqlmodel import col, select, update

from control_plane.accounts.activity.repository import ActivityRepository
from control_plane.accounts.activity.schemas import (
    AccountInfo,
    Activity,
    KeyActivity,
    MeetingHistoryRead,
    OwnAccountUpdate,
    TrailActivity,
    TransactionRead,
    WebhookActivity,
)
from control_plane.accounts.keys import MOST, count_active, show_key
from control_plane.accounts.models import Account, Project, SupportKey
from control_plane.accounts.schemas import FirstProject
from control_plane.auth.models import ApiKey
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.errors import NotFound
from control_plane.ids import fingerprint, random_secret
from control_plane.plans.catalogue import plans
from control_plane.wire import Page

SUPPORT_KEY_LIFETIME: Final = timedelta(hours=24)
SHOWN: Final = 100


class OwnActivity:
    """One account, through a transaction across its projects."""

    def __init__(self, db: Db, clock: Clock, account_id: int) -> None:
        self.db, self.clock, self.account_id = db, clock, account_id
        self.done = ActivityRepository(db, account_id)

    async def info(self) -> AccountInfo:
        """The account with its sums."""
        account = (await self.db.exec(select(Account).where(Account.id == self.account_id))).one()
        mine = select(Project).where(Project.account_id == self.account_id).order_by(col(Project.id))
        used, given = await self.done.sums()
        return AccountInfo(
            **account.model_dump(include={"id", "email", "name", "plan", "created_at", "meeting_baas_webhook_url"}),
            plan_display=plans()[account.plan].display,
            balance=float(given - used),
            used=float(used),
            project=FirstProject.model_validate((await self.db.exec(mine.limit(1))).one()),
            active_keys=await count_active(self.db, self.account_id, self.clock.now()),
            max_active_keys=MOST,
        )

    async def update(self, body: OwnAccountUpdate) -> AccountInfo:
        """Change the account."""
        changes = body.changes()
        await self.db.exec(update(Account).where(col(Account.id) == self.account_id).values(**changes))
        return await self.info()

    async def make_support_key(self) -> tuple[str, SupportKey]:
        """A new support access key, shown once."""
        key, now = random_secret("sup_"), self.clock.now()
        row = SupportKey(
            account_id=self.account_id,
            hash=fingerprint(key),
            created_at=now,
            expires_at=now + SUPPORT_KEY_LIFETIME,
        )
        self.db.add(row)
        await self.db.flush()
        return key, row

    async def support_keys(self) -> list[SupportKey]:
        """Those that were made, newest first."""
        query = select(SupportKey).where(SupportKey.account_id == self.account_id)
        return list((await self.db.exec(query.order_by(col(SupportKey.id).desc()).limit(SHOWN))).all())

    async def everything(self) -> Activity:
        """What the operator is shown."""
        now, page = self.clock.now(), Page(1, SHOWN)
        transactions, _ = await self.done.transactions(page)
        meetings, _ = await self.done.meetings(page, now=now)
        keys = (
            select(ApiKey)
            .join(Project, col(Project.id) == ApiKey.project_id)
            .where(Project.account_id == self.account_id)
            .order_by(col(ApiKey.id).desc())
            .limit(SHOWN)
        )
        return Activity(
            account=await self.info(),
            api_keys=[KeyActivity.model_validate(show_key(key, now)) for key in (await self.db.exec(keys)).all()],
            transactions=[TransactionRead.model_validate(row) for row in transactions],
            meetings=[MeetingHistoryRead.model_validate(row) for row in meetings],
            webhooks=[WebhookActivity.model_validate(row) for row in await self.done.webhooks()],
            audit=[TrailActivity.model_validate(row) for row in await self.done.trail()],
        )


async def spend_support_key(db: Db, clock: Clock, key: str) -> tuple[SupportKey, bool]:
    """A support access key, and whether this is its one use. Raises `NotFound`."""
    now = clock.now()
    mine = col(SupportKey.hash) == fingerprint(key)
    unused = (mine, col(SupportKey.used_at).is_(None), col(SupportKey.expires_at) > now)
    spent = await db.scalar(update(SupportKey).where(*unused).values(used_at=now).returning(col(SupportKey.id)))
    found = (await db.exec(select(SupportKey).where(mine))).one_or_none()
    if found is None:
        raise NotFound("There is no such support access key")
    return found, spent is not None
