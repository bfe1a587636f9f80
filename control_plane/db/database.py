"""PostgreSQL behind two doors: one for a project's own rows, one for the platform's work across projects.

Row-level security shows a transaction the rows of the project it has named (`parley.project`). Every transaction of the
tenant door names its project in its first statement; the platform door connects with `all`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from time import monotonic
from typing import Any

import psycopg
import structlog
from psycopg.rows import namedtuple_row
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DataError, DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.ext.asyncio import AsyncSession as SQLAlchemySession
from sqlalchemy.orm import Session, SessionTransaction
from sqlmodel.ext.asyncio.session import AsyncSession

from control_plane.db.connections import (
    CONNECT_WITHIN,
    IDLE_IN_TRANSACTION,
    NETWORK,
    STATEMENT_WITHIN,
    ConnectionPool,
    PoolBusy,
    TimedConnection,
)
from control_plane.errors import InvalidRequest, Unavailable

POOL_TIMEOUT = 5.0
"""Seconds a request waits for a connection before it answers 503."""

AWAY = ("08", "57", "40", "53", "55P03", "25006", "58")
"""SQLSTATEs that mean "not now": connection lost, server stopping, time-outs, deadlock, no resources, a server that
takes no writes (it is no longer the first of several, or its disk is nearly full), faults of its disk."""

DEMOTED = "25006"
"""A server that takes no writes: connections opened until then may lead to one that is no longer the first."""
_BORN = "born"

UNFIT = "22"
"""Class of SQLSTATE for data that no column can hold; schemas refuse it earlier, this is the net below them."""

log = structlog.get_logger()

_REVISION = "select version_num from alembic_version"
_NAME_PROJECT = "select set_config('parley.project', %s, true)"


class Db(AsyncSession):
    """One transaction. Whoever writes events calls `announce`; the commit then wakes the readers of the log.

    What others are to be told of it is left to `afterwards`: a request that commits by itself before it is answered has
    no answer to repeat where its process dies in between.
    """

    # Statements in SQL are executed; SQLModel's own `exec`, for its selects, warns of the name.
    execute = SQLAlchemySession.execute
    announced = False

    def announce(self) -> None:
        """This transaction has something to tell."""
        self.announced = True

    def afterwards(self, work: Callable[[], Awaitable[Any]]) -> None:
        """Have something done once this transaction is committed; not where it is undone, or the process ends."""
        self.info.setdefault("afterwards", []).append(work)

    async def rollback(self) -> None:
        self.info.pop("afterwards", None)
        await super().rollback()

    async def commit(self) -> None:
        await super().commit()
        if self.announced:
            self.announced = False
            for listener in self.info.get("listeners", ()):
                listener()
        for work in self.info.pop("afterwards", ()):
            await work()


class Database:
    """The two doors and their connection pools."""

    def __init__(self, url: str, *, pool: int) -> None:
        self._listeners: list[Callable[[], None]] = []
        self._trusted_since = 0.0
        """When, on the monotonic clock, connections were given up that had been opened before."""
        self.most = pool + max(4, pool // 2) + pool + 1
        """Connections that it may have at once."""
        straight: dict[str, Any] = {"autocommit": True, "row_factory": namedtuple_row} | _connect_options(project="")
        address = url.replace("postgresql+psycopg://", "postgresql://", 1)
        connect = partial(TimedConnection.connect, address, **straight)
        self._direct = ConnectionPool(connect, size=pool, within=POOL_TIMEOUT, since=self._since)
        self._watch = ConnectionPool(connect, size=1, within=POOL_TIMEOUT, since=self._since)
        self._engines = [
            _engine(url, pool, project="", since=self._since),
            _engine(url, max(4, pool // 2), project="all", since=self._since),
        ]
        self._tenant, self._platform = (
            async_sessionmaker(engine, class_=Db, expire_on_commit=False, info={"listeners": self._listeners})
            for engine in self._engines
        )

    def on_announcement(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each commit of a transaction that announced itself."""
        self._listeners.append(listener)

    def tenant(self, project_id: int) -> AbstractAsyncContextManager[Db]:
        """Transactions that see one project's rows. Commits on a clean exit; raises `Unavailable`."""
        return self._open(self._tenant, project_id)

    def platform(self) -> AbstractAsyncContextManager[Db]:
        """A transaction across projects, for hooks, uplink, sweeps. Commits on a clean exit; raises `Unavailable`."""
        return self._open(self._platform)

    async def one(self, sql: str, values: dict[str, Any]) -> Any:
        """The one row of one statement, straight through the driver: a transaction of its own, in one round trip.

        For the paths where every tenth of a millisecond counts. It names no project and sees no tenant's rows, so the
        statement calls a function that looks for itself. Raises `Unavailable`.
        """
        with self._told():
            async with self._direct.connection() as connection:
                row = await (await connection.execute(sql, values)).fetchone()
        assert row is not None
        return row

    async def rows(self, project_id: int, sql: str, values: dict[str, Any]) -> list[Any]:
        """All rows of one statement that reads a project's rows, as `one` does it. Raises `Unavailable`."""
        with self._told():
            # Both go out together and form one transaction, so the project is that of this statement alone.
            async with self._direct.connection() as connection:
                async with connection.pipeline():
                    await connection.execute(_NAME_PROJECT, [str(project_id)])
                    asked = await connection.execute(sql, values)
                return await asked.fetchall()

    async def find_revision(self, *, within: float = 1.5) -> str:
        """The migration that the database is at: whether it answers, and is migrated. Raises `Unavailable` after
        `within` seconds. The connection is none of the pools', which may be waited for while all is well.
        """
        end = asyncio.get_running_loop().time() + within
        try:
            with self._told():
                async with asyncio.timeout_at(end), self._watch.connection() as connection:
                    # It ends by itself: psycopg would ask a server that is silent to cancel, and wait for that.
                    connection.answer_within = max(0.01, end - asyncio.get_running_loop().time() - 0.05)
                    row = await (await connection.execute(_REVISION)).fetchone()
        except TimeoutError as error:
            raise Unavailable("The database does not answer") from error
        return str(row[0]) if row else ""

    async def close(self) -> None:
        """Close all connections."""
        await self._direct.close()
        await self._watch.close()
        for engine in self._engines:
            await engine.dispose()

    @asynccontextmanager
    async def _open(self, sessions: async_sessionmaker[Db], project_id: int | None = None) -> AsyncIterator[Db]:
        with self._told():
            async with sessions() as db:
                db.info["project"] = project_id
                yield db
                await db.commit()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Faults of the database as errors that can be answered."""
        try:
            yield
        except (PoolTimeout, PoolBusy) as error:
            raise Unavailable("The database is busy; try again") from error
        except (DBAPIError, psycopg.Error) as error:
            if sqlstate(error) == DEMOTED:
                self._trusted_since = monotonic()
            if is_away(error):
                log.warning("the database cannot do this now", sqlstate=sqlstate(error), error=type(error).__name__)
                raise Unavailable("The database cannot do this now; try again") from error
            # The driver refuses some by itself, such as NUL in a text: then the server has said nothing.
            if isinstance(error, DataError | psycopg.DataError) or sqlstate(error).startswith(UNFIT):
                raise InvalidRequest("The request holds a value that cannot be stored") from error
            raise

    def _since(self) -> float:
        return self._trusted_since


async def take_long(db: Db, seconds: int) -> None:
    """Let the statements of this transaction take up to `seconds` each."""
    connection = (await (await db.connection()).get_raw_connection()).driver_connection
    assert isinstance(connection, TimedConnection)
    connection.patient_until = monotonic() + seconds + CONNECT_WITHIN
    await db.execute(text(f"set local statement_timeout = '{seconds:d}s'"))


def _engine(url: str, pool: int, *, project: str, since: Callable[[], float]) -> AsyncEngine:
    """An engine whose connections are used that were opened after the moment that `since` says."""
    engine = create_async_engine(
        url,
        pool_size=pool,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT,
        pool_recycle=1800,
        hide_parameters=True,  # they are what customers said, and hashes
        connect_args=_connect_options(project=project) | {"async_creator_fn": TimedConnection.connect},
    )

    def note(_connection: Any, record: Any) -> None:
        record.info[_BORN] = monotonic()

    def check(_connection: Any, record: Any, _proxy: Any) -> None:
        if record.info[_BORN] < since():
            raise DisconnectionError("another server may be the first by now")  # the pool opens another

    event.listen(engine.sync_engine, "connect", note)
    event.listen(engine.sync_engine, "checkout", check)
    return engine


def _connect_options(*, project: str) -> dict[str, Any]:
    limits = f"-c statement_timeout={STATEMENT_WITHIN}s -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION}s"
    return NETWORK | {"options": f"-c parley.project={project} {limits} -c jit=off"}


def _name_project(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    project_id = session.info.get("project")
    if project_id is not None:
        connection.exec_driver_sql(_NAME_PROJECT, (str(project_id),))


event.listen(Session, "after_begin", _name_project)


def is_away(error: DBAPIError | psycopg.Error) -> bool:
    """Whether another try may succeed, as opposed to a statement that is wrong."""
    state = sqlstate(error)
    if not state:
        return isinstance(error, OperationalError | InterfaceError | psycopg.OperationalError | psycopg.InterfaceError)
    return state.startswith(AWAY)


def sqlstate(error: DBAPIError | psycopg.Error) -> str:
    """The SQLSTATE; empty where the server said nothing."""
    return str(getattr(getattr(error, "orig", error), "sqlstate", None) or "")
