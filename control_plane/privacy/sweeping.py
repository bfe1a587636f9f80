"""Looking through a table for what names a person, a window of its rows at a time."""

import json
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import ARRAY

from control_plane.clock import Clock
from control_plane.db.database import Db
from control_plane.events.models import LATE
from control_plane.privacy.finding import Found, span
from control_plane.privacy.persons import ERASED, Names
from control_plane.privacy.places import PLACES, Fate, forgotten, naming, rows_naming, saying, table_of, window
from knowledge.store import BaseNotFound, KnowledgeStore

MARK: Final = "erased"
"""A member of events that were emptied."""
_VECTORS: Final = text("select count(*) from knowledge_vector where project_id = :project and chunk_id = :chunk")
_EMPTY_TRIES: Final = text("""
    update webhook_attempt set response = '', response_headers = '{}'
    where project_id = :project and delivery_id = any(:ids)
""")


async def sweep(
    db: Db, clock: Clock, name: str, project_id: int, names: Names, found: Found, *, after: int
) -> tuple[dict[str, int], int | None]:
    """Erase what names them in the rows after `after`: of how many, by table, and how far; None: to the end."""
    table, last, within = table_of(name), None, list[sa.ColumnElement[bool]]()
    if _counts(table):
        last = await window(db, table, after)
        if last is None:
            return {}, None
        within = [table.columns["id"] > after, table.columns["id"] <= last]
    if name == "event":
        return {name: await _empty_events(db, table, project_id, names, found, within)}, last
    if name == "webhook_delivery":
        return {name: await _empty_deliveries(db, clock, table, project_id, names, found, within)}, last
    counts = {"knowledge_vector": 0}
    rows = await rows_naming(db, table, project_id, names, *within)
    for row in rows:
        if PLACES[name] is Fate.FORGETS:
            await db.execute(sa.update(table).where(*_is(table, row)).values(**forgotten(table, row, names)))
        elif name == "knowledge_chunk":
            counts["knowledge_vector"] += await _drop_chunk(db, table, project_id, row["id"])
        else:
            await db.execute(sa.delete(table).where(*_is(table, row)))
    return counts | {name: len(rows)}, last


async def _drop_chunk(db: Db, table: sa.Table, project_id: int, chunk_id: int) -> int:
    """A passage with its terms and its vectors: how many of these there were."""
    vectors = await db.scalar(_VECTORS, {"project": project_id, "chunk": chunk_id}) or 0
    base = await db.scalar(sa.select(table.columns["base_id"]).where(table.columns["id"] == chunk_id))
    if base is None:
        return 0
    try:
        await KnowledgeStore(db).delete_chunk(chunk_id, base_id=base, project_id=project_id)
    except BaseNotFound:
        return 0  # it goes with its base
    return vectors


async def _empty_events(
    db: Db, table: sa.Table, project_id: int, names: Names, found: Found, within: list[sa.ColumnElement[bool]]
) -> int:
    told, about = table.columns, []
    for member, ids in (
        ("session_id", found.sessions), ("call_id", found.calls), ("meeting_id", found.meetings),
        ("recording_id", found.recordings), ("end_user_id", found.end_users),
    ):  # fmt: skip
        if ids:
            about.append(told["data"][member].astext.in_([str(each) for each in ids]))
    meant, said = sa.or_(naming(table, names), *about, *_stays(table, found)), saying(table, names)
    query = sa.select(told["id"], told["data"], told["room_name"], meant.label("is_theirs")).where(
        told["project_id"] == project_id, *within
    )
    full = sa.not_(told["data"].has_key(MARK))
    likely = (await db.execute(query.where(sa.or_(meant, said), full).with_for_update())).all()
    rows = [row for row in likely if row.is_theirs or names.name(row.data)]
    for row in rows:
        values = {"data": emptied(row.data, names), "room_name": names.erase(row.room_name, name="room_name")}
        await db.execute(sa.update(table).where(told["id"] == row.id).values(**values))
    return len(rows)


async def _empty_deliveries(
    db: Db,
    clock: Clock,
    table: sa.Table,
    project_id: int,
    names: Names,
    found: Found,
    within: list[sa.ColumnElement[bool]],
) -> int:
    sent, event = table.columns, table_of("event").columns
    same = event["seq"] == sent["event_seq"], event["id"] >= sent["event_seq"] - LATE
    of_emptied = sa.exists().where(*same, event["data"].has_key(MARK))
    body = json.dumps({MARK: True})
    meant = sa.or_(naming(table, names), of_emptied, *_stays(table, found))
    query = sa.select(sent["id"], sent["room_name"], sent["state"]).where(sent["project_id"] == project_id, *within)
    rows = (await db.execute(query.where(meant, sent["body"] != body).with_for_update())).all()
    for row in rows:
        values: dict[str, Any] = {"body": body, "room_name": names.erase(row.room_name, name="room_name")}
        if row.state == "waiting":  # it would tell nothing any more
            values |= {"state": "failed", "finished_at": clock.now()}
        await db.execute(sa.update(table).where(sent["id"] == row.id).values(**values))
    await db.execute(_EMPTY_TRIES, {"project": project_id, "ids": [row.id for row in rows]})
    return len(rows)


def emptied(data: dict[str, Any], names: Names) -> dict[str, Any]:
    """What an event told, in its shape, without any words."""

    def empty(value: Any) -> Any:
        match names.erase(value):
            case str():
                return ERASED
            case dict():
                return {}
            case list():
                return []
            case other:
                return other

    return {key: empty(value) for key, value in data.items()} | {MARK: True}


def _stays(table: sa.Table, found: Found) -> list[sa.ColumnElement[bool]]:
    """Rows of the rooms of their conversations, while they went on."""
    if not found.stays:
        return []
    rooms, since, until = zip(*(span(each) for each in found.stays), strict=True)
    moments = ARRAY(sa.DateTime(timezone=True))
    stay = (
        sa.func.unnest(
            sa.cast(list(rooms), ARRAY(sa.Text)), sa.cast(list(since), moments), sa.cast(list(until), moments)
        )
        .table_valued("room", "since", "until")
        .render_derived()
    )
    at = table.columns["created_at"]
    same = (stay.c.room == table.columns["room_name"], at >= stay.c.since, at <= stay.c.until)
    return [sa.exists(sa.select(sa.literal(1)).select_from(stay).where(*same))]


def _counts(table: sa.Table) -> bool:
    return "id" in table.columns and isinstance(table.columns["id"].type, sa.Integer)


def _is(table: sa.Table, row: sa.RowMapping) -> list[sa.ColumnElement[bool]]:
    return [column == row[column.name] for column in table.primary_key]
