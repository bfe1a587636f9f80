"""Calendars and events on the wire. Free-form fields that are empty are `{}`: the client package refuses null there."""

from typing import Any, Final

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
        "synced_at": iso_ms(calendar.synced_at) if calendar.synced_at else None,
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
