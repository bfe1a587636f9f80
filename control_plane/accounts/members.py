"""People of an account."""

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from control_plane.accounts.limits import lock_account
from control_plane.accounts.models import Member
from control_plane.accounts.schemas import MemberCreate, MemberUpdate
from control_plane.auth.callers import Caller
from control_plane.db.database import Db
from control_plane.errors import Conflict, Forbidden, NotFound
from control_plane.plans.quota import Quota

OWNER = "owner"


class MemberService:
    """The members of one caller's account. Row-level security does not guard them: each query names the account."""

    def __init__(self, db: Db, caller: Caller, quota: Quota) -> None:
        self.db, self.caller, self.quota = db, caller, quota

    async def all(self) -> list[Member]:
        """The members, oldest first."""
        query = select(Member).where(Member.account_id == self.caller.account_id).order_by(col(Member.id))
        return list((await self.db.exec(query)).all())

    async def add(self, body: MemberCreate) -> Member:
        """A new member, within the plan's number; `Conflict` where the e-mail is a member's already."""
        await self.quota.take("team_members")
        member = Member(account_id=self.caller.account_id, **body.model_dump())
        self.db.add(member)
        try:
            await self.db.flush()
        except IntegrityError as error:
            raise Conflict("This e-mail address is a member's already") from error
        await self.db.refresh(member)
        return member

    async def update(self, member_id: int, body: MemberUpdate) -> Member:
        """Change a member; `Conflict` where the account would be left without an owner."""
        changes = body.changes()
        member = await self._take(member_id)
        if member.role == OWNER and changes.get("role", OWNER) != OWNER and await self._owners() == 1:
            raise Conflict("The last owner of an account stays one: make somebody else an owner first")
        for name, value in changes.items():
            setattr(member, name, value)
        await self.db.flush()
        return member

    async def remove(self, member_id: int) -> None:
        """Take a member out; `Conflict` where the account would be left without an owner."""
        member = await self._take(member_id)
        if member.role == OWNER and await self._owners() == 1:
            raise Conflict("The last owner of an account cannot be removed")
        await self.db.delete(member)

    async def _take(self, member_id: int) -> Member:
        """A member, to be changed. Raises `NotFound`, `Forbidden`."""
        await lock_account(self.db, self.caller.account_id)  # two owners may be removing one another
        member = await self.db.get(Member, member_id)
        if member is None:
            raise NotFound(f"There is no member {member_id}")
        if member.account_id != self.caller.account_id:
            raise Forbidden("This member belongs to another account")
        return member

    async def _owners(self) -> int:
        query = (
            select(func.count())
            .select_from(Member)
            .where(Member.account_id == self.caller.account_id, Member.role == OWNER)
        )
        return (await self.db.exec(query)).one()
