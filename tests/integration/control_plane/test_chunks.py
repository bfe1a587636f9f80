"""Chunks of knowledge bases over HTTP: read, changed, switched off, deleted."""

import pytest

from tests.support.bases import ask, chunks, make_base, read
from tests.support.platform import Platform

pytestmark = pytest.mark.anyio


async def test_a_changed_chunk_is_found_by_its_new_words_in_one_step(platform: Platform) -> None:
    tenant = await platform.tenant()
    base = await make_base(tenant)
    opening, parking = await chunks(tenant, base)
    before = await read(tenant, base)
    path = f"/knowledge-bases/{base}/chunks/{opening['id']}"
    changed = await tenant.http.put(path, json={"content": "  Bicycles are repaired within a day. "})
    assert changed.status_code == 200, changed.text
    assert changed.json() == {
        "success": True,
        "chunk": opening | {"content": "Bicycles are repaired within a day."},
    }
    after = await read(tenant, base)
    assert (after["chunk_count"], after["indexing_status"]) == (2, "ready")
    gained = len("Bicycles are repaired within a day.") - len(opening["content"])
    assert after["total_chars"] == before["total_chars"] + gained
    best = (await ask(tenant, base, "How long does a repair take?"))[0]
    assert (best["chunk_id"], best["content"]) == (opening["id"], "Bicycles are repaired within a day.")
    assert [chunk["id"] for chunk in await chunks(tenant, base)] == [opening["id"], parking["id"]]


async def test_an_inactive_chunk_is_listed_and_reindexed_and_not_found_until_it_is_active_again(
    platform: Platform,
) -> None:
    tenant = await platform.tenant()
    base = await make_base(tenant)
    parking = (await chunks(tenant, base))[1]
    path = f"/knowledge-bases/{base}/chunks/{parking['id']}"
    off = await tenant.http.put(path, json={"content": parking["content"], "is_active": False})
    assert off.json()["chunk"]["is_active"] is False
    reindexed = await tenant.http.post(f"/knowledge-bases/{base}/reindex")
    assert reindexed.json() == {"success": True, "chunks_reindexed": 2}
    assert parking["id"] not in [hit["chunk_id"] for hit in await ask(tenant, base, "What does parking cost?")]
    assert [chunk["id"] for chunk in await chunks(tenant, base, "?is_active=false")] == [parking["id"]]
    assert len(await chunks(tenant, base, "?is_active=true")) == 1
    assert (await read(tenant, base))["chunk_count"] == 2
    edited = await tenant.http.put(path, json={"content": "Parking is free."})
    assert edited.json()["chunk"]["is_active"] is False
    await tenant.http.put(path, json={"content": "Parking is free.", "is_active": True})
    assert (await ask(tenant, base, "What does parking cost?"))[0]["content"] == "Parking is free."


async def test_a_deleted_chunk_is_gone_and_counted_out(platform: Platform) -> None:
    tenant = await platform.tenant()
    base = await make_base(tenant)
    opening, parking = await chunks(tenant, base)
    path = f"/knowledge-bases/{base}/chunks/{parking['id']}"
    assert (await tenant.http.delete(path)).json() == {"success": True, "message": "Chunk deleted"}
    assert (await tenant.http.delete(path)).status_code == 404
    after = await read(tenant, base)
    assert (after["chunk_count"], after["total_chars"]) == (1, len(opening["content"]))
    assert [hit["chunk_id"] for hit in await ask(tenant, base, "parking")] == [opening["id"]]
    await tenant.http.delete(f"/knowledge-bases/{base}/chunks/{opening['id']}")
    empty = await read(tenant, base)
    assert (empty["chunk_count"], empty["total_chars"], empty["indexing_status"]) == (0, 0, "empty")
    assert await ask(tenant, base, "parking") == []


@pytest.mark.parametrize("body", [{}, {"content": ""}, {"content": " \n"}, {"content": "a\x00b"}, {"content": None}])
async def test_a_chunk_keeps_its_text_when_the_new_one_cannot_be_kept(
    platform: Platform, body: dict[str, object]
) -> None:
    tenant = await platform.tenant()
    base = await make_base(tenant)
    before = await chunks(tenant, base)
    answer = await tenant.http.put(f"/knowledge-bases/{base}/chunks/{before[0]['id']}", json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["details"]["fields"][0]["field"] == "content"
    assert await chunks(tenant, base) == before


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_chunk_belongs_to_its_base_and_its_project(platform: Platform, method: str) -> None:
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    first, second, foreign = await make_base(mine), await make_base(mine), await make_base(theirs)
    own, other = (await chunks(mine, first))[0]["id"], (await chunks(theirs, foreign))[0]["id"]
    body = {"content": "Taken."} if method == "PUT" else None
    wanted = {
        (second, own): 404,
        (first, 10**9): 404,
        (first, other): 403,
        (foreign, other): 403,
        (foreign, own): 403,
    }
    for (base, chunk), status in wanted.items():
        answer = await mine.http.request(method, f"/knowledge-bases/{base}/chunks/{chunk}", json=body)
        assert answer.status_code == status, (base, chunk, answer.text)
    assert len(await chunks(mine, first)) == len(await chunks(theirs, foreign)) == 2


async def test_a_chunk_is_read_whole_where_its_list_cuts_it(platform: Platform) -> None:
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    words = "Bicycles are repaired here, and wheels are trued. " * 8
    base = await make_base(mine, words.strip())
    (listed,) = await chunks(mine, base)
    path = f"/knowledge-bases/{base}/chunks/{listed['id']}"
    read = (await mine.http.get(path)).json()
    assert len(listed["content"]) == 200
    assert read == {"chunk": listed | {"content": words.strip()}}
    assert (await theirs.http.get(path)).status_code == 403
    assert (await mine.http.get(f"/knowledge-bases/{base}/chunks/{2**40}")).status_code == 404
