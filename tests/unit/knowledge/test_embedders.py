import asyncio
from collections.abc import Iterator
from threading import Event

import numpy as np
import pytest

from knowledge.embedders import (
    QUERIES_AT_ONCE,
    EmbeddingError,
    LocalEmbedder,
    OpenAIEmbedder,
    QueryCache,
    build_embedder,
)
from tests.support.embeddings import DIMENSIONS, EmbeddingServer, embedding_server


class CountingEncoder:
    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def encode(self, texts):
        self.calls.append(list(texts))
        return np.array([[len(text), 1.0] for text in texts], np.float32)


@pytest.mark.anyio
async def test_the_same_question_is_embedded_once():
    encoder = CountingEncoder()
    embedder = LocalEmbedder(encoder, model="counting", dimensions=2)
    first = await embedder.embed_query("hours?")
    again = await embedder.embed_query("hours?")
    await embedder.close()
    assert (first == again).all()
    assert encoder.calls == [["hours?"]]


@pytest.mark.anyio
async def test_questions_that_wait_for_others_are_embedded_together():
    class Held(CountingEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.go = Event()

        def encode(self, texts):
            self.go.wait(5)
            return super().encode(texts)

    encoder = Held()
    embedder = LocalEmbedder(encoder, model="counting", dimensions=2)
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(embedder.embed_query("x" * length)) for length in range(1, 13)]
        asked[5].cancel()
        await asyncio.sleep(0)
        encoder.go.set()
    await embedder.close()
    lengths = [task.result()[0] for task in asked if not task.cancelled()]
    assert lengths == [length for length in range(1, 13) if length != 6]
    assert len(encoder.calls) <= 3
    assert max(map(len, encoder.calls)) <= QUERIES_AT_ONCE


@pytest.mark.anyio
async def test_an_encoder_that_fails_fails_the_questions_it_was_given_and_no_others():
    class Failing(CountingEncoder):
        def encode(self, texts):
            if "bad" in texts:
                raise RuntimeError("out of memory")
            return super().encode(texts)

    embedder = LocalEmbedder(Failing(), model="counting", dimensions=2)
    with pytest.raises(RuntimeError, match="out of memory"):
        await embedder.embed_query("bad")
    assert (await embedder.embed_query("good"))[0] == 4
    await embedder.close()


@pytest.mark.anyio
async def test_many_texts_are_embedded_in_order_in_bounded_batches():
    encoder = CountingEncoder()
    embedder = LocalEmbedder(encoder, model="counting", dimensions=2)
    vectors = await embedder.embed(["x" * number for number in range(150)])
    nothing = await embedder.embed([])
    await embedder.close()
    assert vectors[:, 0].tolist() == list(range(150))
    assert max(map(len, encoder.calls)) == 64
    assert nothing.shape == (0, 2)


def test_the_cache_forgets_what_was_longest_unused():
    cache = QueryCache(2)
    for name in ("a", "b"):
        cache.put(name, np.zeros(1, np.float32))
    cache.get("a")
    cache.put("c", np.zeros(1, np.float32))
    assert cache.get("b") is None
    assert cache.get("a") is not None


@pytest.mark.parametrize("name", ["", "word2vec", "openai", "openai:", "minilm:small"])
def test_an_unknown_embedder_is_refused_with_the_known_ones(name):
    with pytest.raises(ValueError, match="minilm, sentence-transformers:NAME or openai:MODEL"):
        build_embedder(name)


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with embedding_server() as running:
        yield running


@pytest.mark.anyio
async def test_an_openai_compatible_server_gives_unit_vectors_of_its_own_dimension(server):
    embedder = build_embedder("openai:any", base_url=server.url, api_key="key")
    vectors = await embedder.embed(["nine o'clock", "parking", ""])
    query = await embedder.embed_query("parking")
    await embedder.close()
    assert (embedder.dimensions, vectors.shape) == (DIMENSIONS, (3, DIMENSIONS))
    assert query.tolist() == pytest.approx(vectors[1].tolist())
    assert query.tolist() != pytest.approx(vectors[0].tolist())
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1])


@pytest.mark.anyio
@pytest.mark.parametrize("model", ["short", "missing"])
async def test_a_server_that_answers_nonsense_is_an_embedding_error(server, model):
    embedder = OpenAIEmbedder(model, base_url=server.url, api_key="key")
    with pytest.raises(EmbeddingError, match=model):
        await embedder.embed(["one", "two"])
    await embedder.close()
