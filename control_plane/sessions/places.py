"""Places of standing tickets: made when their persona comes, and the same one whenever it asks again."""

from typing import Any, Final

from sqlalchemy import text
from sqlmodel import select

from control_plane.accounts.limits import is_full
from control_plane.accounts.models import Project
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.errors import Conflict
from control_plane.metering.budget import find_used_up
from control_plane.sessions.models import Slot

_LOCK: Final = text("select lock_places(:now)")
_TAKE_OFFERED: Final = text("select take_offered_place(:now)")


async def lock_places(db: Db, clock: Clock) -> int:
    """How many places workers have that nobody was promised. Nobody else gives one away until the commit: whoever asks
    waits for nothing after this."""
    return int(await db.scalar(_LOCK, {"now": clock.now()}) or 0)


async def find_place(db: Db, ticket_hash: bytes) -> Slot | None:
    """The place that was made for this call or meeting; None where its persona has not come yet."""
    return (await db.exec(select(Slot).where(Slot.ticket_hash == ticket_hash))).one_or_none()


async def demand_place(db: Db, clock: Clock, project: Project, persona_id: int) -> None:
    """Raise `Conflict` where the plan holds no more sessions, a budget is used up, or the place that a worker offers
    was promised to somebody else.

    Where the plan has a limit, the account is locked until the commit.
    """
    now = clock.now()
    if await is_full(db, project.id, "sessions", now):
        raise Conflict("all sessions of the plan are in use")
    if await find_used_up(db, project.id, [persona_id], at=now) is not None:
        raise Conflict("this month's budget is used up")
    if not await db.scalar(_TAKE_OFFERED, {"now": now}):
        raise Conflict("no worker has a place that is nobody else's")


async def make_place(
    db: Db,
    clock: Clock,
    project: Project,
    *,
    room_name: str,
    persona_id: int,
    ticket_hash: bytes,
    variables: dict[str, Any],
    caller_identity: str | None = None,
) -> Slot:
    """A place that its session takes at once. Whoever makes it holds a lock that others who ask for it wait for."""
    now = clock.now()
    slot = Slot(
        project_id=project.id,
        account_id=project.account_id,
        room_name=room_name,
        persona_ids=[persona_id],
        ticket_hash=ticket_hash,
        variables=variables,
        caller_identity=caller_identity,
        dispatched_at=now,
        expires_at=now,
    )
    db.add(slot)
    await db.flush()
    return slot
