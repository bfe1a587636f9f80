"""A project that has nothing asks about another's rows."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from sqlalchemy import TextClause
from sqlmodel import col, select

from control_plane.clock import Clock
from control_plane.db.database import Database, Db
from control_plane.errors import Conflict, PlatformError
from control_plane.gate.transaction import Transaction
from tests.support.estates import Estate


@dataclass
class Asking:
    """A transaction of a project that has nothing, before an estate of another's."""

    db: Db
    me: int
    theirs: Estate
    database: Database

    def id(self, table: str) -> int:
        """The number of their row of a table."""
        return self.theirs.ids[table]

    @property
    def hall(self) -> str:
        """Their room."""
        return self.theirs.names()["room_name"]

    @property
    def line(self) -> str:
        """The number of their trunk."""
        return f"+1800555{self.theirs.number:04}"

    @property
    def transaction(self) -> Transaction:
        """This transaction, as requests have it."""

        @asynccontextmanager
        async def door() -> AsyncIterator[Db]:
            yield self.db

        return Transaction(self.database, door)

    def like(self, **more: Any) -> Any:
        """What a service knows of itself."""
        caller = SimpleNamespace(project_id=self.me, slug="nobody", key_id="key", account_id=0)
        known = {"db": self.db, "project_id": self.me, "caller": caller, "clock": Clock(), "database": self.database}
        return SimpleNamespace(**known | more)

    async def claimed(self, model: Any, **values: Any) -> Any:
        """Their row of a table as if it were one's own; nothing of it is written."""
        async with self.database.platform() as db:
            row = (await db.exec(select(model).where(col(model.id) == self.id(model.__tablename__)))).one()
            db.expunge(row)
        for name, value in (values | {"project_id": self.me}).items():
            setattr(row, name, value)
        return row

    async def rows(self, query: Any, **values: Any) -> Any:
        """What a question finds."""
        return (await self.db.execute(query, {"project": self.me} | values)).all()

    async def changed(self, statement: TextClause, **values: Any) -> int:
        """How many rows a statement changes."""
        done: Any = await self.db.execute(statement, {"project": self.me} | values)
        return int(done.rowcount)


Ask = Callable[[Asking], Awaitable[Any]]


def of(model: Any, question: Callable[[Asking, Any], Awaitable[Any]], **values: Any) -> Ask:
    """A question about a row of theirs."""

    async def asked(it: Asking) -> Any:
        return await question(it, await it.claimed(model, **values))

    return asked


def found(question: Ask) -> Ask:
    """A question whose answer may be that there is nothing, or that it is somebody else's."""

    async def asked(it: Asking) -> Any:
        try:
            return await question(it)
        except PlatformError as error:
            return error if isinstance(error, Conflict) else None

    return asked


async def nothing(*_: Any, **__: Any) -> None:
    return None
