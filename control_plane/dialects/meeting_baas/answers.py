"""Bots on the wire. Free-form fields that are empty are `{}`: the client package refuses null there."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from control_plane.bots.asking import BotAsk
from control_plane.bots.models import Bot
from control_plane.bots.reading import Passage
from control_plane.clock import iso_ms
from control_plane.recordings.models import Recording


def moment(at: datetime | None) -> str | None:
    """A time on the wire."""
    return iso_ms(at) if at else None


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
        "created_at": moment(bot.created_at),
        "bot_joined_at": moment(bot.joined_at),
        "bot_exited_at": moment(bot.exited_at),
        "ended_at": moment(bot.ended_at),
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
        "created_at": moment(bot.created_at),
        "ended_at": moment(ended),
        "duration": seconds_of(bot, None) if bot.exited_at else None,
        "session_id": str(bot.session_id) if bot.session_id and not bot.is_over else None,
        "speakers": speakers,
        "extra": bot.extra,
        "access_count": None,
        "last_accessed_at": None,
        "state": bot.state,
        "error": bot.error,
    }
