"""Searching with a connection pool of one's own: for the knowledge process, whose database role only reads."""

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

import structlog
from psycopg import AsyncConnection, InterfaceError, OperationalError
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from knowledge.embedders import Vectors
from knowledge.search import STATEMENT, Hit, search_parameters

log = structlog.get_logger()

START_TIMEOUT: Final = 30.0
RETRY_AFTER: Final = 0.1
# No JIT: compiling costs more than any search. Read-only: this process never writes, whatever its role may do.
OPTIONS: Final = "-c jit=off -c default_transaction_read_only=on -c statement_timeout=5s -c application_name=knowledge"


class KnowledgeAway(RuntimeError):
    """PostgreSQL did not answer in time."""


class KnowledgeReader:
    """Searches in one round trip each. Survives restarts of PostgreSQL: a search waits for it until its time is up."""

    def __init__(self, url: str, *, pool: int = 4) -> None:
        self._pool = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=pool,
            open=False,
            # A pool that gave up tries again with the next search, at once; a pool that has not waits ever longer.
            reconnect_timeout=1.0,
            kwargs={"autocommit": True, "options": OPTIONS, "connect_timeout": 3},
        )

    async def __aenter__(self) -> Self:
        try:
            await self._pool.open(wait=True, timeout=START_TIMEOUT)
        except PoolTimeout as error:
            await self._pool.close()
            raise KnowledgeAway(
                f"PostgreSQL did not accept a connection within {START_TIMEOUT:.0f} s. "
                "Check PARLEY_KNOWLEDGE_DATABASE_URL and that the server runs."
            ) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._pool.close()

    async def search(
        self,
        query: str,
        *,
        vectors: Mapping[str, Vectors],
        base_ids: Sequence[int],
        project_id: int,
        top_k: int,
        timeout: float,
    ) -> list[Hit]:
        """As `KnowledgeStore.search`; raises `KnowledgeAway` after `timeout` seconds without the database."""
        parameters = search_parameters(query, vectors, base_ids=base_ids, project_id=project_id, top_k=top_k)
        try:
            async with asyncio.timeout(timeout):
                while True:
                    try:
                        async with self._pool.connection(timeout=timeout) as connection:
                            return await _search(connection, parameters)
                    except (OperationalError, InterfaceError, PoolTimeout) as error:
                        log.warning("database away", error=type(error).__name__)
                        await self._pool.check()
                        await asyncio.sleep(RETRY_AFTER)
        except TimeoutError as error:
            raise KnowledgeAway("PostgreSQL did not answer in time") from error


async def _search(connection: AsyncConnection[Any], parameters: dict[str, Any]) -> list[Hit]:
    # Both go out together and form one transaction, so the project named is that of this search alone.
    async with connection.pipeline(), connection.cursor(row_factory=class_row(Hit)) as cursor:
        await connection.execute("select set_config('parley.project', %s, true)", [str(parameters["project_id"])])
        await cursor.execute(STATEMENT, parameters)
        return await cursor.fetchall()
