"""Calendars and events on the wire. Free-form fields that are empty are `{}`: the client package refuses null there."""

from typing import Any, Final

from pydantic import BaseModel

from control_plane.calendars.models import Calendar, CalendarEvent
from control_plane.calendars.remote import RemoteCalendar
from control_plane.clock import iso_ms

_SHOWN: Final = (
    "bot_image",
    "deduplication_key",
    "enter_message",
    "noone_joined_timeout",
    "recording_mode",
    "silence_timeout",
    "speech_to_text_provider",
    "streaming_audio_frequency",
    "streaming_input",
    "streaming_output",
    "waiting_room_timeout",
    "zoom_access_token_url",
    "zoom_obf_token_url",
    "zoom_obf_token_user_id",
    "zoom_sdk_id",
)
_HIDDEN: Final = ("speech_to_text_api_key", "zoom_obf_token", "zoom_sdk_pwd")
"""Secrets: never shown again."""


class RawCalendarRead(BaseModel):
    """A calendar that could be connected."""

    id: str
    email: str
    is_primary: bool
    name: str


class RawCalendarList(BaseModel):
    """`POST /calendars/raw`."""

    calendars: list[RawCalendarRead]


class CalendarRead(BaseModel):
    """A calendar and how it fares. `google_id` is its id at its provider, whichever that is."""

    uuid: str
    name: str
    email: str
    google_id: str
    resource_id: str | None
    platform: str
    status: str
    status_reason: str | None
    synced_at: str | None


class CalendarAnswer(BaseModel):
    """A calendar that was connected or changed."""

    calendar: CalendarRead


class CalendarsSynced(BaseModel):
    """`POST /calendars/resync_all`: which were read, and with which problem the others were not."""

    synced_calendars: list[str]
    errors: list[list[str]]


class EventBotRead(BaseModel):
    """What was asked of an event's bot. Secrets are never shown."""

    bot_name: str
    extra: dict[str, Any]
    transcription_custom_parameters: Any
    webhook_url: str
    bot_image: str | None
    deduplication_key: str | None
    enter_message: str | None
    noone_joined_timeout: int | None
    recording_mode: str | None
    silence_timeout: int | None
    speech_to_text_provider: str | None
    streaming_audio_frequency: str | None
    streaming_input: str | None
    streaming_output: str | None
    waiting_room_timeout: int | None
    zoom_access_token_url: str | None
    zoom_obf_token_url: str | None
    zoom_obf_token_user_id: str | None
    zoom_sdk_id: str | None
    speech_to_text_api_key: None
    zoom_obf_token: None
    zoom_sdk_pwd: None


class CalendarEventRead(BaseModel):
    """An event. `bot_param` is null where no bot goes; `dial_in` is how a bot would call in."""

    uuid: str
    calendar_uuid: str
    google_id: str
    name: str
    meeting_url: str
    dial_in: dict[str, Any] | None
    start_time: str
    end_time: str
    is_organizer: bool
    is_recurring: bool
    recurring_event_id: str | None
    attendees: list[dict[str, Any]]
    deleted: bool
    last_updated_at: str
    raw: dict[str, Any]
    bot_param: EventBotRead | None


class CalendarEventList(BaseModel):
    """Events by their start; `next` is the cursor of what follows."""

    data: list[CalendarEventRead]
    next: str | None


def show_raw(calendar: RemoteCalendar) -> dict[str, Any]:
    """A calendar that could be connected."""
    return {"id": calendar.remote_id, "email": calendar.email, "is_primary": calendar.is_primary, "name": calendar.name}


def show_calendar(calendar: Calendar) -> dict[str, Any]:
    """A calendar. `platform`, `status`, `status_reason` and `synced_at` are ours."""
    return {
        "uuid": str(calendar.uuid),
        "name": calendar.name,
        "email": calendar.email,
        "google_id": calendar.remote_id,
        "resource_id": calendar.channel_resource,
        "platform": calendar.platform,
        "status": calendar.status,
        "status_reason": calendar.status_reason,
        "synced_at": iso_ms(calendar.synced_at),
    }


def show_event(event: CalendarEvent, calendar: Calendar) -> dict[str, Any]:
    """An event. `dial_in` is ours."""
    return {
        "uuid": str(event.uuid),
        "calendar_uuid": str(calendar.uuid),
        "google_id": event.remote_id,
        "name": event.name,
        "meeting_url": event.meeting_url,
        "dial_in": event.dial_in,
        "start_time": iso_ms(event.starts_at),
        "end_time": iso_ms(event.ends_at),
        "is_organizer": event.is_organizer,
        "is_recurring": event.is_recurring,
        "recurring_event_id": event.series_id if event.is_recurring else None,
        "attendees": event.attendees,
        "deleted": event.deleted,
        "last_updated_at": iso_ms(event.updated_at),
        "raw": event.raw,
        "bot_param": show_bot(event.bot) if event.bot is not None else None,
    }


def show_bot(params: dict[str, Any]) -> dict[str, Any]:
    """What was asked of an event's bot."""
    return {
        "bot_name": params.get("bot_name", ""),
        "extra": params.get("extra") or {},
        "transcription_custom_parameters": params.get("transcription_custom_parameters") or {},
        "webhook_url": params.get("webhook_url") or "",
        **{name: params.get(name) for name in _SHOWN},
        **dict.fromkeys(_HIDDEN),
    }
