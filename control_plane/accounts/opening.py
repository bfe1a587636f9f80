"""How an account begins: with its owner, one project and one key."""

from dataclasses import dataclass

from sqlalchemy.exc import IntegrityError
from sqlmodel import func, select

from control_plane.accounts.keys import make_key
from control_plane.accounts.members import OWNER
from control_plane.accounts.models import Account, Member, Project
from control_plane.accounts.schemas import KeyMade
from control_plane.accounts.service import random_slug
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.errors import Conflict
from control_plane.secrets.box import SecretBox


@dataclass(frozen=True, slots=True)
class Opened:
    """What a new account has."""

    account: Account
    project: Project
    key: KeyMade


async def first_project(db: Db, account_id: int) -> int | None:
    """The project in whose trail what concerns an account itself is noted; None where there is no such account."""
    first: int | None = await db.scalar(select(func.min(Project.id)).where(Project.account_id == account_id))
    return first


async def open_account(
    db: Db, clock: Clock, box: SecretBox, *, email: str, name: str, plan: str, password_hash: str
) -> Opened:
    """Write a new account; `Conflict` where the e-mail address has one."""
    account = Account(email=email, name=name, plan=plan, password_hash=password_hash)
    db.add(account)
    try:
        await db.flush()
    except IntegrityError as error:
        raise Conflict("There is an account with this e-mail address") from error
    project = Project(account_id=account.id, slug=random_slug(), name=name or "First project")
    db.add_all([Member(account_id=account.id, email=email, name=name, role=OWNER), project])
    await db.flush()
    await db.refresh(account)
    key = await make_key(db, box, project, label="First key", now=clock.now())
    return Opened(account, project, key)
