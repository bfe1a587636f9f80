"""Columns and questions that every table of a tenant shares."""

from collections.abc import Sequence
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, Identity, Row, func, literal, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from control_plane.db.database import Db
from control_plane.errors import Forbidden, NotFound
from control_plane.wire import Excerpt, Page


def id_column() -> Any:
    """A public number from the table's own sequence."""
    return Field(default=None, sa_column_args=[Identity(always=False)], sa_type=BigInteger, primary_key=True)


def big(*, nullable: bool = False, index: bool = False) -> Any:
    """A 64-bit number, as the ids of other tables are."""
    return Field(default=None if nullable else ..., sa_type=BigInteger, nullable=nullable, index=index)


def moment(*, nullable: bool = False, index: bool = False) -> Any:
    """A point in time with its zone."""
    return Field(default=None if nullable else ..., sa_type=DateTime(timezone=True), nullable=nullable, index=index)


def created_now() -> Any:
    """When the row was written, by the database's clock."""
    return Field(default=None, sa_column=Column(DateTime(timezone=True), nullable=False, server_default=func.now()))


def json_object() -> Any:
    """A JSON object, empty by default."""
    return Field(default_factory=dict, sa_column=Column(JSONB, nullable=False, server_default=text("'{}'")))


def json_list() -> Any:
    """A JSON list, empty by default."""
    return Field(default_factory=list, sa_column=Column(JSONB, nullable=False, server_default=text("'[]'")))


def json_value() -> Any:
    """JSON or nothing."""
    return Field(default=None, sa_column=Column(JSONB(none_as_null=True), nullable=True))


def owner() -> Any:
    """The project that a row belongs to."""
    return Field(sa_type=BigInteger, foreign_key="project.id", nullable=False)


def busy_owner() -> Any:
    """The project that a row belongs to, of tables that many requests write at once.

    A foreign key would have each of them lock the project's one row: a third of what an admission costs.
    """
    return big()


async def read_page(db: Db, query: Any, page: Page) -> tuple[list[Any], int]:
    """A page of an ordered query for one kind of row, and how many there are."""
    rows, total = await read_rows(db, query, page)
    return [row[0] for row in rows], total


async def read_rows(db: Db, query: Any, page: Page, *, total: Any = None) -> tuple[Sequence[Row[Any]], int]:
    """A page of an ordered query, and how many rows it has: one statement, two past the end.

    `total` is a question for that number where there is a cheaper one than to count them.
    """
    counted = _counting(query) if total is None else total
    asked = query.add_columns(counted.scalar_subquery()).offset(page.offset).limit(page.per_page)
    rows = (await db.execute(asked)).all()
    if rows or page.page == 1:
        return rows, rows[0][-1] if rows else 0
    return [], await db.scalar(counted) or 0


async def read_excerpt(
    db: Db, query: Any, by: Any, excerpt: Excerpt, *, total: Any = None
) -> tuple[list[Row[Any]], int]:
    """An excerpt of a query, newest first by this column of ids, and how many rows it has in all: see `read_rows`."""
    if excerpt.before_id is None and excerpt.after_id is None:
        rows, number = await read_rows(db, query.order_by(by.desc()), excerpt, total=total)
        return list(rows), number
    counted = _counting(query) if total is None else total
    asked = query.add_columns(counted.scalar_subquery()).limit(excerpt.per_page)
    if excerpt.before_id is not None:
        asked = asked.where(by < excerpt.before_id).order_by(by.desc())
    else:
        asked = asked.where(by > excerpt.after_id).order_by(by)
    found = list((await db.execute(asked)).all())
    if not found:
        return [], await db.scalar(counted) or 0
    return found if excerpt.after_id is None else found[::-1], found[0][-1]


def _counting(query: Any) -> Any:
    every = query.order_by(None).with_only_columns(literal(1), maintain_column_froms=True)
    return select(func.count()).select_from(every.subquery())


async def refuse_missing(db: Db, table: str, row_id: int, noun: str) -> NoReturn:
    """Raise `Forbidden` where the row belongs to another project, `NotFound` where there is none."""
    elsewhere = await db.scalar(text("select exists_elsewhere(:table, :id)"), {"table": table, "id": row_id})
    if elsewhere:
        raise Forbidden(f"This {noun} belongs to another project")
    raise NotFound(f"There is no {noun} {row_id}")


async def refuse_missing_uuid(db: Db, table: str, row_id: UUID, noun: str) -> NoReturn:
    """The same for a row that customers know by its column `uuid`."""
    elsewhere = await db.scalar(text("select exists_elsewhere(:table, :id)"), {"table": table, "id": row_id})
    if elsewhere:
        raise Forbidden(f"This {noun} belongs to another project")
    raise NotFound(f"There is no {noun} {row_id}")
