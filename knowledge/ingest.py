"""Documents into embedded chunks, ready for `KnowledgeStore.replace_document`.

No transaction is open while this runs: reading and embedding take seconds to minutes, writing takes milliseconds. A
document that cannot be read or embedded raises before anything was written, so the base stays as it was.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from knowledge.chunking import Chunk, searched_text
from knowledge.documents import DocumentError, checked, source_name
from knowledge.embedders import Embedder, OtherModel, Vectors
from knowledge.reading import count_apart, read_apart
from knowledge.store import EmbeddedDocument, KnowledgeBase

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
    chunks = await read_apart(data, source, size=base.chunk_size, overlap=base.chunk_overlap)
    return Document(source, await asyncio.to_thread(_hash, data), chunks, replaces_source=True)


async def cut_text(content: str, label: str | None, base: KnowledgeBase) -> Document:
    """Cut text that was sent as such. Without a label of its own, it replaces only the very same text."""
    source = source_name(label) if label else DEFAULT_LABEL
    data = content.encode("utf-8", "surrogatepass")
    chunks = await read_apart(data, None, size=base.chunk_size, overlap=base.chunk_overlap)
    return Document(source, await asyncio.to_thread(_hash, data), chunks, replaces_source=source != DEFAULT_LABEL)


async def cut_document(data: bytes, name: str | None, base: KnowledgeBase, *, file: bool) -> Document:
    """As `cut_file` or `cut_text`, whichever it is. Raises `DocumentError`."""
    if file:
        return await cut_file(data, name or "", base)
    return await cut_text(data.decode("utf-8", "surrogatepass"), name, base)


async def count_chunks(data: bytes, name: str | None, base: KnowledgeBase, *, file: bool) -> tuple[str, int]:
    """What an uploaded file or a text will be called in its base, and its chunks. Raises `DocumentError`."""
    source = source_name(name or "") if file else source_name(name) if name else DEFAULT_LABEL
    read_as = source if file else None
    return source, await count_apart(data, read_as, size=base.chunk_size, overlap=base.chunk_overlap)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def embed_document(
    document: Document, base: KnowledgeBase, embedder: Embedder, progress: Progress | None = None
) -> EmbeddedDocument:
    """Embed every chunk of a document with its base's model. Raises `OtherModel`, `EmbeddingError`."""
    require_model(base, embedder)
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
    require_model(base, embedder)
    text = checked(content).strip()
    if not text:
        raise DocumentError("empty", "A chunk needs some text. Delete it, or switch it off.")
    if len(text) > MAX_CHUNK_CHARACTERS:
        raise DocumentError(
            "too_large", f"A chunk has at most {MAX_CHUNK_CHARACTERS} characters; this one has {len(text)}."
        )
    return text, await embedder.embed([searched_text(heading, text)])


def require_model(base: KnowledgeBase, embedder: Embedder) -> None:
    """Raise `OtherModel` where the base is not embedded with this embedder's model."""
    if base.embedding_model != embedder.model:
        raise OtherModel(
            f"The knowledge base is embedded with {base.embedding_model}, this server embeds with {embedder.model}. "
            "Set PARLEY_KNOWLEDGE_FORMER_EMBEDDER to the base's, or index the base anew."
        )
