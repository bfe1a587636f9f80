"""Everything that is sealed in the database, and how it comes to be sealed with another key."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import RowMapping, column, func, select, table, tuple_, update
from sqlalchemy.dialects.postgresql import JSONB

from control_plane.db.database import Database, Db
from control_plane.secrets.box import SecretBox

BATCH: Final = 200
"""Rows of one transaction."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sealed:
    """A column that holds sealed bytes."""

    table: str
    column: str
    row: str
    """What a row's bytes are sealed for, of the columns that it names in braces."""
    key: tuple[str, ...] = ("id",)
    """The columns that tell the row."""
    member: str | None = None
    """Where the column holds JSON, the member that holds the bytes, in base64."""
    formerly: str | None = None
    """What bytes of the former form are sealed for."""


SEALED: Final = (
    Sealed("api_key", "sealed_secret", "api_key:{key_id}"),
    Sealed("sip_trunk", "sealed_password", "sip_trunk:{id}"),
    Sealed("webhook_endpoint", "sealed_secret", "webhook_endpoint:{id}"),
    Sealed("webhook_endpoint", "sealed_previous", "webhook_endpoint:{id}"),
    Sealed("webhook_endpoint", "sealed_headers", "webhook_endpoint:{id}:headers"),
    Sealed(
        "provider_credential", "sealed_key", "provider_credential:{project_id}:{provider}", ("project_id", "provider")
    ),
    Sealed("idempotent_request", "sealed_body", "idempotent_request:{project_id}:{key}", ("project_id", "key")),
    Sealed("recording", "sealed_urls", "recording:{id}"),
    Sealed("bot", "sealed_secrets", "bot:{uuid}"),
    Sealed("calendar", "sealed_credentials", "calendar:{uuid}"),
    Sealed("calendar", "sealed_key", "calendar_key:{uuid}"),
    Sealed("calendar", "sealed_access", "calendar_access:{uuid}"),
    Sealed("calendar_event", "bot", "calendar_event:{uuid}", member="sealed", formerly="calendar_bot"),
    Sealed(
        "calendar_series",
        "bot",
        "calendar_series:{calendar_id}:{series_id}",
        ("calendar_id", "series_id"),
        member="sealed",
        formerly="calendar_bot",
    ),
    Sealed("privacy_request", "sealed_person", "privacy_request:{id}"),
    Sealed("signing_key", "sealed", "signing_key:{name}", ("name",)),
)
"""A test of the house finds a sealed column that is missing here."""


@dataclass(slots=True)
class Rotated:
    """What became of the rows of one column, or of all."""

    done: int = 0
    unreadable: int = 0
    """No key opens them; they stay as they are."""
    left: int = 0
    """Somebody else changed them just then: the next time."""


async def seal_again(database: Database, box: SecretBox) -> dict[str, Rotated]:
    """Seal with the first key whatever is sealed with another, column by column. What is done stays done: it may be
    cut short and repeated at any time, and everything goes on meanwhile."""
    return {f"{each.table}.{each.column}": await _rotate(database, box, each) for each in SEALED}


async def _rotate(database: Database, box: SecretBox, sealed: Sealed) -> Rotated:
    rotated, last = Rotated(), None
    while True:
        async with database.platform() as db:
            rows = await _batch(db, sealed, last)
            for row in rows:
                await _seal_row(db, box, sealed, row, rotated)
        if len(rows) < BATCH:
            break
        last = tuple(rows[-1][name] for name in sealed.key)
    async with database.platform() as db:
        former = sum(not _is_first(box, _bytes_of(sealed, row)) for row in await _others(db, box, sealed))
    rotated.left = max(0, former - rotated.unreadable)
    return rotated


async def _batch(db: Db, sealed: Sealed, last: tuple[Any, ...] | None) -> Sequence[RowMapping]:
    """The next rows, locked; those that are locked already are left out."""
    query = _query(sealed)
    if last is not None:
        query = query.where(_key(sealed) > tuple_(*last))
    query = query.order_by(*(column(name) for name in sealed.key)).limit(BATCH).with_for_update(skip_locked=True)
    return (await db.execute(query)).mappings().all()


async def _others(db: Db, box: SecretBox, sealed: Sealed) -> Sequence[RowMapping]:
    """The rows that are not sealed with the first key, as far as the database can tell."""
    query = _query(sealed)
    if sealed.member is None:
        query = query.where(func.substr(column(sealed.column), 1, len(box.head)) != box.head)
    return (await db.execute(query)).mappings().all()


def _query(sealed: Sealed) -> Any:
    named = dict.fromkeys((*sealed.key, *_names(sealed), sealed.column))
    query = select(*(_column(sealed, name) for name in named)).select_from(_table(sealed))
    value = _column(sealed, sealed.column)
    return query.where(value.is_not(None) if sealed.member is None else value.has_key(sealed.member))


def _table(sealed: Sealed) -> Any:
    return table(sealed.table, *(_column(sealed, name) for name in dict.fromkeys((*sealed.key, sealed.column))))


def _column(sealed: Sealed, name: str) -> Any:
    return column(name, JSONB(none_as_null=True)) if sealed.member and name == sealed.column else column(name)


def _key(sealed: Sealed) -> Any:
    return tuple_(*(column(name) for name in sealed.key))


def _names(sealed: Sealed) -> list[str]:
    return [part.partition("}")[0] for part in sealed.row.split("{")[1:]]


def _bytes_of(sealed: Sealed, row: RowMapping) -> bytes:
    value = row[sealed.column]
    return base64.b64decode(value[sealed.member]) if sealed.member else bytes(value)


def _is_first(box: SecretBox, value: bytes) -> bool:
    return value.startswith(box.head)


async def _seal_row(db: Db, box: SecretBox, sealed: Sealed, row: RowMapping, rotated: Rotated) -> None:
    value, bound = _bytes_of(sealed, row), sealed.row.format_map({name: row[name] for name in _names(sealed)})
    if _is_first(box, value):
        return
    secret = _opened(box, value, bound)
    if secret is None and sealed.formerly is not None:
        secret = _opened(box, value, sealed.formerly)
    if secret is None:
        rotated.unreadable += 1
        log.error("a sealed value opens with no key", table=sealed.table, column=sealed.column, row=bound)
        return
    again: Any = box.seal(secret, row=bound)
    if sealed.member is not None:
        again = {**row[sealed.column], sealed.member: base64.b64encode(again).decode()}
    place = _table(sealed)
    mine = [place.c[name] == row[name] for name in sealed.key]
    await db.execute(update(place).where(*mine).values({place.c[sealed.column]: again}))
    rotated.done += 1


def _opened(box: SecretBox, value: bytes, row: str) -> str | None:
    try:
        return box.open(value, row=row)
    except ValueError:
        return None
