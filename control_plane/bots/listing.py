"""The newest bots of a project, narrowed and sorted as their list has it."""

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, exists, func, or_
from sqlmodel import col, select

from control_plane.bots.models import Bot
from control_plane.db.database import Db
from control_plane.errors import InvalidRequest
from control_plane.sessions.models import OWN_EPOCH, TranscriptLine

CONDITIONS: Final = 20
BEHIND: Final = "behind"
"""What cursors begin with: those of former versions counted bots."""


@dataclass(frozen=True, slots=True)
class Narrow:
    """What the list is narrowed to and sorted by; None does not."""

    bot_name: str | None = None
    meeting_url: str | None = None
    speaker_name: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    ended_after: datetime | None = None
    extra: str | None = None
    """`field:value,field:value`, all of which hold."""
    sort: str | None = None
    """`field`, `field:asc` or `field:desc` of what is extra."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: behind a bot, among those that were there when the first page was read."""

    top: int
    last: int | None = None
    """Its id; None before the first."""

    @classmethod
    def read(cls, cursor: str) -> "Place":
        """A cursor as it was given out. Raises `InvalidRequest`."""
        try:
            kind, top, last = json.loads(base64.urlsafe_b64decode(cursor.encode()))
            if kind != BEHIND or not all(type(each) is int and 0 < each < 2**63 for each in (top, last)):
                raise ValueError(cursor)
        except (ValueError, TypeError, RecursionError) as error:
            raise InvalidRequest.field("cursor", "is none that was given out here") from error
        return cls(top, last)

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(json.dumps([BEHIND, self.top, self.last]).encode()).decode()


async def list_bots(
    db: Db, project_id: int, narrow: Narrow, limit: int, cursor: str | None
) -> tuple[list[Bot], str | None]:
    """A page of bots, the newest first unless sorted, and the cursor of the next one."""
    place = Place.read(cursor) if cursor else Place(await _newest(db, project_id))
    value, is_falling = _sorted_by(narrow.sort)
    query: Any = select(Bot).where(Bot.project_id == project_id, Bot.id <= place.top, *_conditions(narrow))
    if value is None:
        query = query.where(Bot.id < place.last) if place.last is not None else query
    else:
        if place.last is not None:
            last = (await db.exec(select(value).where(Bot.project_id == project_id, Bot.id == place.last))).all()
            if not last:
                raise InvalidRequest.field("cursor", "is that of a bot which is gone: begin again")
            query = query.where(_behind(place.last, last[0], value, is_falling=is_falling))
        query = query.order_by((value.desc() if is_falling else value.asc()).nulls_last())
    found = list((await db.exec(query.order_by(col(Bot.id).desc()).limit(limit + 1))).all())
    following = str(Place(place.top, found[limit - 1].id)) if len(found) > limit else None
    return found[:limit], following


async def _newest(db: Db, project_id: int) -> int:
    return (await db.exec(select(func.max(Bot.id)).where(Bot.project_id == project_id))).one() or 1


def _sorted_by(given: str | None) -> tuple[Any, bool]:
    """What bots are sorted by besides their age, and whether the greatest comes first."""
    if not given:
        return None, False
    field, _, direction = given.rpartition(":") if given.endswith((":asc", ":desc")) else (given, "", "asc")
    return col(Bot.extra)[field].astext, direction == "desc"


def _behind(last: int, reached: str | None, value: Any, *, is_falling: bool) -> Any:
    """Bots that come after one: by their value, those without one last, and among equals by their age."""
    if reached is None:
        return and_(value.is_(None), col(Bot.id) < last)
    beyond = value < reached if is_falling else value > reached
    return or_(beyond, and_(value == reached, col(Bot.id) < last), value.is_(None))


async def speakers_by_session(db: Db, project_id: int, bots: list[Bot]) -> dict[int, list[str]]:
    """Who spoke in each bot's session, in the order of their first words."""
    sessions = [bot.session_id for bot in bots if bot.session_id is not None]
    first = func.min(TranscriptLine.timestamp_ms)
    name: Any = func.coalesce(func.nullif(TranscriptLine.name, ""), func.nullif(TranscriptLine.identity, ""))
    query: Any = (
        select(TranscriptLine.session_id, name)
        .where(
            TranscriptLine.project_id == project_id,
            col(TranscriptLine.session_id).in_(sessions),
            TranscriptLine.speaker != "system",
            TranscriptLine.epoch >= OWN_EPOCH,
            name.is_not(None),
        )
        .group_by(col(TranscriptLine.session_id), name)
        .order_by(first)
    )
    speakers: dict[int, list[str]] = {}
    for session_id, speaker in (await db.execute(query)).all():
        speakers.setdefault(session_id, []).append(speaker)
    return speakers


def _conditions(narrow: Narrow) -> list[Any]:
    wanted: list[Any] = []
    if narrow.bot_name:
        wanted.append(col(Bot.bot_name).icontains(narrow.bot_name, autoescape=True))
    if narrow.meeting_url:
        wanted.append(col(Bot.meeting_url).icontains(narrow.meeting_url, autoescape=True))
    if narrow.created_after is not None:
        wanted.append(col(Bot.created_at) >= narrow.created_after)
    if narrow.created_before is not None:
        wanted.append(col(Bot.created_at) <= narrow.created_before)
    if narrow.ended_after is not None:
        wanted.append(func.coalesce(Bot.exited_at, Bot.ended_at) >= narrow.ended_after)
    if narrow.speaker_name:
        spoke = and_(
            col(TranscriptLine.session_id) == Bot.session_id,
            col(TranscriptLine.project_id) == Bot.project_id,
            col(TranscriptLine.epoch) >= OWN_EPOCH,
            col(TranscriptLine.name).icontains(narrow.speaker_name, autoescape=True),
        )
        wanted.append(exists().where(spoke))
    return wanted + _extra(narrow.extra)


def _extra(given: str | None) -> list[Any]:
    conditions: list[Any] = []
    for part in (given or "").split(","):
        field, colon, value = part.partition(":")
        if not part.strip():
            continue
        if not colon or not field.strip() or len(conditions) >= CONDITIONS:
            raise InvalidRequest.field("filter_by_extra", "must be field:value,field:value with at most 20 conditions")
        conditions.append(col(Bot.extra)[field.strip()].astext == value.strip())
    return conditions
