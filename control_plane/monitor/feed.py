"""`GET /events`: the event log by its public ids, the same as on the monitor socket and in webhooks. And that socket's
`POST /monitor/tickets`."""

from typing import Annotated, Any

from fastapi import Query

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep
from control_plane.events.tail import read_after
from control_plane.gate.operation import READS, primary
from control_plane.monitor.schemas import EventPage, Named, TicketMade, read_types, show_event
from control_plane.monitor.tickets import issue
from control_plane.wire import MAX_ID

router = primary(tags=["Monitoring"])


@router.post("/monitor/tickets", status_code=201, response_model=TicketMade, openapi_extra=READS)
async def make_ticket(db: DbDep, caller: CallerDep, clock: ClockDep) -> Any:
    """Make a ticket for the monitor socket: good for one connection within a minute."""
    ticket, until = issue(db, caller, now=clock.now())
    return TicketMade(ticket=ticket, expires_at=until)


@router.get("/events", response_model=EventPage)
async def read_events(
    db: DbDep,
    caller: CallerDep,
    after: Annotated[int, Query(ge=0, le=MAX_ID, description="The last id that was seen.")] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    types: Annotated[list[Named] | None, Query(max_length=50, description="Names of events, with commas.")] = None,
) -> Any:
    """Read the project's event log from an id on."""
    found = await read_after(db, after, limit=limit, project_id=caller.project_id, types=read_types(types or []))
    events = [show_event(event) for event in found]
    return EventPage(events=events, next_after=events[-1].id if events else after)
