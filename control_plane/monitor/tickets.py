"""`POST /monitor/tickets`: a one-use ticket for `/ws/monitor`, so that a page need not put its key into an address."""

from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel
from sqlmodel import col, delete

from control_plane.auth.callers import Caller, CallerDep, find_key
from control_plane.auth.deps import ClockDep, DbDep
from control_plane.db.database import Db
from control_plane.errors import Unauthorized
from control_plane.gate.operation import READS, primary
from control_plane.ids import fingerprint, random_secret
from control_plane.monitor.models import MonitorTicket
from control_plane.wire import Instant

LIFETIME: Final = timedelta(seconds=60)

router = primary("/monitor", tags=["Monitoring"])


class TicketMade(BaseModel):
    """Use it as `/ws/monitor?ticket=…`."""

    ticket: str
    expires_at: Instant


@router.post("/tickets", status_code=201, response_model=TicketMade, openapi_extra=READS)
async def make_ticket(db: DbDep, caller: CallerDep, clock: ClockDep) -> Any:
    """Make a ticket for the monitor socket: good for one connection within a minute."""
    ticket, until = random_secret("mt_"), clock.now() + LIFETIME
    db.add(MonitorTicket(hash=fingerprint(ticket), key_id=caller.key_id, expires_at=until))
    return TicketMade(ticket=ticket, expires_at=until)


async def redeem(db: Db, ticket: str, *, now: datetime) -> Caller:
    """The caller who got a ticket; it is used up. Raises `Unauthorized`."""
    spent = delete(MonitorTicket).where(
        col(MonitorTicket.hash) == fingerprint(ticket[:200]), col(MonitorTicket.expires_at) > now
    )
    key_id = await db.scalar(spent.returning(col(MonitorTicket.key_id)))
    if key_id is None:
        raise Unauthorized("This ticket was used, or is older than a minute")
    return await find_key(db, str(key_id), now=now)
