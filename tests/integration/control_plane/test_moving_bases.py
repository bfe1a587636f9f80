"""A base moves to another model, of other dimensions, while it is searched."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from knowledge.embedders import Embedders, build_embedder
from tests.support.embeddings import DIMENSIONS, EmbeddingServer, embedding_server
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

DOCUMENTS = {
    "hours": "The workshop opens at nine on weekdays.",
    "parking": "Parking costs four dollars an hour.",
    "dogs": "Dogs are welcome on a lead.",
}
QUESTION = "What does parking cost?"


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with embedding_server() as running:
        yield running


async def make_base(tenant: Tenant) -> str:
    made = await tenant.http.post("/knowledge-bases", json={"name": "FAQ"})
    path = f"/knowledge-bases/{made.json()['knowledge_base']['id']}"
    for name, content in DOCUMENTS.items():
        ingested = await tenant.http.post(f"{path}/ingest", json={"content": content, "source_name": name})
        assert ingested.status_code == 201, ingested.text
    return path


async def read(tenant: Tenant, path: str) -> dict[str, Any]:
    base: dict[str, Any] = (await tenant.http.get(path)).json()["knowledge_base"]
    return base


async def ask(tenant: Tenant, path: str) -> tuple[str, float]:
    body = {"knowledge_base_id": int(path.rpartition("/")[2]), "query": QUESTION, "explain": True}
    answer = await tenant.http.post("/knowledge/search", json=body)
    assert answer.status_code == 200, answer.text
    best = answer.json()["results"][0]
    return best["source"], best["parts"]["cosine"]


async def test_a_base_is_searched_by_its_own_model_until_it_has_moved(
    platform: Platform, tenant: Tenant, server: EmbeddingServer
) -> None:
    path = await make_base(tenant)
    earlier = await ask(tenant, path)
    state = platform.app.state
    former = state.embedders.current
    state.embedders = Embedders(build_embedder("openai:words", base_url=server.url), former)
    assert await ask(tenant, path) == earlier
    golden = {"questions": [{"question": QUESTION, "source": "parking"}]}
    await tenant.http.put(f"{path}/golden-questions", json=golden)
    server.go.clear()
    moving = asyncio.create_task(tenant.http.post(f"{path}/reindex?min_recall=1"))
    assert await asyncio.to_thread(server.held.wait, 20)
    during = await read(tenant, path)
    assert (during["indexing_status"], during["embedding_model"]) == ("indexing", "all-MiniLM-L6-v2")
    assert await ask(tenant, path) == earlier
    late = await tenant.http.post(f"{path}/ingest", json={"content": "Cats sleep inside.", "source_name": "cats"})
    assert late.status_code == 201, late.text
    server.go.set()
    found = []
    while not moving.done():
        found.append(await ask(tenant, path))
    assert moving.result().json() == {"success": True, "chunks_reindexed": 4}
    later = await ask(tenant, path)
    assert set(found) <= {earlier, later}
    assert (earlier[0], later[0], earlier[1] == later[1]) == ("parking", "parking", False)
    after = await read(tenant, path)
    assert (after["indexing_status"], after["embedding_model"]) == ("ready", "words")
    async with platform.database.platform() as db:
        kept = text("select distinct model, vector_dims(embedding) from knowledge_vector")
        assert [tuple(row) for row in await db.execute(kept)] == [("words", DIMENSIONS)]


async def test_a_base_that_would_find_less_stays_with_its_model(
    platform: Platform, tenant: Tenant, server: EmbeddingServer
) -> None:
    path = await make_base(tenant)
    before = await read(tenant, path), await ask(tenant, path)
    state = platform.app.state
    state.embedders = Embedders(build_embedder("openai:words", base_url=server.url), state.embedders.current)
    golden = {"questions": [{"question": "May I bring an animal?", "source": "nowhere"}]}
    await tenant.http.put(f"{path}/golden-questions", json=golden)
    assert (await tenant.http.post(f"{path}/reindex?min_recall=0.5")).status_code == 409
    assert (await read(tenant, path), await ask(tenant, path)) == before


async def test_a_document_that_was_embedded_before_the_move_is_not_mixed_in(
    platform: Platform, tenant: Tenant, server: EmbeddingServer
) -> None:
    path = await make_base(tenant)
    state = platform.app.state
    former = state.embedders.current
    state.embedders = Embedders(build_embedder("openai:words", base_url=server.url))
    await tenant.http.post(f"{path}/reindex")
    state.embedders = Embedders(former, state.embedders.current)
    server.go.clear()
    long = " ".join(f"Sentence {place} about the harbour." for place in range(60))
    sending = asyncio.create_task(tenant.http.post(f"{path}/ingest", json={"content": long, "source_name": "harbour"}))
    assert await asyncio.to_thread(server.held.wait, 20)
    assert (await tenant.http.post(f"{path}/reindex")).status_code == 200
    server.go.set()
    refused = await sending
    assert (refused.status_code, refused.json()["code"]) == (409, "CONFLICT")
    assert (await read(tenant, path))["chunk_count"] == len(DOCUMENTS)


async def test_a_base_of_a_model_behind_a_server_knows_its_dimensions(
    platform: Platform, tenant: Tenant, server: EmbeddingServer
) -> None:
    platform.app.state.embedders = Embedders(build_embedder("openai:words", base_url=server.url))
    path = await make_base(tenant)
    assert await ask(tenant, path) == ("parking", pytest.approx(0.6, abs=0.4))
    async with platform.database.platform() as db:
        assert await db.scalar(text("select dimensions from knowledge_base")) == DIMENSIONS


async def test_a_model_that_changes_its_dimensions_costs_meaning_until_the_base_is_indexed_anew(
    platform: Platform, tenant: Tenant, server: EmbeddingServer
) -> None:
    state = platform.app.state
    state.embedders = Embedders(build_embedder("openai:words", base_url=server.url))
    path = await make_base(tenant)
    server.dimensions = 48
    state.embedders = Embedders(build_embedder("openai:words", base_url=server.url))  # which remembers no question
    assert await ask(tenant, path) == ("parking", 0.0)
    added = await tenant.http.post(f"{path}/ingest", json={"content": "Cats sleep inside."})
    assert (added.status_code, added.json()["code"]) == (409, "CONFLICT")
    chunk = (await tenant.http.get(f"{path}/chunks")).json()["chunks"][0]["id"]
    assert (await tenant.http.put(f"{path}/chunks/{chunk}", json={"content": "New."})).status_code == 409
    assert (await tenant.http.post(f"{path}/reindex")).status_code == 200
    assert (await ask(tenant, path))[1] > 0
