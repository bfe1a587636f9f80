from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from knowledge.embedders import MiniLMEmbedder
from knowledge.ingest import cut_text, embed_document
from knowledge.store import KnowledgeBase, KnowledgeStore

OWNER, STRANGER = 1, 2


@pytest.fixture(scope="session")
def embedder() -> Iterator[MiniLMEmbedder]:
    return MiniLMEmbedder()


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(database_url.replace("postgresql://", "postgresql+psycopg://", 1))
    yield engine
    await engine.dispose()


@pytest.fixture
async def connection(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    async with engine.connect() as connection:
        yield connection


@pytest.fixture
def store(connection: AsyncConnection) -> KnowledgeStore:
    return KnowledgeStore(connection)


class Library:
    """Bases and documents with one call each; everything else has a default."""

    def __init__(self, store: KnowledgeStore, embedder: MiniLMEmbedder) -> None:
        self.store, self.embedder = store, embedder

    async def base(self, *texts: str, project_id: int = OWNER, chunk_size: int = 500) -> KnowledgeBase:
        base = await self.store.create_base(
            project_id=project_id,
            name="FAQ",
            chunk_size=chunk_size,
            chunk_overlap=0,
            embedding_model=self.embedder.model,
            dimensions=self.embedder.dimensions,
        )
        for text in texts:
            await self.ingest(base, text, project_id=project_id)
        return base

    async def ingest(
        self, base: KnowledgeBase, text: str, *, source: str | None = None, project_id: int = OWNER
    ) -> int:
        document = await embed_document(await cut_text(text, source, base), base, self.embedder)
        return await self.store.replace_document(base.id, document, project_id=project_id)

    async def ask(self, query: str, *bases: KnowledgeBase, project_id: int = OWNER, top_k: int = 5, model: str = ""):
        return await self.store.search(
            query,
            vectors={model or self.embedder.model: await self.embedder.embed_query(query)},
            base_ids=[base.id for base in bases],
            project_id=project_id,
            top_k=top_k,
        )


@pytest.fixture
def library(store: KnowledgeStore, embedder: MiniLMEmbedder) -> Library:
    return Library(store, embedder)
