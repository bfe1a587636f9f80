"""`/api/meetings`."""

from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel, Field, StringConstraints

from control_plane.auth.callers import CallerDep
from control_plane.auth.deps import DbDep
from control_plane.gate.operation import primary_at
from control_plane.meetings.models import Meeting
from control_plane.meetings.people import Met, PeoplesMeetings
from control_plane.wire import Change, Clean, Done, Instant, Sent

router = primary_at("/api/meetings", tags=["People's meetings"])


class PeoplesMeetingCreate(Sent):
    """`POST /api/meetings`."""

    title: Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), Clean]
    waitingRoom: bool = Field(False, description="Whether the hosts let in whoever comes.")


class PeoplesMeetingCreated(BaseModel):
    """A new meeting. `adminToken` is shown this once: with it one is the host."""

    meetingId: str
    adminToken: str
    title: str
    url: str
    createdAt: Instant


class PeoplesMeetingUpdate(Change):
    """`PATCH /api/meetings/{id}`."""

    waitingRoom: bool = Field(True, description="Whether the hosts let in whoever comes; false lets in those who wait.")


class PeoplesMeetingRead(BaseModel):
    """A meeting as it is listed."""

    meetingId: str
    title: str
    url: str
    waitingRoom: bool
    status: str
    createdAt: Instant
    startedAt: Instant | None
    endedAt: Instant | None
    durationSeconds: int | None = Field(description="From its first person to its end, or until now.")
    participants: int = Field(description="People who have been there.")
    sessionId: int | None = Field(description="Its conversation, with what was said and what it came to.")


class PeoplesMeetingList(BaseModel):
    """The caller's meetings, newest first."""

    meetings: list[PeoplesMeetingRead]


async def find_meetings(request: Request, db: DbDep, caller: CallerDep) -> PeoplesMeetings:
    """The people's meetings of this request's caller."""
    state = request.app.state
    return PeoplesMeetings(db, caller, state.clock, state.media, state.live)


Meetings = Annotated[PeoplesMeetings, Depends(find_meetings)]
MeetingId = Annotated[str, StringConstraints(max_length=64), Clean]


def url_of(request: Request, meeting: Meeting) -> str:
    """A meeting's page."""
    return f"{request.app.state.settings.public_url}/join/{meeting.code}"


def show(request: Request, met: Met) -> PeoplesMeetingRead:
    """A meeting on the wire."""
    meeting = met.meeting
    until = meeting.ended_at or request.app.state.clock.now()
    return PeoplesMeetingRead(
        meetingId=meeting.code,
        title=meeting.title,
        url=url_of(request, meeting),
        waitingRoom=meeting.has_waiting_room,
        status=meeting.status,
        createdAt=meeting.created_at,
        startedAt=meeting.started_at,
        endedAt=meeting.ended_at,
        durationSeconds=round((until - meeting.started_at).total_seconds()) if meeting.started_at else None,
        participants=met.people,
        sessionId=meeting.session_id,
    )


@router.post("", status_code=201, response_model=PeoplesMeetingCreated)
async def create_peoples_meeting(body: PeoplesMeetingCreate, request: Request, meetings: Meetings) -> Any:
    """Create a meeting; whoever has its address may come, whoever has the token is its host."""
    meeting, admin_token = await meetings.create(body.title, waiting_room=body.waitingRoom)
    url = url_of(request, meeting)
    return PeoplesMeetingCreated(
        meetingId=meeting.code, adminToken=admin_token, title=meeting.title, url=url, createdAt=meeting.created_at
    )


@router.get("", response_model=PeoplesMeetingList)
async def list_peoples_meetings(request: Request, meetings: Meetings) -> Any:
    """List your meetings, newest first, at most a hundred."""
    return PeoplesMeetingList(meetings=[show(request, met) for met in await meetings.newest()])


@router.get("/{meeting_id}", response_model=PeoplesMeetingRead)
async def read_peoples_meeting(meeting_id: MeetingId, request: Request, meetings: Meetings) -> Any:
    """Read a meeting."""
    return show(request, await meetings.get(meeting_id))


@router.patch("/{meeting_id}", response_model=PeoplesMeetingRead)
async def update_peoples_meeting(
    meeting_id: MeetingId, body: PeoplesMeetingUpdate, request: Request, meetings: Meetings
) -> Any:
    """Switch the waiting room on or off, also while people meet."""
    await meetings.set_waiting_room(meeting_id, on=body.waitingRoom)
    return show(request, await meetings.get(meeting_id))


@router.delete("/{meeting_id}", response_model=Done)
async def end_peoples_meeting(meeting_id: MeetingId, meetings: Meetings) -> Any:
    """End a meeting for everybody."""
    await meetings.end(meeting_id)
    return Done(message="Meeting ended")
