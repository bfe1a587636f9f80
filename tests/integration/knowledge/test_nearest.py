"""The plan is chosen by a base's size, and finds the same."""

import pytest
from sqlalchemy import text

from knowledge.search import EXACT

pytestmark = pytest.mark.anyio

FACTS = tuple(f"Locker {one} belongs to team {one % 7} and opens with code {one * 31}." for one in range(40))
INDEX = text("select knowledge_index_base(:base, :beyond)")
INDEXES = text("select count(*) from pg_indexes where starts_with(indexname, 'knowledge_vector_of_')")


async def test_a_base_with_an_index_of_its_own_finds_what_comparing_each_vector_finds(library, store, connection):
    base, other = await library.base(*FACTS), await library.base(*FACTS[:3])
    before = [hit.chunk_id for hit in await library.ask("Which code opens locker 12?", base, top_k=40)]
    assert await connection.scalar(INDEX, {"base": base.id, "beyond": 39})
    assert (await store.find_base(base.id, project_id=1)).indexed_model == base.embedding_model
    await connection.execute(text("set local enable_seqscan = off"))
    after = [hit.chunk_id for hit in await library.ask("Which code opens locker 12?", base, top_k=40)]
    assert after == before
    assert len(await library.ask("Which code opens locker 1?", other, top_k=40)) == 3
    assert len(await library.ask("Which code opens locker 1?", base, other, top_k=50)) == 43


async def test_a_base_that_is_small_again_loses_its_index(library, store, connection):
    base = await library.base(*FACTS[:5])
    await connection.scalar(INDEX, {"base": base.id, "beyond": 4})
    assert await connection.scalar(INDEXES) == 1
    assert not await connection.scalar(INDEX, {"base": base.id, "beyond": 5})
    assert await connection.scalar(INDEXES) == 0
    assert (await store.find_base(base.id, project_id=1)).indexed_model is None
    assert len(await library.ask("locker", base)) == 5


async def test_the_index_of_a_base_that_is_gone_is_dropped(library, store, connection):
    base = await library.base(*FACTS[:5])
    await connection.scalar(INDEX, {"base": base.id, "beyond": 1})
    await store.delete_base(base.id, project_id=1)
    assert not await connection.scalar(INDEX, {"base": base.id, "beyond": 1})
    assert await connection.scalar(INDEXES) == 0


async def test_a_base_asks_for_an_index_once_it_is_large(library, store, connection):
    base = await library.base(*FACTS[:2])
    assert not base.wants_index
    count = text("update knowledge_base set indexed_chunks = :count where id = :base")
    await connection.execute(count, {"count": EXACT + 1, "base": base.id})
    assert (await store.find_base(base.id, project_id=1)).wants_index
