"""Documents into embedded chunks, ready for `KnowledgeStore.replace_document`.

No transaction is open while this runs: reading and embedding take seconds to minutes, writing takes milliseconds. A
document that cannot be read or embedded raises before anything was written, so the base stays as it was.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import islice
from typing import Final

import numpy as np

from knowledge.chunking import Chunk, Passage, searched_text, split
from knowledge.documents import DocumentError, checked, read_file, read_text, source_name
from knowledge.embedders import Embedder, OtherModel, Vectors
from knowledge.store import EmbeddedDocument, KnowledgeBase

MAX_CHUNKS: Final = 50_000
MAX_CHUNK_CHARACTERS: Final = 8_000
CHUNKS_AT_ONCE: Final = 64
DEFAULT_LABEL: Final = "api_ingest"

Progress = Callable[[int], Awaitable[None]]
"""Told the percentage done, after each batch."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document cut into chunks, before it is embedded."""

    source: str
    content_hash: str
    chunks: list[Chunk]
    replaces_source: bool


async def cut_file(data: bytes, filename: str, base: KnowledgeBase) -> Document:
    """Read an uploaded file and cut it as its base wants. Raises `DocumentError`."""
    source = source_name(filename)

    def cut() -> list[Chunk]:
        return _cut(read_file(data, source), base)

    return Document(source, hashlib.sha256(data).hexdigest(), await asyncio.to_thread(cut), replaces_source=True)


async def cut_text(content: str, label: str | None, base: KnowledgeBase) -> Document:
    """Cut text that was sent as such. Without a label of its own, it replaces only the very same text."""

    def cut() -> list[Chunk]:
        return _cut(read_text(content), base)

    source = source_name(label) if label else DEFAULT_LABEL
    chunks = await asyncio.to_thread(cut)
    content_hash = hashlib.sha256(content.encode()).hexdigest()
    return Document(source, content_hash, chunks, replaces_source=source != DEFAULT_LABEL)


async def embed_document(
    document: Document, base: KnowledgeBase, embedder: Embedder, progress: Progress | None = None
) -> EmbeddedDocument:
    """Embed every chunk of a document with its base's model. Raises `OtherModel`, `EmbeddingError`."""
    _require_model(base, embedder)
    texts = [chunk.searched for chunk in document.chunks]
    parts: list[Vectors] = []
    for start in range(0, len(texts), CHUNKS_AT_ONCE):
        parts.append(await embedder.embed(texts[start : start + CHUNKS_AT_ONCE]))
        if progress is not None:
            await progress(100 * min(start + CHUNKS_AT_ONCE, len(texts)) // len(texts))
    vectors = np.concatenate(parts)
    return EmbeddedDocument(
        source=document.source,
        content_hash=document.content_hash,
        chunks=document.chunks,
        vectors=vectors,
        model=embedder.model,
        replaces_source=document.replaces_source,
    )


async def embed_chunk(content: str, heading: str, base: KnowledgeBase, embedder: Embedder) -> tuple[str, Vectors]:
    """An edited chunk's text as it will be stored, and its vector (one row), for `KnowledgeStore.update_chunk`."""
    _require_model(base, embedder)
    text = checked(content).strip()
    if not text:
        raise DocumentError("empty", "A chunk needs some text. Delete it, or switch it off.")
    if len(text) > MAX_CHUNK_CHARACTERS:
        raise DocumentError(
            "too_large", f"A chunk has at most {MAX_CHUNK_CHARACTERS} characters; this one has {len(text)}."
        )
    return text, await embedder.embed([searched_text(heading, text)])


def _cut(passages: list[Passage], base: KnowledgeBase) -> list[Chunk]:
    pieces = split(passages, chunk_size=base.chunk_size, chunk_overlap=base.chunk_overlap)
    chunks = list(islice(pieces, MAX_CHUNKS + 1))
    if len(chunks) > MAX_CHUNKS:
        raise DocumentError(
            "too_many_chunks",
            f"The document falls into more than {MAX_CHUNKS} chunks. Split it, or choose a base with larger chunks.",
        )
    return chunks


def _require_model(base: KnowledgeBase, embedder: Embedder) -> None:
    if base.embedding_model != embedder.model:
        raise OtherModel(
            f"The knowledge base is embedded with {base.embedding_model}, this server embeds with {embedder.model}. "
            "Set PARLEY_KNOWLEDGE_EMBEDDER to the base's model, or index the base anew."
        )
