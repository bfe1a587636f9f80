"""Bots on the wire. Free-form fields that are empty are `{}`: the client package refuses null there."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel

from control_plane.bots.asking import BotAsk, Recogniser, View
from control_plane.bots.models import Bot
from control_plane.bots.reading import Passage
from control_plane.bots.removing import Removed
from control_plane.clock import iso_ms
from control_plane.recordings.models import Recording


class BotSent(BaseModel):
    """`POST /bots`."""

    bot_id: str


class BotDone(BaseModel):
    """It was done."""

    ok: bool


class BotDataDeleted(BotDone):
    """`POST /bots/{uuid}/delete_data`."""

    status: Removed


class BotRead(BaseModel):
    """A bot with all that was asked of it. What is always null or empty has no counterpart on this server."""

    id: int
    uuid: str
    account_id: int
    bot_param_id: int
    bot_name: str
    bot_image: str | None
    meeting_url: str
    created_at: str
    bot_joined_at: str | None
    bot_exited_at: str | None
    ended_at: str | None
    is_stopped: bool
    reserved: bool
    recording_mode: View
    enter_message: str | None
    deduplication_key: str | None
    extra: dict[str, Any]
    errors: str | None
    session_id: str | None
    event_id: None
    scheduled_bot_id: None
    mp4_s3_path: str
    webhook_url: str
    waiting_room_timeout: int
    noone_joined_timeout: int
    silence_timeout: int
    speech_to_text_provider: Recogniser | None
    speech_to_text_api_key: None
    streaming_input: str | None
    streaming_output: str | None
    streaming_audio_frequency: str | None
    transcription_custom_parameters: Any
    transcription_payloads: dict[str, Any]
    user_reported_error: dict[str, Any]
    diarization_v2: bool
    diarization_fails: None
    transcription_fails: None
    zoom_sdk_id: str | None
    zoom_sdk_pwd: None
    zoom_access_token_url: str | None
    zoom_obf_token: None
    zoom_obf_token_url: str | None
    zoom_obf_token_user_id: str | None


class BotDetail(BotRead):
    """`GET /bots/{uuid}`: with how far it has come."""

    state: str
    status: str | None


class BotWord(BaseModel):
    """A word; times in seconds of the recording."""

    id: int
    bot_id: int
    user_id: None
    text: str
    start_time: float
    end_time: float


class BotPassage(BaseModel):
    """What somebody said without another between."""

    id: int
    bot_id: int
    user_id: None
    speaker: str
    lang: None
    start_time: float
    end_time: float
    words: list[BotWord]


class BotData(BaseModel):
    """A bot and what it heard. `heard_as`: each speaker by themselves, or everybody on one line."""

    bot: BotRead
    event_uuid: str | None
    transcripts: list[BotPassage]
    state: str
    heard_as: Literal["tracks", "one_line"]
    chat: list[dict[str, Any]]


class MeetingData(BaseModel):
    """`GET /bots/meeting_data`. Links are good for an hour, and empty where there is no file; `duration` in seconds."""

    mp4: str
    audio: str
    duration: int
    meeting_participants_file: str
    speaker_diarization_file: str
    speaker_diarization_file_network: str
    bot_data: BotData


class BotEntry(BaseModel):
    """A bot in the list."""

    id: int
    uuid: str
    bot_name: str
    meeting_url: str
    created_at: str
    ended_at: str | None
    duration: int | None
    session_id: str | None
    speakers: list[str]
    extra: dict[str, Any]
    access_count: None
    last_accessed_at: None
    state: str
    error: str | None


class BotList(BaseModel):
    """Bots, newest first; under both names the same."""

    bots: list[BotEntry]
    recent_bots: list[BotEntry]
    next_cursor: str | None
    last_updated: str


class HookDescribed(BaseModel):
    """A webhook: when it comes, and what it looks like."""

    description: str
    example: dict[str, Any]


def show_bot(bot: Bot, account_id: int, recording: Recording | None) -> dict[str, Any]:
    """A bot with all that was asked of it; no key is ever shown."""
    ask = BotAsk.of(bot)
    problem = f"{bot.error}: {bot.error_message}" if bot.error else None
    return {
        "id": bot.id,
        "uuid": str(bot.uuid),
        "account_id": account_id,
        "bot_param_id": bot.id,
        "bot_name": bot.bot_name,
        "bot_image": ask.bot_image,
        "meeting_url": bot.meeting_url,
        "created_at": iso_ms(bot.created_at),
        "bot_joined_at": iso_ms(bot.joined_at),
        "bot_exited_at": iso_ms(bot.exited_at),
        "ended_at": iso_ms(bot.ended_at),
        "is_stopped": bot.leave_at is not None,
        "reserved": ask.reserved,
        "recording_mode": ask.recording_mode,
        "enter_message": ask.entry_message,
        "deduplication_key": bot.deduplication_key,
        "extra": bot.extra,
        "errors": problem,
        "session_id": str(bot.session_id) if bot.session_id and not bot.is_over else None,
        "event_id": None,
        "scheduled_bot_id": None,
        "mp4_s3_path": (recording.storage_key or "") if recording and recording.size_bytes else "",
        "webhook_url": bot.webhook_url or "",
        "waiting_room_timeout": ask.waiting_room_timeout,
        "noone_joined_timeout": ask.noone_joined_timeout,
        "silence_timeout": ask.silence_timeout,
        "speech_to_text_provider": ask.recogniser,
        "speech_to_text_api_key": None,
        "streaming_input": ask.streaming_input,
        "streaming_output": ask.streaming_output,
        "streaming_audio_frequency": ask.streaming_audio_frequency,
        "transcription_custom_parameters": ask.transcription_custom_parameters or {},
        "transcription_payloads": {},
        "user_reported_error": {},
        "diarization_v2": False,
        "diarization_fails": None,
        "transcription_fails": None,
        "zoom_sdk_id": ask.zoom_sdk_id,
        "zoom_sdk_pwd": None,
        "zoom_access_token_url": ask.zoom_access_token_url,
        "zoom_obf_token": None,
        "zoom_obf_token_url": ask.zoom_obf_token_url,
        "zoom_obf_token_user_id": ask.zoom_obf_token_user_id,
    }


def show_passage(bot: Bot, passage: Passage) -> dict[str, Any]:
    """What somebody said, with its words."""
    words = [
        {
            "id": passage.number * 1000 + place,
            "bot_id": bot.id,
            "user_id": None,
            "text": word.text,
            "start_time": word.start,
            "end_time": word.end,
        }
        for place, word in enumerate(passage.words)
    ]
    return {
        "id": passage.number,
        "bot_id": bot.id,
        "user_id": None,
        "speaker": passage.speaker,
        "lang": None,
        "start_time": passage.start,
        "end_time": passage.end,
        "words": words,
    }


def seconds_of(bot: Bot, recording: Recording | None) -> int:
    """How long a recording is, or a bot stayed where there is none."""
    if recording is not None and recording.duration:
        return round(recording.duration)
    return round((bot.exited_at - bot.joined_at).total_seconds()) if bot.joined_at and bot.exited_at else 0


def show_metadata(
    bot: Bot, account_id: int, recording: Recording | None, link: str, passages: Sequence[Passage]
) -> dict[str, Any]:
    """`GET /bots/meeting_data`. `chat`, `state` and `heard_as` are ours."""
    is_sound = BotAsk.of(bot).recording_mode == "audio_only"
    return {
        "mp4": link,
        "audio": link if is_sound else "",
        "duration": seconds_of(bot, recording),
        "meeting_participants_file": "",
        "speaker_diarization_file": "",
        "speaker_diarization_file_network": "",
        "bot_data": {
            "bot": show_bot(bot, account_id, recording),
            "event_uuid": str(bot.event_uuid) if bot.event_uuid else None,
            "transcripts": [show_passage(bot, passage) for passage in passages],
            "state": bot.state,
            "heard_as": "one_line" if bot.meeting_room == bot.room_name else "tracks",
            "chat": bot.chat,
        },
    }


def show_entry(bot: Bot, speakers: list[str]) -> dict[str, Any]:
    """A bot in the list."""
    ended = bot.exited_at or bot.ended_at
    return {
        "id": bot.id,
        "uuid": str(bot.uuid),
        "bot_name": bot.bot_name,
        "meeting_url": bot.meeting_url,
        "created_at": iso_ms(bot.created_at),
        "ended_at": iso_ms(ended),
        "duration": seconds_of(bot, None) if bot.exited_at else None,
        "session_id": str(bot.session_id) if bot.session_id and not bot.is_over else None,
        "speakers": speakers,
        "extra": bot.extra,
        "access_count": None,
        "last_accessed_at": None,
        "state": bot.state,
        "error": bot.error,
    }
