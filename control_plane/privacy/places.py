"""Every table of a project, and what becomes of a row that names a person. A test knows when one is missing here."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import SQLModel

from control_plane.db.database import Db
from control_plane.privacy.persons import Names
from guard.said import LIKELY
from knowledge.tables import metadata as knowledge_metadata


class Fate(StrEnum):
    """What becomes of a row that names somebody who is erased."""

    GOES = "goes"
    """It is deleted."""
    FORGETS = "forgets"
    """What names them in it is replaced."""
    EMPTIED = "emptied"
    """All that it tells is replaced: it is there, with its numbers and its place in an order."""
    STAYS = "stays"
    """It is the project's own, or what proves what was done: what of it names them is told in the receipt."""


PLACES: Final[dict[str, Fate]] = {
    "analysis": Fate.FORGETS,
    "attendee": Fate.FORGETS,
    "audit_check": Fate.STAYS,
    "audit_entry": Fate.STAYS,
    "audit_head": Fate.STAYS,
    "audit_link": Fate.STAYS,
    "bot": Fate.FORGETS,
    "budget_notice": Fate.STAYS,
    "calendar": Fate.STAYS,
    "calendar_event": Fate.FORGETS,
    "calendar_series": Fate.STAYS,
    "call": Fate.FORGETS,
    "consent": Fate.STAYS,
    "dial_decision": Fate.GOES,
    "dial_policy": Fate.STAYS,
    "egress": Fate.FORGETS,
    "embed_key": Fate.STAYS,
    "end_user": Fate.FORGETS,
    "event": Fate.EMPTIED,
    "idempotent_request": Fate.GOES,
    "knowledge_base": Fate.STAYS,
    "knowledge_chunk": Fate.GOES,
    "knowledge_document": Fate.FORGETS,
    "knowledge_golden": Fate.GOES,
    "knowledge_posting": Fate.GOES,
    "knowledge_term": Fate.GOES,
    "knowledge_unanswered": Fate.GOES,
    "knowledge_upload": Fate.FORGETS,
    "knowledge_vector": Fate.GOES,
    "meeting": Fate.FORGETS,
    "membership": Fate.STAYS,
    "participant": Fate.FORGETS,
    "persona": Fate.STAYS,
    "persona_version": Fate.STAYS,
    "privacy_request": Fate.STAYS,
    "provider_credential": Fate.STAYS,
    "recording": Fate.FORGETS,
    "replay_share": Fate.STAYS,
    "retired_room": Fate.FORGETS,
    "room": Fate.FORGETS,
    "scenario": Fate.STAYS,
    "session": Fate.FORGETS,
    "session_job": Fate.FORGETS,
    "session_tally": Fate.STAYS,
    "session_trace": Fate.FORGETS,
    "sip_config": Fate.STAYS,
    "sip_trunk": Fate.STAYS,
    "slot": Fate.FORGETS,
    "supervision": Fate.FORGETS,
    "transcript_line": Fate.FORGETS,
    "transfer": Fate.FORGETS,
    "turn": Fate.FORGETS,
    "usage_day": Fate.STAYS,
    "usage_entry": Fate.STAYS,
    "video_room": Fate.STAYS,
    "video_transcription": Fate.FORGETS,
    "webhook_attempt": Fate.FORGETS,
    "webhook_delivery": Fate.EMPTIED,
    "webhook_endpoint": Fate.STAYS,
}
"""What names somebody by a key is deleted before, whatever stands here: their calls, sessions, stays, meetings."""
BY_KEYS: Final = ("idempotent_request", "knowledge_posting", "knowledge_term", "knowledge_vector")
"""Nothing in them can be read, or they go with what they belong to."""
SWEPT: Final = tuple(name for name, fate in PLACES.items() if fate is not Fate.STAYS and name not in BY_KEYS)
"""Tables that are looked through for texts."""
NAMELESS: Final = (
    "audit_check",
    "audit_head",
    "audit_link",
    "membership",
    "privacy_request",
    "session_tally",
    "usage_day",
)
"""Tables that stay, and in which nobody can be read."""
OWN: Final = tuple(name for name, fate in PLACES.items() if fate is Fate.STAYS and name not in NAMELESS)
"""Tables whose rows stay, and are told of where they name somebody."""
WINDOW: Final = 20_000
"""Numbers of rows that are looked through in one transaction."""


def table_of(name: str) -> sa.Table:
    """A table by its name."""
    return knowledge_metadata.tables[name] if name.startswith("knowledge_") else SQLModel.metadata.tables[name]


def texts_of(table: sa.Table) -> list[sa.Column[Any]]:
    """The columns that may name somebody."""
    return [column for column in table.columns if _is_text(column)]


def naming(table: sa.Table, names: Names) -> sa.ColumnElement[bool]:
    """Rows that may name somebody: a few more than do."""
    parts = [sa.cast(column, sa.Text) for column in texts_of(table)]
    if not parts or not names.likes():
        return sa.false()
    return sa.func.concat_ws("\n", *parts).ilike(sa.any_(sa.cast(names.likes(), ARRAY(sa.Text))))


def saying(table: sa.Table, names: Names) -> sa.ColumnElement[bool]:
    """Rows that may say a number of somebody's in words, or in groups: many more than do."""
    parts = [sa.cast(column, sa.Text) for column in texts_of(table)]
    if not parts or not names.numbers:
        return sa.false()
    return sa.func.concat_ws("\n", *parts).op("~*")(LIKELY)


async def window(db: Db, table: sa.Table, after: int) -> int | None:
    """The last number of the rows after `after` that are looked through at once; None where there are no more."""
    key = table.columns["id"]
    first = await db.scalar(sa.select(sa.func.min(key)).where(key > after))
    return first + WINDOW - 1 if first is not None else None


async def rows_naming(
    db: Db, table: sa.Table, project_id: int, names: Names, *further: sa.ColumnElement[bool]
) -> Sequence[sa.RowMapping]:
    """The rows of a project that name somebody, with their numbers and texts."""
    columns = [column for column in table.columns if column.primary_key or _is_text(column)]
    query = sa.select(*columns).where(table.columns["project_id"] == project_id, *further)
    meant = sa.or_(naming(table, names), saying(table, names))
    rows = (await db.execute(query.where(meant).with_for_update())).mappings().all()
    return [row for row in rows if forgotten(table, row, names)]


def forgotten(table: sa.Table, row: sa.RowMapping, names: Names) -> dict[str, Any]:
    """The columns of a row that name somebody, without them."""
    erased = {column.name: names.erase(row[column.name], name=column.name) for column in texts_of(table)}
    changed = {name: value for name, value in erased.items() if value != row[name]}
    if table.name == "transcript_line" and "content" in changed:
        changed["words"] = None  # one by one they would say it still
    return changed


def _is_text(column: sa.Column[Any]) -> bool:
    kind = column.type.impl if isinstance(column.type, sa.TypeDecorator) else column.type
    is_list = isinstance(kind, ARRAY) and isinstance(kind.item_type, sa.String)
    return isinstance(kind, sa.String | JSONB) or is_list
