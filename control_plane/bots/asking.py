"""What is asked of a bot, whoever asks."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from control_plane.bots.models import Bot

View = Literal["speaker_view", "gallery_view", "audio_only"]
Recogniser = Literal["Default", "Gladia", "Runpod"]
OTHERS = ("Gladia", "Runpod")
"""Recognisers that write down a recording, after its end."""
PATIENCE = 600
"""Seconds of each kind of waiting, where nothing else is asked."""


def patience(asked: int | None) -> int:
    """Seconds of a kind of waiting: as asked, but never none."""
    return PATIENCE if asked is None else max(1, asked)


class BotAsk(BaseModel):
    """How a bot looks and behaves, and what it brings back."""

    bot_image: str | None = None
    entry_message: str | None = None
    recording_mode: View = "speaker_view"
    recogniser: Recogniser | None = None
    """None: nothing is written down."""
    waiting_room_timeout: int = PATIENCE
    noone_joined_timeout: int = PATIENCE
    silence_timeout: int = PATIENCE
    streaming_input: str | None = None
    streaming_output: str | None = None
    streaming_audio_frequency: Literal["16khz", "24khz"] | None = None
    transcription_custom_parameters: Any = None
    zoom_sdk_id: str | None = None
    zoom_access_token_url: str | None = None
    zoom_obf_token_url: str | None = None
    zoom_obf_token_user_id: str | None = None
    reserved: bool = False
    listens: bool = True
    """Whether each host that it has had was to write down what is said: as asked, or to redact its recording."""

    @classmethod
    def of(cls, bot: Bot) -> "BotAsk":
        """What was asked of a bot."""
        return cls.model_validate(bot.asked)


class Order(BaseModel):
    """A bot to send. `key` is the API key that its webhooks carry, empty where a browser's session asked."""

    key_id: str
    key: str = ""
    recogniser_key: str = ""
    meeting_url: str
    bot_name: str
    deduplication_key: str | None = None
    webhook_url: str | None = None
    extra: dict[str, Any] = {}
    event_uuid: UUID | None = None
    due_at: datetime
    ask: BotAsk = BotAsk()
