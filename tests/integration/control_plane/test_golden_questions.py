"""Owners test what a base knows, and see what it did not."""

from typing import Any

import pytest
from sqlalchemy import text

from agents.calling import PersonaJob
from knowledge.embedders import Embedders, Vectors
from tests.support.platform import Platform, Tenant
from tests.support.uplink import ticket_of, worker

pytestmark = pytest.mark.anyio

FAQ = {
    "hours": "The workshop opens at nine on weekdays.",
    "parking": "# Parking\n\nParking costs four dollars an hour.",
}
QUESTIONS = [
    {"question": "When do you open?", "source": "hours", "contains": ""},
    {"question": "What does parking cost?", "source": "parking", "contains": "FOUR  dollars"},
    {"question": "What does a helmet cost?", "source": "helmets", "contains": ""},
]


async def make_base(tenant: Tenant, documents: dict[str, str]) -> str:
    made = await tenant.http.post("/knowledge-bases", json={"name": "FAQ"})
    path = f"/knowledge-bases/{made.json()['knowledge_base']['id']}"
    for name, content in documents.items():
        ingested = await tenant.http.post(f"{path}/ingest", json={"content": content, "source_name": name})
        assert ingested.status_code == 201, ingested.text
    return path


async def test_a_base_is_tested_with_questions_whose_answers_are_known(tenant: Tenant) -> None:
    path = await make_base(tenant, FAQ)
    assert (await tenant.http.get(f"{path}/golden-questions")).json() == {"questions": []}
    empty = (await tenant.http.post(f"{path}/evaluate")).json()
    assert empty == {"recall_at_k": 0.0, "mrr": 0.0, "questions": []}
    kept = await tenant.http.put(f"{path}/golden-questions", json={"questions": QUESTIONS})
    assert kept.json() == {"questions": QUESTIONS}
    assert (await tenant.http.get(f"{path}/golden-questions")).json() == {"questions": QUESTIONS}
    found = (await tenant.http.post(f"{path}/evaluate", json={"k": 1})).json()
    assert found["recall_at_k"] == found["mrr"] == pytest.approx(2 / 3)
    assert [each["rank"] for each in found["questions"]] == [1, 1, None]
    assert found["questions"][2]["score"] is None


async def test_a_new_index_that_finds_too_little_is_not_taken(tenant: Tenant) -> None:
    path = await make_base(tenant, FAQ)
    without = await tenant.http.post(f"{path}/reindex?min_recall=0.5")
    assert without.status_code == 409, without.text
    await tenant.http.put(f"{path}/golden-questions", json={"questions": QUESTIONS})
    before = (await tenant.http.get(path)).json()
    refused = await tenant.http.post(f"{path}/reindex?min_recall=0.9")
    assert (refused.status_code, refused.json()["code"]) == (409, "CONFLICT")
    assert (await tenant.http.get(path)).json() == before
    taken = await tenant.http.post(f"{path}/reindex?min_recall=0.6")
    assert taken.json() == {"success": True, "chunks_reindexed": 2}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"questions": None},
        {"questions": [{"question": "q"}]},
        {"questions": [{"question": " ", "source": "a"}]},
        {"questions": [{"question": "q\x00", "source": "a"}]},
        {"questions": [{"question": "q", "source": "a"}] * 501},
    ],
)
async def test_golden_questions_that_cannot_be_kept_change_nothing(tenant: Tenant, body: dict[str, Any]) -> None:
    path = await make_base(tenant, {})
    await tenant.http.put(f"{path}/golden-questions", json={"questions": QUESTIONS})
    answer = await tenant.http.put(f"{path}/golden-questions", json=body)
    assert answer.status_code == 400, answer.text
    assert (await tenant.http.get(f"{path}/golden-questions")).json() == {"questions": QUESTIONS}


@pytest.mark.parametrize(
    ("method", "place"),
    [("GET", "golden-questions"), ("PUT", "golden-questions"), ("POST", "evaluate"), ("GET", "unanswered")],
)
async def test_what_an_owner_tests_is_nobody_elses(platform: Platform, method: str, place: str) -> None:
    mine, theirs = await platform.tenant("mine"), await platform.tenant("theirs")
    path = await make_base(theirs, {})
    body = {"questions": []} if method == "PUT" else None
    assert (await mine.http.request(method, f"{path}/{place}", json=body)).status_code == 403
    assert (await mine.http.request(method, f"{path}9/{place}", json=body)).status_code == 404


async def test_a_search_shows_the_parts_of_its_scores_and_where_passages_are(tenant: Tenant) -> None:
    path = await make_base(tenant, FAQ)
    body = {"knowledge_base_id": int(path.rsplit("/", 1)[1]), "query": "What does parking cost?", "explain": True}
    best, other = (await tenant.http.post("/knowledge/search", json=body)).json()["results"]
    assert best["citation"] == {"heading": "Parking", "page": None, "row": None}
    assert best["parts"].keys() == {"cosine", "bm25", "coverage", "fusion", "confidence"}
    assert best["parts"]["fusion"] > other["parts"]["fusion"]
    assert best["score"] == pytest.approx(best["parts"]["confidence"], abs=2e-4)


async def test_questions_asked_in_vain_are_listed_most_asked_first(platform: Platform, tenant: Tenant) -> None:
    path = await make_base(tenant, FAQ)
    values = {"project": tenant.project.id, "base": int(path.rsplit("/", 1)[1])}
    async with platform.database.platform() as db:
        for question, times in (("Do you sell boats?", 1), ("Is there a sauna?", 3)):
            await db.execute(
                text(
                    "insert into knowledge_unanswered (project_id, base_id, question, times, score, session_id)"
                    " values (:project, :base, :question, :times, 0.1, 42)"
                ),
                values | {"question": question, "times": times},
            )
    found = (await tenant.http.get(f"{path}/unanswered?per_page=1")).json()
    assert (found["total"], found["total_pages"]) == (2, 2)
    (first,) = found["unanswered"]
    assert (first["question"], first["times"], first["session_id"]) == ("Is there a sauna?", 3, 42)


@pytest.mark.parametrize("stored", [True, False])
async def test_what_a_call_asked_in_vain_is_kept_once_a_report_unless_nothing_is_to_be(
    platform: Platform, tenant: Tenant, stored: bool
) -> None:
    path = await make_base(tenant, FAQ)
    async with worker(platform) as fake:
        ticket = await ticket_of(tenant)
        async with platform.database.platform() as db:
            given = {"bases": f"[{path.rsplit('/', 1)[1]}]", "stored": stored}
            await db.execute(
                text("update persona set knowledge_base_ids = cast(:bases as jsonb), store_transcripts = :stored"),
                given,
            )
        job = PersonaJob.model_validate((await fake.exchange(ticket))["job"])
        await fake.report(job, 1, type="call.started.v1")
        chunk = {"chunk_id": 1, "score": 0.1, "source": "hours"}
        for sequence in (2, 2, 3):
            turn = {"type": "turn.measured.v1", "chunks": [chunk], "unanswered": "Is there a\x00 sauna?"}
            assert (await fake.report(job, sequence, **turn))["refused"] is None
    found = (await tenant.http.get(f"{path}/unanswered")).json()["unanswered"]
    shown = [(each["question"], each["times"], each["score"], each["session_id"]) for each in found]
    assert shown == ([("Is there a sauna?", 2, 0.1, job.session_id)] if stored else [])


@pytest.mark.parametrize("place", ["evaluate", "reindex?min_recall=0"])
async def test_the_database_is_not_held_while_golden_questions_are_embedded(
    platform: Platform, tenant: Tenant, place: str
) -> None:
    path = await make_base(tenant, FAQ)
    await tenant.http.put(f"{path}/golden-questions", json={"questions": QUESTIONS})
    state = platform.app.state
    inner, held = state.embedders.current, []
    query = text(
        "select count(*) from pg_stat_activity where state = 'idle in transaction' and pid <> pg_backend_pid()"
    )

    class Watched:
        model, dimensions, embed, close = inner.model, inner.dimensions, inner.embed, inner.close

        async def embed_query(self, question: str) -> Vectors:
            async with platform.database.platform() as db:
                held.append(await db.scalar(query))
            vector: Vectors = await inner.embed_query(question)
            return vector

    state.embedders = Embedders(Watched())
    assert (await tenant.http.post(f"{path}/{place}")).status_code == 200
    assert held == [0, 0, 0]
