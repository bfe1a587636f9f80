"""What clients of Meeting BaaS send, and what they are answered."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from control_plane.bots.asking import OTHERS, BotAsk, Recogniser, View, patience
from control_plane.wire import Clean, Exactly, Storable, formed
from guard.outbound import SOCKET, BadAddress, read_url

LAST_MOMENT: Final = 253_402_300_799
"""The last second that a calendar of four digits has."""
LONGEST_WAIT: Final = 1800


def _callable(url: str) -> str:
    try:
        read_url(url, SOCKET)
    except BadAddress as error:
        raise ValueError(error.reason) from error
    return url


Name = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), Clean]
Url = Annotated[str, StringConstraints(min_length=1, max_length=2048), Clean]
WebUrl = Annotated[str, formed(r"^https?://[^\s/]", "must begin with http:// or https://", max_length=2048), Clean]
SocketUrl = Annotated[
    str,
    formed(r"^wss?://[^\s/]", "must begin with ws:// or wss://", max_length=2048),
    Clean,
    AfterValidator(_callable),
]
Key = Annotated[str, StringConstraints(min_length=1, max_length=200), Clean]
Text = Annotated[str, StringConstraints(max_length=4096), Clean]
Seconds = Annotated[int, Field(ge=0, le=LONGEST_WAIT)]
Frequency = Literal["16khz", "24khz"]
Extra = Annotated[dict[str, Any], Storable]


class AutomaticLeave(Exactly):
    """When a bot leaves by itself, in seconds."""

    waiting_room_timeout: Seconds | None = None
    noone_joined_timeout: Seconds | None = None
    silence_timeout: Seconds | None = None


class SpeechToText(Exactly):
    """Who writes down what is said."""

    provider: Recogniser
    api_key: Key | None = None

    @model_validator(mode="after")
    def _key(self) -> "SpeechToText":
        if self.provider in OTHERS and self.api_key is None:
            raise ValueError(f"api_key is required for {self.provider}")
        return self


def recogniser_of(given: SpeechToText | Recogniser | None) -> tuple[Recogniser | None, str]:
    """Who is to write down, and with which key."""
    if isinstance(given, SpeechToText):
        return given.provider, given.api_key or ""
    return given, ""


class Streaming(Exactly):
    """Sockets of the caller that hear the meeting, and speak in it."""

    input: SocketUrl | None = None
    output: SocketUrl | None = None
    audio_frequency: Frequency | None = None


def demand_key(given: SpeechToText | Recogniser | None) -> None:
    """Raise `ValueError` for a recogniser that needs a key and is only named."""
    if given in OTHERS:
        raise ValueError(f"api_key is required for {given}: send {{provider, api_key}}")


class JoinRequest(Exactly):
    """`POST /bots`."""

    bot_name: Name
    meeting_url: Url
    automatic_leave: AutomaticLeave | None = None
    bot_image: WebUrl | None = None
    deduplication_key: Key | None = None
    entry_message: Text | None = None
    extra: Extra | None = None
    recording_mode: View | None = None
    reserved: bool = False
    speech_to_text: SpeechToText | Recogniser | None = None
    start_time: Annotated[int, Field(ge=0, le=LAST_MOMENT)] | None = None
    streaming: Streaming | None = None
    transcription_custom_parameters: Annotated[Any, Storable] = None
    webhook_url: WebUrl | None = None
    zoom_access_token_url: WebUrl | None = None
    zoom_obf_token: Text | None = None
    zoom_obf_token_url: WebUrl | None = None
    zoom_obf_token_user_id: Text | None = None
    zoom_sdk_id: Text | None = None
    zoom_sdk_pwd: Text | None = None

    @model_validator(mode="after")
    def _provider(self) -> "JoinRequest":
        demand_key(self.speech_to_text)
        return self

    def ask(self) -> BotAsk:
        """The same for the domain. Zoom's secrets are not kept: nothing here uses them."""
        leave, streaming = self.automatic_leave or AutomaticLeave(), self.streaming or Streaming()
        return BotAsk(
            bot_image=self.bot_image,
            entry_message=self.entry_message,
            recording_mode=self.recording_mode or "speaker_view",
            recogniser=recogniser_of(self.speech_to_text)[0],
            waiting_room_timeout=patience(leave.waiting_room_timeout),
            noone_joined_timeout=patience(leave.noone_joined_timeout),
            silence_timeout=patience(leave.silence_timeout),
            streaming_input=streaming.input,
            streaming_output=streaming.output,
            streaming_audio_frequency=streaming.audio_frequency,
            transcription_custom_parameters=self.transcription_custom_parameters,
            zoom_sdk_id=self.zoom_sdk_id,
            zoom_access_token_url=self.zoom_access_token_url,
            zoom_obf_token_url=self.zoom_obf_token_url,
            zoom_obf_token_user_id=self.zoom_obf_token_user_id,
            reserved=self.reserved,
        )

    def due_at(self, now: datetime, reserved_for: Any) -> datetime:
        """When the bot is to come; what has passed is now."""
        if self.start_time is not None:
            return max(now, datetime.fromtimestamp(self.start_time, UTC))
        return now + reserved_for if self.reserved else now


class RetranscribeBody(Exactly):
    """`POST /bots/retranscribe`."""

    bot_uuid: Annotated[UUID, Field(strict=False)]
    speech_to_text: SpeechToText | Recogniser | None = None
    webhook_url: WebUrl | None = None

    @model_validator(mode="after")
    def _provider(self) -> "RetranscribeBody":
        demand_key(self.speech_to_text)
        return self
