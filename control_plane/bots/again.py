"""A bot whose recording is to be written down once more."""

import json
from dataclasses import dataclass, field
from typing import Final

from sqlmodel import col, update

from control_plane.bots.asking import Recogniser
from control_plane.bots.life import want_words
from control_plane.bots.models import Bot, BotState
from control_plane.bots.telling import DIALECT, account_url, add_endpoint
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.errors import Conflict
from control_plane.recordings.models import Recording
from control_plane.secrets.box import SecretBox
from control_plane.sessions.models import Session
from control_plane.webhooks.models import WebhookEndpoint

FIRST_LETTERS: Final = ["bot.status_change", "complete", "failed"]
AGAIN_LETTER: Final = "transcription_complete"
"""What a bot's endpoints are told, and then what that of another writing down is told."""


@dataclass(frozen=True, slots=True)
class Again:
    """By whom, and where the end of it is told."""

    recogniser: Recogniser
    recogniser_key: str = field(repr=False)
    webhook_url: str | None
    key: str = field(repr=False)
    key_id: str


async def write_again(db: Db, clock: Clock, box: SecretBox, bot: Bot, again: Again) -> None:
    """Have the recording of a locked bot written down. Raises `Conflict` where there is none, or it is being done."""
    recording = await db.get(Recording, bot.recording_id) if bot.recording_id is not None else None
    if bot.state != BotState.COMPLETED or recording is None or not recording.size_bytes or bot.deleted_at is not None:
        raise Conflict("This bot has no recording that could be written down")
    if bot.writing_since is not None:
        raise Conflict("This recording is being written down already")
    session = await db.get(Session, bot.session_id)
    if session is None or not session.store_transcripts:
        raise Conflict("This project keeps no transcripts")
    bot.asked = bot.asked | {"recogniser": again.recogniser}
    kept = {"key": again.key, "recogniser": again.recogniser_key}
    bot.sealed_secrets = box.seal(json.dumps(kept), row=bot.sealed_as)
    # What came before, and may not be on its way yet, goes where it was to go; the end of this where it is wanted now.
    of_bot = (col(WebhookEndpoint.room_name) == bot.room_name, col(WebhookEndpoint.dialect) == DIALECT)
    await db.exec(update(WebhookEndpoint).where(*of_bot).values(events=FIRST_LETTERS))
    url = again.webhook_url or bot.webhook_url or await account_url(db, bot.project_id)
    names_it = again.webhook_url is not None or bot.webhook_url is None or again.key_id == bot.key_id
    key = again.key if names_it else ""  # an address that another key has named is not shown this one
    bot.endpoint_id = None
    if url:
        bot.endpoint_id = await add_endpoint(
            db, box, bot.project_id, url, key, room_name=bot.room_name, letters=[AGAIN_LETTER]
        )
    await want_words(db, clock, bot)
