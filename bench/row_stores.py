"""Rows of what stands on the stores: search, webhooks, and the monitor's sockets."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import Any, Final

import psycopg
from pgvector import Vector

from bench import fanout, webhooks
from bench.knowledge_search import MODEL, NAIVE, Tenants, ask_words, fill, make_index
from bench.platform import stores
from bench.rows import LIMIT, OURS, Bar, Plan, Round, Row, in_loop
from knowledge.reader import KnowledgeReader
from parley.stack.database import DatabaseUrls, database_urls, prepare_database
from parley.stack.postgres import EmbeddedPostgres
from parley.stack.secrets import Secrets
from tests.support.database import migrate
from tests.support.ports import free_port

SHARED: Final = "pgvector, one index"
COPIES: Final = (
    "create table shared_vector as select * from knowledge_vector",
    "create table single_vector as select * from knowledge_vector where project_id = {tenant}",
    "set maintenance_work_mem = '256MB'",
    "create index on shared_vector using hnsw ((embedding::halfvec(384)) halfvec_ip_ops)",
    "create index on shared_vector (project_id)",
    "create index on single_vector using hnsw ((embedding::halfvec(384)) halfvec_ip_ops)",
    "analyze",
)


def searches(plan: Plan) -> Generator[Round, None, None]:
    """Milliseconds of a search in the largest of a hundred tenants' bases; each question is asked of all in turn."""
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="parley-bench-")))
        server = cleanup.enter_context(EmbeddedPostgres(folder / "pg"))
        secrets = Secrets.generate()
        asyncio.run(prepare_database(server.url(), secrets))
        urls = database_urls(server.known_port, secrets)
        migrate(urls.owner)
        owner = server.url(database="parley")
        plan.say("bases are filled")
        made = fill(owner, plan.scaled(50_000, 4_000), plan.scaled(100, 20), plan.scaled(20_000, 4_000))
        make_index(owner, made)
        with psycopg.connect(owner, autocommit=True) as connection:
            for statement in COPIES:
                connection.execute(statement.format(tenant=len(made.sizes)))
        yield from in_loop(_searches(urls, owner, made, plan.scaled(50, 20)))


async def _searches(urls: DatabaseUrls, owner: str, made: Tenants, questions: int) -> AsyncGenerator[Round, None]:
    tenant = len(made.sizes)
    with psycopg.connect(owner, autocommit=True) as connection:
        async with KnowledgeReader(urls.knowledge, pool=2) as reader:
            while True:
                taken: dict[str, list[float]] = {LIMIT: [], SHARED: [], OURS: []}
                for number in range(questions + 3):
                    vector, text = made.question(), ask_words(made)
                    asked = {"project": tenant, "vector": Vector(vector).to_text()}
                    found = {
                        LIMIT: _nearest(connection, "single_vector", asked),
                        SHARED: _nearest(connection, "shared_vector", asked),
                    }
                    began = time.perf_counter()
                    await reader.search(
                        text, vectors={MODEL: vector}, base_ids=[tenant], project_id=tenant, top_k=10, timeout=5.0
                    )
                    found[OURS] = (time.perf_counter() - began) * 1000
                    for name, milliseconds in found.items() if number >= 3 else ():  # the first warm caches
                        taken[name].append(milliseconds)
                yield {name: statistics.median(each) for name, each in taken.items()}


def _nearest(connection: psycopg.Connection[Any], table: str, asked: dict[str, Any]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    connection.execute(NAIVE.replace("knowledge_vector", table), asked).fetchall()
    return (time.perf_counter() - began) * 1000


def deliveries(plan: Plan) -> Generator[Round, None, None]:
    """Webhooks per second, to receivers that answer at once."""

    async def rounds(urls: DatabaseUrls, redis_url: str) -> AsyncGenerator[Round, None]:
        async with aclosing(webhooks.rounds_of(urls, redis_url, plan.scaled(3_000, 1_000))) as taking:
            async for found in taking:
                yield {LIMIT: found["bare"][0], OURS: found["ours"][0]}

    return _on_stores(rounds)


def broadcasts(plan: Plan) -> Generator[Round, None, None]:
    """Lines of a call that reach monitors, per CPU-second of the server."""

    async def rounds(urls: DatabaseUrls, redis_url: str) -> AsyncGenerator[Round, None]:
        sockets, messages = plan.scaled(1_000, 300), plan.scaled(150, 100)
        async with aclosing(fanout.rounds_of(urls, redis_url, sockets, messages)) as taking:
            async for found in taking:
                yield {LIMIT: found["bare"][0].per_cpu_second, OURS: found["ours"][0].per_cpu_second}

    fanout.allow_sockets()
    return _on_stores(rounds)


def _on_stores(rounds: Callable[[DatabaseUrls, str], AsyncGenerator[Round, None]]) -> Generator[Round, None, None]:
    """Rounds on a database and a Redis of their own."""
    with ExitStack() as cleanup:
        yield from in_loop(rounds(*stores(cleanup, free_port())))


ROWS: Final = (
    Row(
        name="search",
        what="a search by words and meaning in a base of 20,000 among 100 tenants (quick: 4,000 among 20)",
        unit="ms",
        better="less",
        limit="pgvector alone: the ten nearest in a table and an index of that base's own",
        measure=searches,
        bars=(Bar("≤", 10),),
        peers=(SHARED,),
        minutes=5,
    ),
    Row(
        name="webhooks",
        what="webhooks delivered to four endpoints that answer at once",
        unit="per s",
        better="more",
        limit="a loop of signed POSTs over as many connections",
        measure=deliveries,
        bars=(Bar("≥", 0.5, LIMIT),),
        rounds=7,
        minutes=3,
    ),
    Row(
        name="monitor",
        what="lines delivered to monitors, one server's processor",
        unit="per CPU-s",
        better="more",
        limit="a bare ASGI loop that sends one text to each socket",
        measure=broadcasts,
        bars=(Bar("≥", 0.6, LIMIT),),
        rounds=7,
        minutes=4,
    ),
)
