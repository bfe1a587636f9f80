"""Removing what a bot has brought back: its file, its words, and every copy of them. What was asked of it stays."""

from typing import Literal

from sqlmodel import col, delete, func, or_, select, update

from control_plane.analysis.models import Analysis
from control_plane.bots.models import Bot
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.errors import Conflict
from control_plane.events.facts import Fact
from control_plane.events.models import Event
from control_plane.recordings.settling import lock_recording
from control_plane.sessions.ending import lock_session
from control_plane.sessions.models import TranscriptLine
from control_plane.webhooks.models import WebhookDelivery, WebhookEndpoint

Removed = Literal["deleted", "partiallyDeleted", "alreadyDeleted", "noDataFound"]


async def remove_data(db: Db, clock: Clock, bot: Bot) -> tuple[Removed, int | None]:
    """Remove the data of a locked bot; what became of it, and the recording whose file is to go after the commit.

    What is still to come of it, such as the end of another writing down, is not kept. Raises `Conflict` while the bot
    is still at work.
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
    bot.chat, bot.deleted_at, bot.writing_since = [], clock.now(), None
    return "deleted" if found else "noDataFound", recording.id if recording else None


async def _remove_words(db: Db, bot: Bot) -> bool:
    session = await lock_session(db, bot.session_id, project_id=bot.project_id) if bot.session_id is not None else None
    mine = col(TranscriptLine.project_id) == bot.project_id, col(TranscriptLine.session_id) == bot.session_id
    removed = await db.exec(delete(TranscriptLine).where(*mine))
    if session is not None:
        session.summary, session.message_count, session.store_transcripts = None, 0, False
        await db.exec(
            delete(Analysis).where(col(Analysis.project_id) == bot.project_id, col(Analysis.session_id) == session.id)
        )
    lines = (
        col(Event.project_id) == bot.project_id,
        col(Event.type) == Fact.TRANSCRIPT_LINE,
        col(Event.room_name) == bot.room_name,
    )
    # The newest event of all stays, without its words: the next one's number is counted from it.
    newest = select(func.max(Event.seq)).scalar_subquery()
    await db.exec(delete(Event).where(*lines, or_(col(Event.seq).is_(None), col(Event.seq) < newest)))
    await db.exec(update(Event).where(*lines).values(data=col(Event.data).op("||")({"content": ""})))
    endpoints = select(WebhookEndpoint.id).where(WebhookEndpoint.project_id == bot.project_id)
    sent = (
        col(WebhookDelivery.endpoint_id).in_(endpoints),
        col(WebhookDelivery.room_name) == bot.room_name,
        col(WebhookDelivery.event_type).in_(("complete", Fact.TRANSCRIPT_LINE.value)),
    )
    await db.exec(delete(WebhookDelivery).where(*sent))
    return bool(removed.rowcount)
