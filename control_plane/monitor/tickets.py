"""One-use tickets for `/ws/monitor`, so that a page need not put its key into an address."""

from datetime import datetime, timedelta
from typing import Final

from sqlmodel import col, delete

from control_plane.auth.callers import Caller, find_by_id
from control_plane.db.database import Db
from control_plane.errors import Unauthorized
from control_plane.ids import fingerprint, is_mistyped, random_secret
from control_plane.monitor.models import MonitorTicket

LIFETIME: Final = timedelta(seconds=60)
PREFIX: Final = "mt_"
SPENT: Final = "This ticket was used, or is older than a minute"


def issue(db: Db, caller: Caller, *, now: datetime) -> tuple[str, datetime]:
    """A new ticket of this caller, and until when it is good."""
    ticket, until = random_secret(PREFIX), now + LIFETIME
    db.add(
        MonitorTicket(hash=fingerprint(ticket), key_id=caller.key_id, project_id=caller.project_id, expires_at=until)
    )
    return ticket, until


async def redeem(db: Db, ticket: str, *, now: datetime) -> Caller:
    """The caller who got a ticket; it is used up. Raises `Unauthorized`."""
    if is_mistyped(ticket, PREFIX):
        raise Unauthorized(SPENT)
    spent = delete(MonitorTicket).where(
        col(MonitorTicket.hash) == fingerprint(ticket[:200]), col(MonitorTicket.expires_at) > now
    )
    row = (await db.execute(spent.returning(col(MonitorTicket.key_id), col(MonitorTicket.project_id)))).one_or_none()
    if row is None:
        raise Unauthorized(SPENT)
    return await find_by_id(db, row.key_id, row.project_id, now=now)
