"""`GET /events`: the event log by its public ids, the same as on the monitor socket and in webhooks."""

from typing import Annotated, Any, Final

from fastapi import Query
from pydantic import BaseModel, Field
from sqlmodel import col, select

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import DbDep
from control_plane.clock import iso_ms
from control_plane.errors import InvalidRequest
from control_plane.events.facts import MONITOR, Fact
from control_plane.events.models import Event
from control_plane.gate.operation import primary
from control_plane.wire import MAX_ID

router = primary(tags=["Monitoring"])

TYPES: Final = frozenset(Fact)


class EventRead(BaseModel):
    """Something that happened."""

    id: int = Field(description="Counts up; the cursor of `after`.")
    type: str = Field(description="Its name in webhooks.")
    monitor_type: str | None = Field(None, description="Its name on the monitor socket, where that is another one.")
    room_name: str | None = Field(description="LiveKit's name of the room, with the project's prefix.")
    project_id: int
    timestamp: str = Field(description="ISO 8601, UTC, with milliseconds.")
    data: dict[str, Any]


class EventPage(BaseModel):
    """Events in order; ask again with `after=next_after`."""

    events: list[EventRead]
    next_after: int


Named = Annotated[str, Field(json_schema_extra={"enum": sorted(TYPES)})]


def _wanted(types: list[str]) -> list[str]:
    wanted = [name.strip() for given in types for name in given.split(",") if name.strip()]
    if not TYPES.issuperset(wanted):
        raise InvalidRequest.field("types", f"must be of {', '.join(sorted(TYPES))}, separated by commas")
    return wanted


def _read(event: Event) -> EventRead:
    known = MONITOR.get(event.type)
    return EventRead(
        id=event.seq or 0,
        type=event.type,
        monitor_type=known.type if known and known.type != event.type else None,
        room_name=event.room_name,
        project_id=event.project_id,
        timestamp=iso_ms(event.created_at),
        data=event.data,
    )


@router.get("/events", response_model=EventPage)
async def read_events(
    db: DbDep,
    caller: CallerDep,
    after: Annotated[int, Query(ge=0, le=MAX_ID, description="The last id that was seen.")] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    types: Annotated[list[Named] | None, Query(max_length=50, description="Names of events, with commas.")] = None,
) -> Any:
    """Read the project's event log from an id on."""
    query = select(Event).where(Event.project_id == caller.project_id, col(Event.seq) > after)
    wanted = _wanted(types or [])
    if wanted:
        query = query.where(col(Event.type).in_(wanted))
    events = [_read(event) for event in await db.exec(query.order_by(col(Event.seq)).limit(limit))]
    return EventPage(events=events, next_after=events[-1].id if events else after)
