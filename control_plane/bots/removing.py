"""Removing what a bot has brought back: its file, its words, and every copy of them. What was asked of it stays."""

from typing import Literal

from sqlmodel import col, delete, select

from control_plane.analysis.models import Analysis
from control_plane.bots.models import Bot
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.errors import Conflict
from control_plane.events.facts import Fact
from control_plane.events.models import Event
from control_plane.recordings.models import Recording
from control_plane.recordings.settling import lock_recording
from control_plane.sessions.models import Session, TranscriptLine
from control_plane.webhooks.models import WebhookDelivery

Removed = Literal["deleted", "partiallyDeleted", "alreadyDeleted", "noDataFound"]


async def remove_data(db: Db, clock: Clock, bot: Bot) -> tuple[Removed, int | None]:
    """Remove the data of a locked bot; what became of it, and the recording whose file is to go after the commit.

    Raises `Conflict` while the bot is still at work.
    """
    if not bot.is_over:
        raise Conflict("This bot is still at work; have it leave first")
    if bot.deleted_at is not None:
        return "alreadyDeleted", None
    found = await _remove_words(db, bot)
    recording = await lock_recording(db, bot.recording_id) if bot.recording_id is not None else None
    if recording is not None and recording.deleted_at is None:
        recording.deleted_at = clock.now()
        found = found or bool(recording.size_bytes)
    found = found or bool(bot.chat)
    bot.chat, bot.deleted_at = [], clock.now()
    return "deleted" if found else "noDataFound", recording.id if recording else None


async def _remove_words(db: Db, bot: Bot) -> bool:
    mine = col(TranscriptLine.project_id) == bot.project_id, col(TranscriptLine.session_id) == bot.session_id
    removed = await db.exec(delete(TranscriptLine).where(*mine))
    session = await db.get(Session, bot.session_id) if bot.session_id is not None else None
    if session is not None:
        session.summary, session.message_count = None, 0
        await db.exec(
            delete(Analysis).where(col(Analysis.project_id) == bot.project_id, col(Analysis.session_id) == session.id)
        )
    lines = (
        col(Event.project_id) == bot.project_id,
        col(Event.type) == Fact.TRANSCRIPT_LINE,
        col(Event.room_name) == bot.room_name,
    )
    await db.exec(delete(Event).where(*lines))
    if bot.endpoint_id is not None:
        sent = col(WebhookDelivery.project_id) == bot.project_id, col(WebhookDelivery.endpoint_id) == bot.endpoint_id
        await db.exec(delete(WebhookDelivery).where(*sent, col(WebhookDelivery.event_type) == "complete"))
    return bool(removed.rowcount)


async def is_gone(db: Db, recording_id: int | None) -> bool:
    """Whether nothing is left of a recording that was removed."""
    query = select(Recording.id).where(Recording.id == recording_id)
    return recording_id is None or (await db.exec(query)).first() is None
