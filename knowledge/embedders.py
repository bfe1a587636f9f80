"""Text to vectors: one interface, three ways behind it.

    minilm                       all-MiniLM-L6-v2 on ONNX Runtime, in this process (the default)
    sentence-transformers:NAME   any such model; needs the extra `sentence-transformers`
    openai:MODEL                 any server that speaks OpenAI's /embeddings

A vector's model is part of what it is: `Embedder.model` is kept with every vector, and the two MiniLM backends, which
give the same vectors, say the same name.
"""

import asyncio
import os
import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
from openai import AsyncOpenAI, OpenAIError

from knowledge import minilm
from knowledge.search import clean_query

Vectors = npt.NDArray[np.float32]

BATCH: Final = 64
NICENESS: Final = 10
"""Of the thread that embeds documents."""
CACHED_QUERIES: Final = 1_024
QUERIES_AT_ONCE: Final = 8
"""Questions computed together: more win little and let the first wait for the last."""
REQUEST_TIMEOUT: Final = 30.0
"""Seconds a request for embeddings may take."""


class EmbeddingError(RuntimeError):
    """Texts could not be embedded: the model or its server is away, or answers nonsense."""


class OtherModel(EmbeddingError):
    """The base is embedded with a model that this server does not run; vectors of two models do not compare."""


class Embedder(Protocol):
    """Gives each text a vector of unit length. `dimensions` is 0 until the model has been asked once."""

    model: str
    dimensions: int

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One row for each text, in order. Raises `EmbeddingError`."""
        ...

    async def embed_query(self, text: str) -> Vectors:
        """The vector of a question, whatever is in it; the same one again costs nothing. Raises `EmbeddingError`."""
        ...

    async def close(self) -> None:
        """Free threads and connections."""
        ...


class QueryCache:
    """The vectors of the latest questions."""

    def __init__(self, size: int = CACHED_QUERIES) -> None:
        self._size = size
        self._vectors: OrderedDict[str, Vectors] = OrderedDict()

    def get(self, text: str) -> Vectors | None:
        vector = self._vectors.get(text)
        if vector is not None:
            self._vectors.move_to_end(text)
        return vector

    def put(self, text: str, vector: Vectors) -> None:
        self._vectors[text] = vector
        self._vectors.move_to_end(text)
        while len(self._vectors) > self._size:
            self._vectors.popitem(last=False)


class Encoder(Protocol):
    """What computes vectors in this process, and blocks while it does."""

    def encode(self, texts: Sequence[str]) -> Vectors: ...


class LocalEmbedder:
    """A model in this process. Questions have a thread of their own, so that an ingest does not hold them up.

    Questions that arrive while others are computed wait for them, and are then computed together.
    """

    def __init__(self, encoder: Encoder, *, model: str, dimensions: int) -> None:
        self.model = model
        self.dimensions = dimensions
        self._encoder = encoder
        self._queries = ThreadPoolExecutor(1, thread_name_prefix="embed-query")
        self._batches = ThreadPoolExecutor(1, thread_name_prefix="embed-batch", initializer=_go_after_requests)
        self._cache = QueryCache()
        self._waiting: deque[tuple[str, Future[Vectors]]] = deque()

    async def embed(self, texts: Sequence[str]) -> Vectors:
        loop = asyncio.get_running_loop()
        parts = [
            await loop.run_in_executor(self._batches, self._encoder.encode, texts[start : start + BATCH])
            for start in range(0, len(texts), BATCH)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self.dimensions), np.float32)

    async def embed_query(self, text: str) -> Vectors:
        text = clean_query(text)
        vector = self._cache.get(text)
        if vector is None:
            asked: Future[Vectors] = Future()
            self._waiting.append((text, asked))
            self._queries.submit(self._answer_waiting)
            vector = await asyncio.wrap_future(asked)
            self._cache.put(text, vector)
        return vector

    async def close(self) -> None:
        self._queries.shutdown(wait=False, cancel_futures=True)
        self._batches.shutdown(wait=False, cancel_futures=True)
        while self._waiting:
            self._waiting.popleft()[1].cancel()

    def _answer_waiting(self) -> None:
        """In the thread of questions: each has asked for this once, so whoever finds nothing was answered before."""
        waiting = [self._waiting.popleft() for _ in range(min(len(self._waiting), QUERIES_AT_ONCE))]
        asked = [(text, vector) for text, vector in waiting if vector.set_running_or_notify_cancel()]
        if not asked:
            return
        try:
            vectors = self._encoder.encode([text for text, _ in asked])
        except Exception as error:
            for _, vector in asked:
                vector.set_exception(error)
        else:
            for (_, vector), computed in zip(asked, vectors, strict=True):
                vector.set_result(computed)


def _go_after_requests() -> None:
    """Let this thread have what the others leave: questions, and requests of the process, go before documents."""
    with suppress(OSError):  # some sandboxes allow no change
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


@cache
def load_minilm(threads: int) -> minilm.MiniLM:
    """The process's model: 90 MB of weights, which embedders share."""
    return minilm.MiniLM(threads)


class MiniLMEmbedder(LocalEmbedder):
    """all-MiniLM-L6-v2 without torch: 2–3 ms for a question, some 50–90 chunks a second on one core."""

    def __init__(self, threads: int = 1) -> None:
        super().__init__(load_minilm(threads), model=minilm.MODEL, dimensions=minilm.DIMENSIONS)


class SentenceTransformersEmbedder(LocalEmbedder):
    """A model of the sentence-transformers library, by name or folder."""

    def __init__(self, name: str) -> None:
        try:
            # torch takes seconds to load and is not installed by default.
            library = import_module("sentence_transformers")
        except ImportError as error:
            raise EmbeddingError(
                "The embedder sentence-transformers is not installed. Install the extra: parley[sentence-transformers]."
            ) from error
        path = str(minilm.model_folder()) if name == minilm.MODEL else name
        encoder = _SentenceTransformersEncoder(library.SentenceTransformer(path, device="cpu"))
        super().__init__(encoder, model=name, dimensions=encoder.dimensions)


class _SentenceTransformersEncoder:
    def __init__(self, model: Any) -> None:
        self._model = model
        self.dimensions = int(model.get_embedding_dimension())

    def encode(self, texts: Sequence[str]) -> Vectors:
        vectors = self._model.encode(
            list(texts), normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
        )
        return np.asarray(vectors, np.float32)


class OpenAIEmbedder:
    """A model behind an OpenAI-compatible server, at any address and of any dimension."""

    def __init__(self, model: str, *, base_url: str | None, api_key: str) -> None:
        self.model = model
        self.dimensions = 0
        self._client = AsyncOpenAI(base_url=base_url, api_key=api_key or "none", timeout=REQUEST_TIMEOUT, max_retries=2)
        self._cache = QueryCache()

    async def embed(self, texts: Sequence[str]) -> Vectors:
        parts = [await self._request(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        return np.concatenate(parts) if parts else np.empty((0, self.dimensions), np.float32)

    async def embed_query(self, text: str) -> Vectors:
        text = clean_query(text)
        vector = self._cache.get(text)
        if vector is None:
            vector = (await self._request([text]))[0]
            self._cache.put(text, vector)
        return vector

    async def close(self) -> None:
        await self._client.close()

    async def _request(self, texts: Sequence[str]) -> Vectors:
        try:
            # Such servers refuse an empty text; a space says as little.
            answer = await self._client.embeddings.create(model=self.model, input=[text or " " for text in texts])
        except OpenAIError as error:
            raise EmbeddingError(f"The embedding model {self.model} did not answer: {error}") from error
        rows = sorted(answer.data, key=lambda item: item.index)
        vectors: Vectors = np.array([row.embedding for row in rows], np.float32)
        if len(vectors) != len(texts) or vectors.ndim != 2 or not np.isfinite(vectors).all():
            raise EmbeddingError(f"The embedding model {self.model} gave no usable vector for each text.")
        self.dimensions = vectors.shape[1]
        unit: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
        return unit


class Embedders:
    """The embedder of a process, and the one of bases that have not moved to it yet."""

    def __init__(self, current: Embedder, former: Embedder | None = None) -> None:
        self.current, self._former = current, former

    def of(self, model: str) -> Embedder:
        """The one for a base of this model; the current one where there is none."""
        return self._former if self._former is not None and self._former.model == model else self.current

    async def question(self, text: str) -> dict[str, Vectors]:
        """The vectors of a question by model: a base is compared with its own. Raises `EmbeddingError`."""
        used = [self.current] if self._former is None else [self.current, self._former]
        vectors = await asyncio.gather(*(embedder.embed_query(text) for embedder in used))
        return {embedder.model: vector for embedder, vector in zip(used, vectors, strict=True)}

    async def close(self) -> None:
        """Close both."""
        await self.current.close()
        if self._former is not None:
            await self._former.close()


def build_embedders(
    name: str, former: str | None, *, base_url: str | None = None, api_key: str = "", threads: int = 1
) -> Embedders:
    """Those called `name` and `former`, as `build_embedder` makes them."""
    return Embedders(
        *(
            build_embedder(each, base_url=base_url, api_key=api_key, threads=threads)
            for each in (name, former)
            if each is not None
        )
    )


def build_embedder(name: str, *, base_url: str | None = None, api_key: str = "", threads: int = 1) -> Embedder:
    """The embedder called `name`. Loads the model, so it blocks for a moment; `ValueError` if there is no such kind."""
    kind, _, model = name.partition(":")
    match kind:
        case "minilm" if not model:
            return MiniLMEmbedder(threads)
        case "sentence-transformers" if model:
            return SentenceTransformersEmbedder(model)
        case "openai" if model:
            return OpenAIEmbedder(model, base_url=base_url, api_key=api_key)
    raise ValueError(
        f"There is no embedder {name!r}. Set PARLEY_KNOWLEDGE_EMBEDDER to minilm, sentence-transformers:NAME "
        "or openai:MODEL."
    )
