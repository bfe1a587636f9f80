"""The optional embedder gives the same vectors as the default one, and serves a base through the API."""

import numpy as np
import pytest

from knowledge import minilm
from knowledge.embedders import Embedders, MiniLMEmbedder, build_embedder
from tests.support.platform import Platform, Tenant

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300), pytest.mark.filterwarnings("default")]

TEXTS = [
    "When do you open?",
    "",
    "Grüße aus Zürich – schön!",
    "word " * 600,
    "A city bicycle costs twenty dollars a day.",
]
QUESTION = "What does renting cost?"


async def test_both_embedders_give_the_same_vectors() -> None:
    ours = MiniLMEmbedder()
    theirs = build_embedder(f"sentence-transformers:{minilm.MODEL}")
    first, second = await ours.embed(TEXTS), await theirs.embed(TEXTS)
    assert first.shape == second.shape
    assert np.sum(first * second, axis=1).min() > 0.99999
    await ours.close()
    await theirs.close()


async def test_a_base_is_ingested_searched_and_reindexed_with_it(platform: Platform, tenant: Tenant) -> None:
    platform.app.state.embedders = Embedders(build_embedder(f"sentence-transformers:{minilm.MODEL}"))
    made = (await tenant.http.post("/knowledge-bases", json={"name": "FAQ"})).json()["knowledge_base"]
    path = f"/knowledge-bases/{made['id']}"
    content = "# Renting\n\nA city bicycle costs twenty dollars a day.\n\n# Dogs\n\nDogs are welcome."
    ingested = await tenant.http.post(f"{path}/ingest", json={"content": content, "source_name": "faq"})
    assert ingested.json()["chunks_created"] == 2, ingested.text

    async def ask() -> tuple[str, float]:
        body = {"knowledge_base_id": made["id"], "query": QUESTION, "explain": True}
        best = (await tenant.http.post("/knowledge/search", json=body)).json()["results"][0]
        return best["content"], best["parts"]["cosine"]

    found = await ask()
    assert "twenty dollars" in found[0]
    golden = {"questions": [{"question": QUESTION, "source": "faq", "contains": "twenty"}]}
    await tenant.http.put(f"{path}/golden-questions", json=golden)
    assert (await tenant.http.post(f"{path}/reindex?min_recall=1")).json() == {"success": True, "chunks_reindexed": 2}
    assert await ask() == found
