"""The transaction of one request, begun when somebody first needs it: not every request does."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import Any, Self

from control_plane.db.database import Database, Db


class Transaction:
    """At most one transaction through a door of the database. Commits on a clean exit of its block, else rolls back."""

    def __init__(self, database: Database, door: Callable[[], AbstractAsyncContextManager[Db]]) -> None:
        self._database, self._door = database, door
        self._stack = AsyncExitStack()
        self._db: Db | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    @property
    def has_begun(self) -> bool:
        """Whether somebody has needed it."""
        return self._db is not None

    async def begin(self) -> Db:
        """The transaction; the same one for everybody in the request."""
        if self._db is None:
            self._db = await self._stack.enter_async_context(self._door())
        return self._db

    async def rollback(self) -> None:
        """Undo what was not committed yet."""
        if self._db is not None:
            await self._db.rollback()

    async def leave(self) -> None:
        """Undo what was not committed, and hold nothing until `begin`, which begins anew."""
        await self.rollback()
        self._db = None
        await self._stack.aclose()

    async def commit(self) -> None:
        """Commit what there is; the next statement begins anew."""
        if self._db is not None:
            await self._db.commit()

    async def rows(self, project_id: int, sql: str, values: dict[str, Any]) -> list[Any]:
        """All rows of one statement of a project, which is a transaction of its own where none has begun."""
        if self._db is None:
            return await self._database.rows(project_id, sql, values)
        return list((await (await self._db.connection()).exec_driver_sql(sql, values)).all())

    async def one(self, sql: str, values: dict[str, Any]) -> Any:
        """The row of one statement, which commits by itself where no transaction has begun."""
        if self._db is None:
            return await self._database.one(sql, values)
        return (await (await self._db.connection()).exec_driver_sql(sql, values)).one()
