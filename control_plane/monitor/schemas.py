"""The event log and the monitor's tickets on the wire."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from control_plane.clock import iso_ms
from control_plane.errors import InvalidRequest
from control_plane.events.facts import MONITOR, Fact
from control_plane.events.models import Event
from control_plane.wire import Instant

TYPES: Final = frozenset(Fact)


class EventRead(BaseModel):
    """Something that happened."""

    id: int = Field(description="Counts up; the cursor of `after`.")
    type: str = Field(description="Its name in webhooks.")
    monitor_type: str | None = Field(None, description="Its name on the monitor socket; null: it is not shown there.")
    room_name: str | None = Field(description="LiveKit's name of the room, with the project's prefix.")
    project_id: int
    timestamp: str = Field(description="ISO 8601, UTC, with milliseconds.")
    data: dict[str, Any]


class EventPage(BaseModel):
    """Events in order; ask again with `after=next_after`."""

    events: list[EventRead]
    next_after: int


class TicketMade(BaseModel):
    """Use it as `/ws/monitor?ticket=…`."""

    ticket: str
    expires_at: Instant


Named = Annotated[str, Field(json_schema_extra={"enum": sorted(TYPES)})]


def read_types(types: list[str]) -> list[str]:
    """The names that were asked for. Raises `InvalidRequest`."""
    wanted = [name.strip() for given in types for name in given.split(",") if name.strip()]
    if not TYPES.issuperset(wanted):
        problem = f"must be of {', '.join(sorted(TYPES))}, separated by commas"
        raise InvalidRequest("Invalid request: types", details={"fields": [{"field": "types", "problem": problem}]})
    return wanted


def show_event(event: Event) -> EventRead:
    """An event as the feed shows it."""
    known = MONITOR.get(event.type)
    return EventRead(
        id=event.seq or 0,
        type=event.type,
        monitor_type=known.type if known else None,
        room_name=event.room_name,
        project_id=event.project_id,
        timestamp=iso_ms(event.created_at),
        data=event.data,
    )
