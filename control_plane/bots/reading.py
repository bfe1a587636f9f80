"""What bots have brought back: who said which word when, and where the file can be had."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import or_
from sqlmodel import col, select

from control_plane.bots.asking import BotAsk
from control_plane.bots.models import Bot
from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.recordings.links import LinkSigner
from control_plane.recordings.models import Recording
from control_plane.sessions.models import OWN_EPOCH, Session, SessionJob, TranscriptLine
from control_plane.wire import SURFACE

LINK_LIFETIME: Final = timedelta(hours=1)
UNKNOWN: Final = "Unknown"
WORD_MS: Final = 300
"""How long a word of a line is taken to be whose length nobody measured."""


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word, in seconds of the recording, or of the bot's stay where there is none."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Passage:
    """What somebody said without a pause; its number is the line's."""

    number: int
    speaker: str
    words: tuple[SpokenWord, ...]

    @property
    def start(self) -> float:
        """When its first word begins."""
        return self.words[0].start

    @property
    def end(self) -> float:
        """When its last word ends."""
        return self.words[-1].end


class BotReader:
    """Reads for bots of one project, or in the platform's transaction."""

    def __init__(self, db: Db, clock: Clock, links: LinkSigner, public_url: str) -> None:
        self.db, self.clock, self.links, self.public_url = db, clock, links, public_url

    async def recording_of(self, bot: Bot) -> Recording | None:
        """A bot's recording, if it was not deleted."""
        found = await self.db.get(Recording, bot.recording_id) if bot.recording_id is not None else None
        return found if found is not None and found.deleted_at is None else None

    def link_to(self, recording: Recording | None) -> str:
        """The address of a recording's file, good for an hour; empty where there is none."""
        if recording is None or not recording.size_bytes or not recording.storage_key:
            return ""
        until = self.clock.now() + LINK_LIFETIME
        signature = self.links.sign(recording.project_id, recording.id, expires_at=until)
        return f"{self.public_url}{SURFACE}/recordings/{recording.id}/file?signature={signature}"

    async def passages(self, bot: Bot, recording: Recording | None) -> list[Passage]:
        """What was said while a bot was there, in order; nothing where it was to write nothing down."""
        if bot.session_id is None or BotAsk.of(bot).recogniser is None:
            return []
        own = select(SessionJob.epoch).where(
            SessionJob.session_id == bot.session_id, SessionJob.identity == bot.identity
        )
        query = (
            select(TranscriptLine, Session.started_at)
            .join(Session, col(Session.id) == TranscriptLine.session_id)
            .where(
                TranscriptLine.project_id == bot.project_id,
                TranscriptLine.session_id == bot.session_id,
                TranscriptLine.speaker != "system",
                or_(col(TranscriptLine.epoch) == OWN_EPOCH, col(TranscriptLine.epoch).in_(own)),
            )
            .order_by(col(TranscriptLine.timestamp_ms), col(TranscriptLine.id))
        )
        rows = (await self.db.exec(query)).all()
        if not rows:
            return []
        zero = _zero(bot, recording, rows[0][1])
        passages = [Passage(line.id, _speaker(line), _words(line, zero)) for line, _ in rows]
        return [passage for passage in passages if passage.words]


def speakers_of(passages: Sequence[Passage]) -> list[str]:
    """Who spoke, each once, in the order of their first words."""
    return list(dict.fromkeys(passage.speaker for passage in passages))


def _speaker(line: TranscriptLine) -> str:
    return line.name or line.identity or UNKNOWN


def _zero(bot: Bot, recording: Recording | None, began: datetime) -> float:
    """Seconds from the session's start to the zero of all words: the recording's first sound, or the bot's coming."""
    heard = recording is not None and recording.heard_at is not None
    first = recording.started_at if heard and recording else bot.joined_at or began
    return max(0.0, (first - began).total_seconds())


def _words(line: TranscriptLine, zero: float) -> tuple[SpokenWord, ...]:
    measured = [(word["text"], word["start_ms"], word["end_ms"]) for word in line.words or ()]
    return tuple(
        SpokenWord(text, round(max(0.0, start / 1000 - zero), 3), round(max(0.0, end / 1000 - zero), 3))
        for text, start, end in measured or _spread(line)
    )


def _spread(line: TranscriptLine) -> list[tuple[str, float, float]]:
    """Words that nobody timed, each as long as its part of the line's letters."""
    words = line.content.split()
    letters = sum(map(len, words)) or 1
    whole = line.duration_ms or WORD_MS * len(words)
    timed, at = [], float(line.timestamp_ms)
    for word in words:
        end = at + whole * len(word) / letters
        timed.append((word, at, end))
        at = end
    return timed
