"""What an account has room for: its lock, and its plan where no caller asks who could be told of the limit."""

from datetime import datetime

from sqlmodel import col, select

from control_plane.accounts.models import Account, Project
from control_plane.db.database import Db
from control_plane.plans.quota import used_where_full


async def lock_account(db: Db, account_id: int) -> None:
    """Have others who change what an account owns wait until the commit."""
    await db.exec(select(Account.id).where(Account.id == account_id).with_for_update(key_share=True))


async def is_full(db: Db, project_id: int, resource: str, now: datetime) -> bool:
    """Whether the plan allows no more of a resource; where it limits it, the account is locked until the commit."""
    owner = select(Account).join(Project, col(Project.account_id) == Account.id).where(Project.id == project_id)
    account = (await db.exec(owner)).one()
    return await used_where_full(db, account.id, account.plan, resource, now) is not None
