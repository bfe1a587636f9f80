"""Knowledge bases over HTTP: chunks, indexing anew, search, and what stays as it was when something fails."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import text

from knowledge.embedders import Embedders, EmbeddingError, Vectors
from tests.support.bases import TEXT, ask, chunks, make_base, read
from tests.support.platform import Platform, Tenant
from tests.support.statements import statements

pytestmark = pytest.mark.anyio

LONG = "# Notes\n\n" + "Brakes squeal when they are wet or worn. " * 10


class OtherEmbedder:
    """The embedder of the platform with another name, which can be made to fail or to pause."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.model, self.dimensions = "another-model", inner.dimensions
        self.failing = False
        self.before: Callable[[], Awaitable[object]] | None = None

    async def embed(self, texts: Sequence[str]) -> Vectors:
        before, self.before = self.before, None
        if before is not None:
            await before()
        if self.failing:
            raise EmbeddingError("the key sk-1234 is wrong")
        vectors: Vectors = await self.inner.embed(texts)
        return vectors

    async def embed_query(self, text: str) -> Vectors:
        return (await self.embed([text]))[0]

    async def close(self) -> None:
        await self.inner.close()


@pytest.fixture
def embedder(platform: Platform) -> OtherEmbedder:
    """In the place of the platform's embedder, with its model."""
    other = OtherEmbedder(platform.app.state.embedders.current)
    platform.app.state.embedders = Embedders(other)
    other.model = other.inner.model
    return other


@pytest.mark.parametrize(("method", "path"), [("POST", "/reindex"), ("PATCH", ""), ("DELETE", ""), ("GET", "/chunks")])
async def test_another_projects_base_is_forbidden(platform: Platform, method: str, path: str) -> None:
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    base = await make_base(theirs)
    before = await read(theirs, base)
    body = {"name": "Taken"} if method == "PATCH" else None
    assert (await mine.http.request(method, f"/knowledge-bases/{base}{path}", json=body)).status_code == 403
    assert (await mine.http.request(method, f"/knowledge-bases/{base + 1}{path}", json=body)).status_code == 404
    assert await read(theirs, base) == before


async def test_chunks_overlap_by_less_than_their_size(platform: Platform) -> None:
    tenant = await platform.tenant()
    for overlap in (100, 300):
        fields = {"name": "b", "chunk_size": 100, "chunk_overlap": overlap}
        refused = await tenant.http.post("/knowledge-bases", json=fields)
        assert refused.status_code == 400
        assert refused.json()["details"]["fields"][0]["field"] == "chunk_overlap"
    smallest = await read(tenant, await make_base(tenant, content="", chunk_size=50))
    assert (smallest["chunk_size"], smallest["chunk_overlap"]) == (50, 25)


async def test_a_base_gets_another_name_and_description(platform: Platform) -> None:
    tenant = await platform.tenant()
    base = await make_base(tenant, description="old")
    before = await read(tenant, base)
    path = f"/knowledge-bases/{base}"
    changed = await tenant.http.patch(path, json={"name": "Questions"})
    assert changed.json()["knowledge_base"] == before | {"name": "Questions"}
    assert (await tenant.http.patch(path, json={"description": ""})).json()["knowledge_base"]["description"] == ""
    for body in ({}, {"name": None}, {"name": " "}, {"chunk_size": 100}, {"description": "\x00"}):
        assert (await tenant.http.patch(path, json=body)).status_code == 400
    assert (await read(tenant, base))["name"] == "Questions"
    assert (await tenant.http.delete(path)).json() == {"success": True, "message": "Knowledge base deleted"}
    assert (await tenant.http.get(path)).status_code == 404


@pytest.mark.parametrize("content", [None, b"", b"hello", b"{"])
async def test_indexing_anew_needs_no_body_and_tells_the_log(platform: Platform, content: bytes | None) -> None:
    tenant = await platform.tenant()
    base = await make_base(tenant)
    answer = await tenant.http.post(
        f"/knowledge-bases/{base}/reindex", content=content, headers={"Content-Type": "text/plain"}
    )
    assert answer.json() == {"success": True, "chunks_reindexed": 2}
    async with platform.database.platform() as db:
        told = (await db.execute(text("select data from event where type = 'knowledge.reindexed'"))).scalars().all()
    assert told == [{"knowledge_base_id": base, "chunks_reindexed": 2}]
    assert "four dollars" in (await ask(tenant, base, "What does parking cost?"))[0]["content"]


async def test_an_empty_base_is_indexed_anew_and_stays_empty(platform: Platform) -> None:
    tenant = await platform.tenant()
    base = await make_base(tenant, content="")
    assert (await tenant.http.post(f"/knowledge-bases/{base}/reindex")).json()["chunks_reindexed"] == 0
    assert (await read(tenant, base))["indexing_status"] == "empty"


async def test_a_base_moves_to_the_servers_model_when_it_is_indexed_anew(
    platform: Platform, embedder: OtherEmbedder
) -> None:
    tenant = await platform.tenant()
    base = await make_base(tenant)
    chunk = (await chunks(tenant, base))[0]["id"]
    embedder.model = "another-model"
    refused = await tenant.http.put(f"/knowledge-bases/{base}/chunks/{chunk}", json={"content": "New."})
    assert (refused.status_code, refused.json()["code"]) == (409, "CONFLICT")
    assert (await tenant.http.post(f"/knowledge-bases/{base}/reindex")).status_code == 200
    assert (await read(tenant, base))["embedding_model"] == "another-model"
    changed = await tenant.http.put(f"/knowledge-bases/{base}/chunks/{chunk}", json={"content": "New."})
    assert changed.status_code == 200
    async with platform.database.platform() as db:
        models = (await db.execute(text("select distinct model from knowledge_vector"))).scalars().all()
    assert models == ["another-model"]


async def test_chunks_that_change_while_a_base_is_indexed_anew_are_found_by_their_last_words(
    platform: Platform, embedder: OtherEmbedder
) -> None:
    tenant = await platform.tenant()
    base = await make_base(tenant)
    opening, parking = await chunks(tenant, base)

    async def meanwhile() -> None:
        path = f"/knowledge-bases/{base}"
        await tenant.http.put(f"{path}/chunks/{opening['id']}", json={"content": "Cats sleep in the window."})
        await tenant.http.delete(f"{path}/chunks/{parking['id']}")
        await tenant.http.post(f"{path}/ingest", json={"content": "Helmets are sold here.", "source_name": "new"})

    embedder.before = meanwhile
    assert (await tenant.http.post(f"/knowledge-bases/{base}/reindex")).json()["chunks_reindexed"] == 2
    assert (await ask(tenant, base, "Where do the cats sleep?"))[0]["content"] == "Cats sleep in the window."
    assert (await ask(tenant, base, "Can I buy a helmet?"))[0]["content"] == "Helmets are sold here."


@pytest.mark.parametrize("what", ["chunk", "reindex", "ingest", "search"])
async def test_a_failing_model_leaves_everything_as_it_was(
    platform: Platform, embedder: OtherEmbedder, what: str
) -> None:
    tenant = await platform.tenant()
    base = await make_base(tenant)
    listed, described = await chunks(tenant, base), await read(tenant, base)
    path = f"/knowledge-bases/{base}"
    embedder.failing = True
    if what == "chunk":
        answer = await tenant.http.put(f"{path}/chunks/{listed[0]['id']}", json={"content": "New."})
    elif what == "reindex":
        answer = await tenant.http.post(f"{path}/reindex")
    elif what == "ingest":
        answer = await tenant.http.post(f"{path}/ingest", json={"content": "New."})
    else:
        answer = await tenant.http.post("/knowledge/search", json={"knowledge_base_id": base, "query": "q"})
    assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) >= 1
    assert "sk-1234" not in answer.text
    embedder.failing = False
    assert (await chunks(tenant, base), await read(tenant, base)) == (listed, described)
    assert "four dollars" in (await ask(tenant, base, "What does parking cost?"))[0]["content"]


@pytest.mark.parametrize(("method", "path"), [("PUT", "/chunks/{chunk}"), ("POST", "/reindex"), ("POST", "/ingest")])
async def test_a_base_deleted_while_its_text_is_embedded_answers_404(
    platform: Platform, embedder: OtherEmbedder, method: str, path: str
) -> None:
    tenant = await platform.tenant()
    base = await make_base(tenant)
    chunk = (await chunks(tenant, base))[0]["id"]
    embedder.before = lambda: tenant.http.delete(f"/knowledge-bases/{base}")
    place = f"/knowledge-bases/{base}{path.format(chunk=chunk)}"
    answer = await tenant.http.request(method, place, json={"content": "New."})
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


async def test_edits_of_one_base_at_once_keep_its_counts_right(platform: Platform) -> None:
    tenant = await platform.tenant()
    base = await make_base(tenant, content=LONG, chunk_size=50, chunk_overlap=0)
    listed = await chunks(tenant, base)
    assert len(listed) > 6

    async def edit(number: int, chunk: dict[str, Any]) -> int:
        path = f"/knowledge-bases/{base}/chunks/{chunk['id']}"
        if number % 2:
            return (await tenant.http.delete(path)).status_code
        return (await tenant.http.put(path, json={"content": f"Number {number}."})).status_code

    statuses = await asyncio.gather(*(edit(number, chunk) for number, chunk in enumerate(listed)))
    assert set(statuses) == {200}
    left = await chunks(tenant, base)
    described = await read(tenant, base)
    assert described["chunk_count"] == len(left) == (len(listed) + 1) // 2
    assert described["total_chars"] == sum(len(chunk["content"]) for chunk in left)


async def test_a_search_takes_at_most_two_statements(platform: Platform) -> None:
    tenant = await platform.tenant()
    base, empty = await make_base(tenant), await make_base(tenant, content="")
    with statements() as said:
        found = (await ask(tenant, base, "What does parking cost?"))[0]
    assert len([statement for statement in said if "set_config" not in statement]) == 1
    with statements() as said:
        assert await ask(tenant, empty, "What does parking cost?") == []
    assert len([statement for statement in said if "set_config" not in statement]) == 2
    assert found.keys() == {"chunk_id", "content", "source", "chunk_index", "score"}
    assert (found["source"], found["chunk_index"]) == ("api_ingest", 1)
    assert 0 < found["score"] <= 1


async def test_a_large_base_gets_an_index_of_its_own_and_loses_it_with_the_base(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("knowledge.store", "control_plane.knowledge_bases.indexing"):
        monkeypatch.setattr(f"{module}.EXACT", 1)
    tenant = await platform.tenant()
    count = text("select count(*) from pg_indexes where starts_with(indexname, 'knowledge_vector_of_')")

    async def indexes(wanted: int) -> None:
        async with asyncio.timeout(60), platform.database.platform() as db:
            while await db.scalar(count) != wanted:
                await asyncio.sleep(0.05)

    async with platform.jobs():
        base = await make_base(tenant)
        await indexes(1)
        assert "four dollars" in (await ask(tenant, base, "What does parking cost?"))[0]["content"]
        await tenant.http.delete(f"/knowledge-bases/{base}")
        await indexes(0)


async def until_indexed(tenant: Tenant, base: int) -> tuple[dict[str, Any], set[int]]:
    """The base when its ingest has ended, and the percentages that were shown on the way."""
    shown = set()
    async with asyncio.timeout(60):
        while (described := await read(tenant, base))["indexing_status"] == "indexing":
            shown.add(int(described["progress"]))
            await asyncio.sleep(0.02)
    return described, shown


async def test_a_large_document_is_ingested_after_the_answer_and_replaces_its_earlier_self_in_one_step(
    platform: Platform, embedder: OtherEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("control_plane.knowledge_bases.service.MAX_AT_ONCE", 1_000)
    tenant = await platform.tenant()
    base = await make_base(tenant, content="")
    path, files = f"/knowledge-bases/{base}", {"file": ("notes.md", TEXT.encode(), "text/markdown")}
    assert (await tenant.http.post(f"{path}/documents", files=files)).status_code == 201
    going_on = asyncio.Event()
    embedder.before = going_on.wait
    later = {"file": ("notes.md", "\n\n".join(f"# Part {n}\n\n{LONG}" for n in range(100)).encode(), "text/markdown")}
    answer = await tenant.http.post(f"{path}/documents", files=later)
    assert answer.status_code == 202, answer.text
    planned = answer.json()
    assert (planned["success"], planned["source_file"], planned["chunks_created"] > 64) == (True, "notes.md", True)
    described = await read(tenant, base)
    assert (described["indexing_status"], described["chunk_count"]) == ("indexing", 2)
    going_on.set()
    described, shown = await until_indexed(tenant, base)
    assert (described["indexing_status"], described["progress"]) == ("ready", 0)
    assert described["chunk_count"] == planned["chunks_created"]
    assert max(shown) > 0
    assert {chunk["source"] for chunk in await chunks(tenant, base)} == {"notes.md"}


async def test_a_large_document_that_fails_later_leaves_the_base_searchable_and_tells_so(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("control_plane.knowledge_bases.service.MAX_AT_ONCE", 1_000)
    monkeypatch.setattr("control_plane.knowledge_bases.uploads.MAX_ATTEMPTS", 0)
    tenant = await platform.tenant()
    base = await make_base(tenant)
    answer = await tenant.http.post(f"/knowledge-bases/{base}/ingest", json={"content": LONG * 10})
    assert answer.status_code == 202, answer.text
    described, _ = await until_indexed(tenant, base)
    assert (described["indexing_status"], described["chunk_count"]) == ("error", 2)
    assert "four dollars" in (await ask(tenant, base, "What does parking cost?"))[0]["content"]
    await tenant.http.post(f"/knowledge-bases/{base}/ingest", json={"content": "Mended."})
    assert (await read(tenant, base))["indexing_status"] == "ready"
