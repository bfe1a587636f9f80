"""A month of conversations for the pictures, written beside a platform: nobody can hold them yesterday."""

import math
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from control_plane import tables
from control_plane.clock import Clock
from control_plane.db.database import Database
from control_plane.metering.ledger import record
from control_plane.metering.models import UsageEntry
from control_plane.sessions.models import Session, Turn

MODELS: Final = tables
"""A table is known with those that it refers to."""
DAYS: Final = 30
ANSWERS: Final = 4
"""Of each conversation, measured."""
FAILED: Final = 0.03
WHY: Final = ("model_failed", "worker_lost", "not_started")
WORK: Final[tuple[dict[str, Any], ...]] = (
    {"service": "llm", "provider": "api.openai.com", "model": "gpt-4o", "input_tokens": 3400, "output_tokens": 260},
    {
        "service": "llm",
        "provider": "api.openai.com",
        "model": "gpt-4o-mini",
        "input_tokens": 7600,
        "output_tokens": 410,
    },
    {"service": "stt", "provider": "deepgram", "model": "nova-3", "audio_seconds": 74.0},
    {"service": "tts", "provider": "elevenlabs", "model": "eleven_flash_v2_5", "characters": 340},
)
"""Of one conversation."""


async def write_history(database_url: str, project_id: int, agents: Sequence[tuple[int, str]]) -> None:
    """Conversations of the last month with these agents, by id and name, and what they cost."""
    database = Database(database_url.replace("postgresql://", "postgresql+psycopg://", 1), pool=2)
    dice, now = random.Random(8), datetime.now(UTC)  # the same pictures each time
    try:
        async with database.platform() as db:
            held = [_conversation(dice, project_id, dice.choice(agents), at) for at in _moments(dice, now)]
            db.add_all(held)
            await db.flush()
            db.add_all(turn for session in held for turn in _answers(dice, session))
            for session in held:
                for work in WORK:
                    many = {name: _around(dice, each) for name, each in work.items() if not isinstance(each, str)}
                    entry = UsageEntry(
                        project_id=project_id,
                        source=f"history:{session.id}:{work['model']}",
                        session_id=session.id,
                        persona_id=session.persona_id,
                        requests=ANSWERS,
                        at=session.started_at,
                        **(work | many),
                    )
                    await record(db, entry, clock=Clock())
    finally:
        await database.close()


def _moments(dice: random.Random, now: datetime) -> Iterator[datetime]:
    """When they began: more from week to week, fewer at weekends, in working hours; the latest an hour ago."""
    for ago in reversed(range(DAYS)):
        day = (now - timedelta(days=ago)).replace(hour=0, minute=0, second=0, microsecond=0)
        busy = (9 if day.weekday() < 5 else 3) * (1 + 0.9 * (DAYS - ago) / DAYS)
        many = round(busy * dice.uniform(0.8, 1.2))
        for at in sorted(dice.triangular(7 * 60, 21 * 60, 14 * 60) for _ in range(many)):
            begun = day + timedelta(minutes=at)
            if begun < now - timedelta(hours=1):
                yield begun


def _conversation(dice: random.Random, project_id: int, agent: tuple[int, str], at: datetime) -> Session:
    persona_id, name = agent
    is_failed, by_phone = dice.random() < FAILED, dice.random() < 0.6
    seconds = 7 if is_failed else round(40 + 60 * math.exp(dice.gauss(0.3, 0.6)))
    caller = f"+1415555{dice.randrange(10_000):04}"
    return Session(
        project_id=project_id,
        room_name=f"proj_call-{dice.randrange(16**6):06x}",
        persona_id=persona_id,
        agent_name=name,
        status="completed",
        outcome="failed" if is_failed else "ok",
        end_reason=dice.choice(WHY) if is_failed else dice.choice(("caller_left", "caller_left", "persona_ended")),
        session_type="sip" if by_phone else "voice",
        caller_identity=f"sip_{caller}" if by_phone else None,
        message_count=1 if is_failed else 2 * ANSWERS + dice.randrange(6),
        duration=seconds,
        started_at=at,
        announced_at=at,
        ended_at=at + timedelta(seconds=seconds),
        created_at=at,
    )


def _answers(dice: random.Random, session: Session) -> Iterator[Turn]:
    for number in range(0 if session.outcome == "failed" else ANSWERS):
        begun = session.started_at + timedelta(seconds=12 * (number + 1))
        gap = min(2400.0, 430 + 130 * math.exp(dice.gauss(0, 0.7)))
        yield Turn(
            project_id=session.project_id,
            session_id=session.id,
            epoch=1,
            sequence=number + 1,
            speech_ended_at=begun - timedelta(milliseconds=gap),
            audio_started_at=begun,
            created_at=begun,
        )


def _around(dice: random.Random, much: float) -> float:
    """About so much, and of the same kind."""
    found = much * dice.uniform(0.5, 1.6)
    return found if isinstance(much, float) else round(found)
