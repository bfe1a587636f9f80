"""Documents that wait to be ingested: what was accepted is never lost, and a base says so until all are in."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from control_plane.knowledge_bases.uploads import MAX_ATTEMPTS, MAX_WAITING
from knowledge.embedders import Embedders, build_embedder
from tests.support.embeddings import EmbeddingServer, embedding_server
from tests.support.platform import Platform, Tenant

pytestmark = pytest.mark.anyio

LONG = "\n\n".join(f"# Part {n}\n\nBrakes squeal when they are wet or worn." for n in range(70))


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with embedding_server() as running:
        yield running


@pytest.fixture
async def path(
    platform: Platform, tenant: Tenant, server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    """A base whose model is behind the server; nearly every document waits."""
    monkeypatch.setattr("control_plane.knowledge_bases.service.MAX_AT_ONCE", 100)
    state = platform.app.state
    local, state.embedders = state.embedders, Embedders(build_embedder("openai:words", base_url=server.url))
    made = await tenant.http.post("/knowledge-bases", json={"name": "FAQ"})
    yield f"/knowledge-bases/{made.json()['knowledge_base']['id']}"
    server.go.set()
    await state.embedders.close()
    state.embedders = local


async def send(tenant: Tenant, path: str, name: str) -> int:
    answer = await tenant.http.post(f"{path}/ingest", json={"content": f"{name}\n{LONG}", "source_name": name})
    return answer.status_code


async def until(tenant: Tenant, path: str, met: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The base as soon as it is so."""
    async with asyncio.timeout(60):
        while True:
            base: dict[str, Any] = (await tenant.http.get(path)).json()["knowledge_base"]
            if met(base):
                return base
            await asyncio.sleep(0.02)


async def test_a_document_waits_for_its_model_for_as_long_as_that_is_away(
    platform: Platform, tenant: Tenant, path: str, server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("control_plane.knowledge_bases.uploads.PAUSE", timedelta(0))
    server.away = True
    assert await send(tenant, path, "brakes") == 202
    async with asyncio.timeout(60):
        while server.refused <= 2 * MAX_ATTEMPTS:
            platform.app.state.uploads.wake.set()
            await asyncio.sleep(0.02)
    assert (await tenant.http.get(path)).json()["knowledge_base"]["indexing_status"] == "indexing"
    server.away = False
    platform.app.state.uploads.wake.set()
    assert (await until(tenant, path, lambda base: base["indexing_status"] != "indexing"))["indexing_status"] == "ready"


async def test_a_process_that_stops_hands_its_document_on_at_once(
    platform: Platform, tenant: Tenant, path: str, server: EmbeddingServer
) -> None:
    server.go.clear()
    assert await send(tenant, path, "brakes") == 202
    assert await asyncio.to_thread(server.held.wait, 20)
    another = asyncio.create_task(platform.app.state.uploads.run_one())
    assert not await another
    async with platform.database.platform() as db:
        await db.execute(text("update knowledge_upload set lease_until = null"))
    server.held.clear()
    stopping = asyncio.create_task(platform.app.state.uploads.run_one())
    assert await asyncio.to_thread(server.held.wait, 20)
    stopping.cancel()
    await asyncio.wait([stopping])
    async with platform.database.platform() as db:
        (kept,) = (await db.execute(text("select attempts, lease_until from knowledge_upload"))).all()
    assert tuple(kept) == (1, None)


async def test_a_base_is_being_indexed_until_its_last_document_is_in(
    platform: Platform, tenant: Tenant, path: str, server: EmbeddingServer
) -> None:
    server.go.clear()
    for name in ("brakes", "wheels"):
        assert await send(tenant, path, name) == 202
    short = await tenant.http.post(f"{path}/ingest", json={"content": "Short.", "source_name": "short"})
    assert short.status_code == 201
    during = (await tenant.http.get(path)).json()["knowledge_base"]
    assert (during["indexing_status"], during["chunk_count"]) == ("indexing", 1)
    server.go.set()
    first = await until(tenant, path, lambda base: base["chunk_count"] > 1)
    assert (first["indexing_status"], first["chunk_count"]) in {("indexing", 72), ("ready", 143)}
    last = await until(tenant, path, lambda base: base["indexing_status"] == "ready")
    assert (last["chunk_count"], last["progress"]) == (143, 0)


async def test_only_so_many_documents_of_a_project_wait(
    platform: Platform, tenant: Tenant, path: str, server: EmbeddingServer
) -> None:
    server.go.clear()
    sent = [await send(tenant, path, f"document {number}") for number in range(MAX_WAITING + 1)]
    assert sent == [202] * MAX_WAITING + [503]
    other = await platform.tenant("other")
    made = (await other.http.post("/knowledge-bases", json={"name": "Theirs"})).json()["knowledge_base"]["id"]
    assert await send(other, f"/knowledge-bases/{made}", "theirs") == 202


async def test_documents_are_listed_while_they_wait_and_once_they_are_in(
    tenant: Tenant, path: str, server: EmbeddingServer
) -> None:
    server.go.clear()
    names = ["one.md", "two.md"]
    for name in names:
        assert await send(tenant, path, name) == 202
    waiting = (await tenant.http.get(f"{path}/documents")).json()
    assert [(each["source"], each["status"]) for each in waiting["documents"]] == [
        ("two.md", "indexing"),
        ("one.md", "indexing"),
    ]
    assert all(each["id"] is None and each["size_bytes"] > len(LONG) for each in waiting["documents"])
    server.go.set()
    base = await until(tenant, path, lambda base: base["indexing_status"] == "ready")
    first, second = [
        (await tenant.http.get(f"{path}/documents", params={"per_page": 1, "page": page})).json() for page in (1, 2)
    ]
    listed = [*first["documents"], *second["documents"]]
    assert (first["total"], first["total_pages"]) == (2, 2)
    assert [(each["source"], each["status"], each["size_bytes"]) for each in listed] == [
        ("two.md", "ready", None),
        ("one.md", "ready", None),
    ]
    assert sum(each["chunk_count"] for each in listed) == base["chunk_count"]
    assert sum(each["total_chars"] for each in listed) == base["total_chars"]
    assert (await tenant.http.get(f"{path}/documents", params={"page": 9})).json() == {
        "documents": [],
        "total": 2,
        "page": 9,
        "total_pages": 1,
    }


async def test_the_documents_of_another_project_are_not_shown(platform: Platform, tenant: Tenant, path: str) -> None:
    other = await platform.tenant("other")
    assert (await other.http.get(f"{path}/documents")).status_code == 403
    assert (await tenant.http.get("/knowledge-bases/999999/documents")).status_code == 404
