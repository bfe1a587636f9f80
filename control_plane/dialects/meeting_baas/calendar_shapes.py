"""What clients send about calendars and their events."""

from typing import Annotated, Any, Final, Self

from pydantic import Field, StringConstraints, model_validator

from control_plane.bots.asking import Recogniser, View
from control_plane.calendars.models import Platform
from control_plane.calendars.providers import Credentials
from control_plane.dialects.meeting_baas.shapes import (
    Extra,
    Frequency,
    Key,
    Name,
    Seconds,
    SocketUrl,
    SpeechToText,
    Text,
    WebUrl,
    demand_key,
    recogniser_of,
)
from control_plane.wire import Clean, Sent, Storable, formed

Secret = Annotated[str, StringConstraints(min_length=1, max_length=8192), Clean]
Address = Annotated[
    str,
    formed(r"^(https?|webcals?)://[^\s/]", "must begin with http://, https:// or webcal://", max_length=2048),
    Clean,
]

_NEEDED: Final = {
    Platform.GOOGLE: ("oauth_client_id", "oauth_client_secret", "oauth_refresh_token"),
    Platform.MICROSOFT: ("oauth_client_id", "oauth_client_secret", "oauth_refresh_token"),
    Platform.CALDAV: ("url", "username", "password"),
    Platform.ICS: ("url",),
}


class CalendarCredentials(Sent):
    """What opens a calendar: an OAuth client and its refresh token at Google and Microsoft, `url`, `username` and
    `password` for CalDAV, `url` for ICS."""

    platform: Annotated[Platform, Field(strict=False)]
    oauth_client_id: Secret | None = None
    oauth_client_secret: Secret | None = None
    oauth_refresh_token: Secret | None = None
    url: Address | None = None
    username: Secret | None = None
    password: Secret | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        missing = [name for name in _NEEDED[self.platform] if getattr(self, name) is None]
        if missing:
            raise ValueError(f"{', '.join(missing)} required for {self.platform}")
        return self

    def credentials(self) -> Credentials:
        """The fields of the platform."""
        return {name.removeprefix("oauth_"): getattr(self, name) for name in _NEEDED[self.platform]}


class CalendarCreate(CalendarCredentials):
    """`POST /calendars`. Without `raw_calendar_id` it is the account's primary calendar."""

    raw_calendar_id: Annotated[str, StringConstraints(min_length=1, max_length=2048), Clean] | None = None


class LooseSpeechToText(SpeechToText, extra="ignore"):
    """Who writes down what is said; what else is sent is not looked at."""


class BotChange(Sent):
    """`PATCH /calendar_events/{uuid}/bot`: what is not sent stays, and so does what is null, as the client package
    sends everything that is not named."""

    bot_name: Name | None = None
    bot_image: WebUrl | None = None
    deduplication_key: Key | None = None
    enter_message: Text | None = None
    extra: Extra | None = None
    noone_joined_timeout: Seconds | None = None
    recording_mode: View | None = None
    silence_timeout: Seconds | None = None
    speech_to_text: LooseSpeechToText | Recogniser | None = None
    streaming_audio_frequency: Frequency | None = None
    streaming_input: SocketUrl | None = None
    streaming_output: SocketUrl | None = None
    transcription_custom_parameters: Annotated[Any, Storable] = None
    waiting_room_timeout: Seconds | None = None
    webhook_url: WebUrl | None = None
    zoom_access_token_url: WebUrl | None = None
    zoom_obf_token: Text | None = None
    zoom_obf_token_url: WebUrl | None = None
    zoom_obf_token_user_id: Text | None = None
    zoom_sdk_id: Text | None = None
    zoom_sdk_pwd: Text | None = None

    @model_validator(mode="after")
    def _provider(self) -> Self:
        demand_key(self.speech_to_text)
        return self

    def params(self) -> dict[str, Any]:
        """What was sent, as it is kept. No secret is among it; Zoom's are not kept at all, nothing here uses them."""
        recogniser, _ = recogniser_of(self.speech_to_text)
        sent = self.model_dump(exclude_none=True, exclude={"speech_to_text", "zoom_obf_token", "zoom_sdk_pwd"})
        if recogniser is not None:
            sent["speech_to_text_provider"] = recogniser
        return sent


class BotSchedule(BotChange):
    """`POST /calendar_events/{uuid}/bot`."""

    bot_name: Name
