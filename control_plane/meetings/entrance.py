"""What the pages `/join/<code>` and `/s/<scenario>` ask for without a key; limited by address, as strangers are."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request

from control_plane.meetings.links import find_meeting, find_pair
from control_plane.meetings.schemas import MeetingCreate
from control_plane.meetings.service import meetings_of
from control_plane.wire import MAX_ID, SURFACE, RowId

BEGUN_BY_ONE: Final = 10
"""Meetings a minute that one end user may begin of a scenario."""

router = APIRouter(prefix=SURFACE, include_in_schema=False)
Given = Annotated[int, Query(ge=1, le=MAX_ID)]


@router.get("/join/{code}")
async def look(code: str, request: Request) -> dict[str, Any]:
    """What somebody sees of a meeting whose address they have."""
    async with request.app.state.database.platform() as db:
        meeting, title = await find_meeting(db, code)
    return {
        "meeting": {"meetingId": code, "title": title, "status": meeting.status},
        "controls": meeting.controls,
    }


@router.get("/join/scenarios/{scenario_id}")
async def look_at_scenario(
    scenario_id: RowId, end_user_id: Given, membership_id: Given, request: Request
) -> dict[str, Any]:
    """A scenario as its page shows it to one of its end users. 403 for ids that are not a pair."""
    async with request.app.state.database.platform() as db:
        scenario, end_user, _ = await find_pair(db, scenario_id, end_user_id, membership_id)
        return {"scenario": {"id": scenario.id, "name": scenario.name}, "end_user": {"name": end_user.name}}


@router.post("/join/scenarios/{scenario_id}", status_code=201)
async def begin_meeting(
    scenario_id: RowId, end_user_id: Given, membership_id: Given, request: Request
) -> dict[str, Any]:
    """The end user's next meeting of the scenario. 403 for ids that are not a pair."""
    state = request.app.state
    async with state.database.platform() as db:
        scenario, end_user, caller = await find_pair(db, scenario_id, end_user_id, membership_id)
    await state.limiter.demand(f"membership:{membership_id}", BEGUN_BY_ONE)
    body = MeetingCreate(name=end_user.name, scenario_id=scenario.id, meeting_type="end-user", end_user_id=end_user.id)
    async with state.database.tenant(caller.project_id) as db:
        entry = await meetings_of(state, db, caller).create(body)
        return {"meeting_url": entry.meeting_url}
