"""`/calendars` and `/calendar_events`."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from pydantic import StringConstraints

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep
from control_plane.calendars.events import EventService, Wanted
from control_plane.calendars.models import Calendar, CalendarEvent
from control_plane.calendars.service import CalendarService
from control_plane.dialects.meeting_baas.auth import KeyDep, baas
from control_plane.dialects.meeting_baas.calendar_answers import (
    CalendarAnswer,
    CalendarEventList,
    CalendarEventRead,
    CalendarRead,
    CalendarsSynced,
    RawCalendarList,
    show_calendar,
    show_event,
    show_raw,
)
from control_plane.dialects.meeting_baas.calendar_shapes import (
    BotChange,
    BotSchedule,
    CalendarCreate,
    CalendarCredentials,
)
from control_plane.dialects.meeting_baas.checking import check_ask
from control_plane.dialects.meeting_baas.shapes import recogniser_of
from control_plane.gate.operation import READS, AttemptDep
from control_plane.wire import Clean, Since

router = baas("/calendars")
event_router = baas("/calendar_events")

Email = Annotated[str, StringConstraints(min_length=1, max_length=320), Clean]
Every = Annotated[bool | None, Query(description="Whether the whole series is meant.")]


async def find_calendars(request: Request, caller: CallerDep, clock: ClockDep, attempt: AttemptDep) -> CalendarService:
    """The calendars of this request's caller."""
    state = request.app.state
    return CalendarService(
        request.state.transaction, caller, clock, state.secrets, state.calendar_providers, state.calendars, attempt
    )


async def find_events(db: DbDep, caller: CallerDep, clock: ClockDep, request: Request) -> EventService:
    """The events of this request's caller."""
    return EventService(db, caller, clock, request.app.state.calendars.bots)


Calendars = Annotated[CalendarService, Depends(find_calendars)]
Events = Annotated[EventService, Depends(find_events)]


@router.post("/raw", response_model=RawCalendarList, openapi_extra=READS)
async def list_raw_calendars(body: CalendarCredentials, calendars: Calendars) -> Any:
    """The calendars that these credentials open; nothing is kept."""
    found = await calendars.raw(body.platform, body.credentials())
    return {"calendars": [show_raw(calendar) for calendar in found]}


@router.post("", response_model=CalendarAnswer)
async def create_calendar(body: CalendarCreate, calendars: Calendars, key: KeyDep) -> Any:
    """Connect a calendar and read what stands in it."""
    made = await calendars.create(body.platform, body.credentials(), body.raw_calendar_id, key)
    return {"calendar": show_calendar(made)}


@router.get("", response_model=list[CalendarRead])
async def list_calendars(calendars: Calendars) -> Any:
    """The connected calendars."""
    return [show_calendar(calendar) for calendar in await calendars.all()]


@router.post("/resync_all", response_model=CalendarsSynced)
async def resync_all_calendars(calendars: Calendars, days: Annotated[int | None, Query(ge=1, le=365)] = None) -> Any:
    """Read all calendars anew."""
    synced, errors = await calendars.resync_all(days)
    return {
        "synced_calendars": [str(uuid) for uuid in synced],
        "errors": [[str(uuid), problem] for uuid, problem in errors],
    }


@router.get("/{uuid}", response_model=CalendarRead)
async def read_calendar(uuid: UUID, calendars: Calendars) -> Any:
    """A calendar and how it fares."""
    return show_calendar(await calendars.get(uuid))


@router.patch("/{uuid}", response_model=CalendarAnswer)
async def update_calendar(uuid: UUID, body: CalendarCredentials, calendars: Calendars) -> Any:
    """Give a calendar other credentials; its bots are called off, and it is read anew."""
    return {"calendar": show_calendar(await calendars.update(uuid, body.platform, body.credentials()))}


@router.delete("/{uuid}")
async def delete_calendar(uuid: UUID, calendars: Calendars) -> Response:
    """Remove a calendar with its events and the bots that were to go there."""
    await calendars.delete(uuid)
    return Response()


@event_router.get("", response_model=CalendarEventList)
async def list_calendar_events(
    calendar_id: UUID,
    calendars: Calendars,
    events: Events,
    attendee_email: Email | None = None,
    organizer_email: Email | None = None,
    start_date_gte: Since | None = None,
    start_date_lte: Since | None = None,
    updated_at_gte: Since | None = None,
    status: Literal["upcoming", "past", "all"] = "upcoming",
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Any:
    """Events of a calendar by their start, a hundred at a time."""
    wanted = Wanted(
        status=status,
        attendee=attendee_email,
        organizer=organizer_email,
        starts_from=start_date_gte,
        starts_until=start_date_lte,
        updated_from=updated_at_gte,
        cursor=cursor,
    )
    calendar = await calendars.get(calendar_id)
    rows, after = await events.list(calendar, wanted)
    return {"data": [show_event(event, calendar) for event in rows], "next": after}


@event_router.get("/{uuid}", response_model=CalendarEventRead)
async def read_calendar_event(uuid: UUID, events: Events) -> Any:
    """An event."""
    return show_event(*await events.get(uuid))


@event_router.post("/{uuid}/bot", response_model=list[CalendarEventRead])
async def schedule_bot(
    uuid: UUID,
    body: BotSchedule,
    request: Request,
    db: DbDep,
    events: Events,
    caller: CallerDep,
    key: KeyDep,
    all_occurrences: Every = None,
) -> Any:
    """Have a bot go to an event, or to every occurrence of its series."""
    recogniser, recogniser_key = recogniser_of(body.speech_to_text)
    await check_ask(request, db, caller, webhook_url=body.webhook_url, recogniser=recogniser, extra=body.extra)
    params = body.params() | {"key_id": caller.key_id}
    secrets = {"key": key, "recogniser": recogniser_key}
    return _show(await events.schedule(uuid, params, secrets, every=bool(all_occurrences)))


@event_router.patch("/{uuid}/bot", response_model=list[CalendarEventRead])
async def change_bot(
    uuid: UUID,
    body: BotChange,
    request: Request,
    db: DbDep,
    events: Events,
    caller: CallerDep,
    key: KeyDep,
    all_occurrences: Every = None,
) -> Any:
    """Change what is asked of the bots that are to go. They are those of the key that names another `webhook_url`."""
    recogniser, recogniser_key = recogniser_of(body.speech_to_text)
    await check_ask(request, db, caller, webhook_url=body.webhook_url, recogniser=recogniser, extra=body.extra)
    params = body.params()
    keys = {} if recogniser is None else {"recogniser": recogniser_key}
    if body.webhook_url is not None:  # not shown the key of whoever had the bot go, who may do more
        params["key_id"], keys["key"] = caller.key_id, key
    return _show(await events.patch(uuid, params, keys, every=bool(all_occurrences)))


@event_router.delete("/{uuid}/bot", response_model=list[CalendarEventRead])
async def unschedule_bot(uuid: UUID, events: Events, all_occurrences: Every = None) -> Any:
    """Call off the bots that were to go; fine where there were none."""
    return _show(await events.unschedule(uuid, every=bool(all_occurrences)))


def _show(found: tuple[Sequence[CalendarEvent], Calendar]) -> list[dict[str, Any]]:
    return [show_event(event, found[1]) for event in found[0]]
