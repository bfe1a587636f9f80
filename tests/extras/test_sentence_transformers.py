"""The optional embedder gives the same vectors as the default one, and serves a base through the store."""

import numpy as np
import pytest

from knowledge import minilm
from knowledge.embedders import MiniLMEmbedder, build_embedder
from knowledge.ingest import cut_text, embed_document
from knowledge.store import KnowledgeStore
from tests.support.platform import Platform

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300), pytest.mark.filterwarnings("default")]

TEXTS = [
    "When do you open?",
    "",
    "Grüße aus Zürich – schön!",
    "word " * 600,
    "A city bicycle costs twenty dollars a day.",
]


async def test_both_embedders_give_the_same_vectors() -> None:
    ours = MiniLMEmbedder()
    theirs = build_embedder(f"sentence-transformers:{minilm.MODEL}")
    first, second = await ours.embed(TEXTS), await theirs.embed(TEXTS)
    assert first.shape == second.shape
    assert np.sum(first * second, axis=1).min() > 0.99999
    await ours.close()
    await theirs.close()


async def test_a_base_is_ingested_and_searched_with_it(platform: Platform) -> None:
    tenant = await platform.tenant()
    embedder = build_embedder(f"sentence-transformers:{minilm.MODEL}")
    async with platform.database.platform() as db:
        store = KnowledgeStore(db)
        base = await store.create_base(
            project_id=tenant.project.id,
            name="FAQ",
            chunk_size=500,
            chunk_overlap=50,
            embedding_model=embedder.model,
            dimensions=embedder.dimensions,
        )
        document = await cut_text("# Renting\n\nA city bicycle costs twenty dollars a day.", "a", base)
        await store.replace_document(
            base.id, await embed_document(document, base, embedder), project_id=tenant.project.id
        )
        hits = await store.search(
            "What does renting cost?",
            vectors={embedder.model: await embedder.embed_query("What does renting cost?")},
            base_ids=[base.id],
            project_id=tenant.project.id,
        )
    assert "twenty dollars" in hits[0].content
    await embedder.close()
