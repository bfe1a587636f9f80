"""`/scenarios`, `/end-users`, `/meetings`."""

from typing import Annotated, Any

from fastapi import Depends, Query, Request

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import ClockDep, DbDep
from control_plane.gate.operation import primary
from control_plane.meetings import schemas
from control_plane.meetings.end_users import EndUsers
from control_plane.meetings.models import MeetingStatus
from control_plane.meetings.scenarios import ScenarioService, get_scenario
from control_plane.meetings.service import Entry, MeetingService, meetings_of
from control_plane.personas.routes import Personas
from control_plane.rooms.routes import Identity
from control_plane.wire import MAX_ID, NO_NUL, Done, Excerpt, RowId

scenario_router = primary("/scenarios", tags=["Scenario meetings"])
end_user_router = primary("/end-users", tags=["Scenario meetings"])
meeting_router = primary("/meetings", tags=["Scenario meetings"])


async def find_scenarios(db: DbDep, caller: CallerDep, clock: ClockDep, personas: Personas) -> ScenarioService:
    """The scenarios of this request's caller."""
    return ScenarioService(db, caller, clock, personas)


async def find_end_users(db: DbDep, caller: CallerDep) -> EndUsers:
    """The end users of this request's caller."""
    return EndUsers(db, caller.project_id)


async def find_meetings(request: Request, db: DbDep, caller: CallerDep) -> MeetingService:
    """The meetings of this request's caller."""
    return meetings_of(request.app.state, db, caller)


Scenarios = Annotated[ScenarioService, Depends(find_scenarios)]
People = Annotated[EndUsers, Depends(find_end_users)]
Meetings = Annotated[MeetingService, Depends(find_meetings)]
Paging = Annotated[Excerpt, Depends()]
Given = Annotated[int | None, Query(ge=1, le=MAX_ID)]


@scenario_router.get("", response_model=schemas.ScenarioList)
async def list_scenarios(scenarios: Scenarios, excerpt: Paging) -> Any:
    """List scenarios, newest first."""
    found, total = await scenarios.page(excerpt)
    return {"scenarios": found, **excerpt.pages(total)}


@scenario_router.post("", status_code=201, response_model=schemas.ScenarioAnswer)
async def create_scenario(body: schemas.ScenarioCreate, scenarios: Scenarios) -> Any:
    """Create a scenario, for an agent that is there or with one of its own."""
    return {"scenario": await scenarios.create(body)}


@scenario_router.get("/{scenario_id}", response_model=schemas.ScenarioAnswer)
async def read_scenario(scenario_id: RowId, db: DbDep, caller: CallerDep) -> Any:
    """Read a scenario."""
    return {"scenario": await get_scenario(db, caller.project_id, scenario_id)}


@scenario_router.patch("/{scenario_id}", response_model=schemas.ScenarioAnswer)
async def update_scenario(scenario_id: RowId, body: schemas.ScenarioUpdate, scenarios: Scenarios) -> Any:
    """Change fields of a scenario; what is not sent stays, and so do meetings that were created."""
    return {"scenario": await scenarios.update(scenario_id, body)}


@scenario_router.delete("/{scenario_id}", response_model=Done)
async def delete_scenario(scenario_id: RowId, scenarios: Scenarios) -> Any:
    """Delete a scenario; its meetings stay."""
    await scenarios.delete(scenario_id)
    return Done(message="Scenario deleted")


@end_user_router.get("", response_model=schemas.EndUserList)
async def list_end_users(
    people: People, excerpt: Paging, email: Annotated[str | None, Query(max_length=254, pattern=NO_NUL)] = None
) -> Any:
    """List end users, newest first."""
    found, total = await people.page(excerpt, email)
    return {"end_users": found, **excerpt.pages(total)}


@end_user_router.post("", status_code=201, response_model=schemas.EndUserAnswer)
async def create_end_user(body: schemas.EndUserCreate, people: People) -> Any:
    """Create an end user."""
    return {"end_user": await people.create(body.name, body.email)}


@end_user_router.get("/{end_user_id}", response_model=schemas.EndUserAnswer)
async def read_end_user(end_user_id: RowId, people: People) -> Any:
    """Read an end user."""
    return {"end_user": await people.get(end_user_id)}


@end_user_router.delete("/{end_user_id}", response_model=Done)
async def delete_end_user(end_user_id: RowId, people: People) -> Any:
    """Forget an end user; their meetings stay without them."""
    await people.delete(end_user_id)
    return Done(message="End user deleted")


@meeting_router.get("", response_model=schemas.MeetingList)
async def list_meetings(
    meetings: Meetings,
    excerpt: Paging,
    status: MeetingStatus | None = None,
    scenario_id: Given = None,
    end_user_id: Given = None,
) -> Any:
    """List meetings, newest first."""
    found, total = await meetings.page(excerpt, status=status, scenario_id=scenario_id, end_user_id=end_user_id)
    return {"meetings": found, **excerpt.pages(total)}


def show_entry(entry: Entry) -> dict[str, Any]:
    """A new meeting on the wire."""
    return {
        "meeting": entry.meeting,
        "room_url": entry.room_url,
        "room_token": entry.token,
        "admin_token": entry.admin_token,
        "livekit_url": entry.livekit_url,
    }


@meeting_router.post("", status_code=201, response_model=schemas.MeetingCreated)
async def create_meeting(body: schemas.MeetingCreate, meetings: Meetings) -> Any:
    """Create a meeting from a scenario; its page and its token open it."""
    return show_entry(await meetings.create(body))


@meeting_router.post("/dynamic", status_code=201, response_model=schemas.DynamicMeetingCreated)
async def create_dynamic_meeting(body: schemas.DynamicMeetingCreate, meetings: Meetings) -> Any:
    """Create a meeting and, where there is none of that e-mail address, its end user."""
    entry = await meetings.create_dynamic(body)
    return {
        **show_entry(entry),
        "meeting_url": entry.meeting_url,
        "scenario_url": entry.scenario_url,
        "end_user_id": entry.meeting.end_user_id,
        "membership_id": entry.meeting.membership_id,
    }


# Digits alone, so that `/meetings/dynamic` knows only its own method.
@meeting_router.get("/{meeting_id:int}", response_model=schemas.MeetingAnswer)
async def read_meeting(meeting_id: RowId, meetings: Meetings) -> Any:
    """Read a meeting."""
    return {"meeting": await meetings.get(meeting_id)}


@meeting_router.patch("/{meeting_id:int}", response_model=schemas.MeetingAnswer)
async def update_meeting(meeting_id: RowId, body: schemas.MeetingUpdate, meetings: Meetings) -> Any:
    """Switch the waiting room of a meeting on or off, also while it runs."""
    return {"meeting": await meetings.set_waiting_room(meeting_id, on=body.enable_waiting_room)}


@meeting_router.post("/{meeting_id}/end", response_model=schemas.MeetingAnswer)
async def finish_meeting(meeting_id: RowId, meetings: Meetings) -> Any:
    """End a meeting and send everybody away."""
    return {"meeting": await meetings.end(meeting_id)}


@meeting_router.get("/{meeting_id}/waiting", response_model=schemas.WaitingList)
async def list_waiting(meeting_id: RowId, meetings: Meetings) -> Any:
    """Who waits to be let in, the longest first."""
    return {"waiting": await meetings.waiting(meeting_id)}


@meeting_router.post("/{meeting_id}/waiting/{identity}/admit", response_model=schemas.AttendeeAnswer)
async def admit(meeting_id: RowId, identity: Identity, meetings: Meetings) -> Any:
    """Let somebody in who waits; in the waiting room they are sent the meeting's token."""
    return {"attendee": await meetings.decide(meeting_id, identity, admit=True)}


@meeting_router.post("/{meeting_id}/waiting/{identity}/deny", response_model=schemas.AttendeeAnswer)
async def deny(meeting_id: RowId, identity: Identity, meetings: Meetings) -> Any:
    """Send somebody away who waits."""
    return {"attendee": await meetings.decide(meeting_id, identity, admit=False)}
