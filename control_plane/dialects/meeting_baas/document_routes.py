"""What the surface says of its webhooks, and the connections to Zoom that this server does without."""

from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import StringConstraints

from control_plane.auth.callers import CallerDep
from control_plane.dialects.meeting_baas.answers import HookDescribed
from control_plane.dialects.meeting_baas.auth import baas
from control_plane.errors import Conflict, NotFound
from control_plane.gate.operation import READS
from control_plane.wire import Clean, Sent

NO_ZOOM: Final = (
    "This server enters Zoom meetings by telephone or SIP, which needs no connection to a Zoom account; Zoom's own "
    "client, for which one would be needed, is not part of it"
)
ID: Final = "123e4567-e89b-12d3-a456-426614174000"
BOT_EVENTS: Final[dict[str, Any]] = {
    "bot.status_change": {
        "description": "A bot came a step further: joining_call, in_waiting_room (where it waited), "
        "in_call_not_recording, in_call_recording (once the recorder hears the meeting), call_ended.",
        "example": {
            "event": "bot.status_change",
            "data": {"bot_id": ID, "status": {"code": "joining_call", "created_at": "2024-01-01T12:00:00.000Z"}},
        },
    },
    "complete": {
        "description": "A bot has left and brought back what there is. mp4 can be fetched for one hour; it is empty "
        "where nothing was recorded. transcript is there where speech_to_text was asked for.",
        "example": {
            "event": "complete",
            "data": {
                "bot_id": ID,
                "mp4": "https://parley.example/api/v1/recordings/7/file?signature=…",
                "speakers": ["Alice"],
                "transcript": [{"speaker": "Alice", "words": [{"start": 1.335, "end": 1.455, "word": "Hi"}]}],
            },
        },
    },
    "failed": {
        "description": "A bot could not do its work. error is one of CannotJoinMeeting, TimeoutWaitingToStart, "
        "BotNotAccepted, InternalError, InvalidMeetingUrl.",
        "example": {"event": "failed", "data": {"bot_id": ID, "error": "CannotJoinMeeting"}},
    },
    "transcription_complete": {
        "description": "A recording was written down again after POST /bots/retranscribe.",
        "example": {"event": "transcription_complete", "data": {"bot_id": ID}},
    },
}
CALENDAR_EVENTS: Final[dict[str, Any]] = {
    "calendar.sync_events": {
        "description": "Events of a calendar are new, changed or gone.",
        "example": {
            "event": "calendar.sync_events",
            "data": {
                "calendar_id": ID,
                "last_updated_ts": "2023-05-01T12:00:00Z",
                "affected_event_uuids": [ID],
            },
        },
    }
}

router = baas("")


class ZoomConnection(Sent):
    """`POST /zoom_oauth_connections`."""

    authorization_code: Annotated[str, StringConstraints(max_length=4096), Clean] | None = None


@router.get("/bots/webhooks", response_model=dict[str, HookDescribed])
async def describe_webhooks(_caller: CallerDep) -> Any:
    """Every webhook of bots and calendars."""
    return BOT_EVENTS | CALENDAR_EVENTS


@router.get("/bots/webhooks/bot", response_model=dict[str, HookDescribed])
async def describe_bot_webhooks(_caller: CallerDep) -> Any:
    """The webhooks of bots."""
    return BOT_EVENTS


@router.get("/bots/webhooks/calendar", response_model=dict[str, HookDescribed])
async def describe_calendar_webhooks(_caller: CallerDep) -> Any:
    """The webhooks of calendars."""
    return CALENDAR_EVENTS


@router.get("/zoom_oauth_connections", response_model=list[Any])
async def list_zoom_connections(_caller: CallerDep) -> Any:
    """List the connections to Zoom accounts: there are none."""
    return []


@router.post("/zoom_oauth_connections", openapi_extra=READS)
async def connect_zoom(_body: ZoomConnection, _caller: CallerDep) -> Any:
    """Refuse to connect a Zoom account, and say what Zoom itself would be needed for."""
    raise Conflict(NO_ZOOM)


@router.get("/zoom_oauth_connections/{connection_id}")
async def read_zoom_connection(connection_id: UUID, _caller: CallerDep) -> Any:
    """Refuse: there are no connections."""
    raise NotFound(f"There is no connection {connection_id}. {NO_ZOOM}")


@router.delete("/zoom_oauth_connections/{connection_id}")
async def delete_zoom_connection(connection_id: UUID, _caller: CallerDep) -> Any:
    """Refuse: there are no connections."""
    raise NotFound(f"There is no connection {connection_id}. {NO_ZOOM}")
