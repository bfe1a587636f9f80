"""`python -m knowledge`: serve searches to this host's calls, or ingest, search and evaluate from a terminal."""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from guard.logs import hide_secrets
from guard.settings import wrong_settings
from knowledge.chunking import DEFAULT_CHUNK_OVERLAP, DEFAULT_CHUNK_SIZE
from knowledge.documents import DocumentError
from knowledge.embedders import Embedder, EmbeddingError, build_embedder
from knowledge.golden import DEFAULT_K, GoldenQuestion, Search, evaluate
from knowledge.ingest import cut_file, embed_document
from knowledge.minilm import ModelUnavailable
from knowledge.process import SocketTaken, run
from knowledge.reader import KnowledgeAway
from knowledge.search import Hit, clean_query
from knowledge.settings import KnowledgeSettings
from knowledge.store import KnowledgeBase, KnowledgeStore
from knowledge.tables import metadata

PROBLEMS = (
    DocumentError,
    EmbeddingError,
    KnowledgeAway,
    ModelUnavailable,
    SocketTaken,
    OSError,
    ValueError,
    LookupError,
)


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        match options.command:
            case "serve":
                return _serve()
            case "ingest":
                asyncio.run(_ingest(options))
            case "search":
                asyncio.run(_search(options))
            case "evaluate":
                asyncio.run(_evaluate(options))
    except PROBLEMS as error:
        sys.stderr.write(f"knowledge: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m knowledge", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="answer the calls of this host (settings: PARLEY_KNOWLEDGE_…)")
    terminal = argparse.ArgumentParser(add_help=False)
    terminal.add_argument("--database-url", required=True, help="postgresql://user:password@host:port/database")
    terminal.add_argument("--project", type=int, default=1, help="the owner's number (default 1)")
    terminal.add_argument("--base", default="default", help="the knowledge base's name; made by the first ingest")
    terminal.add_argument("--embedder", default="minilm", help="minilm, sentence-transformers:NAME or openai:MODEL")
    terminal.add_argument("--models-url", help="OpenAI-compatible server of an embedder openai:MODEL")
    ingest = commands.add_parser("ingest", parents=[terminal], help="put files into a knowledge base")
    ingest.add_argument("files", nargs="+", type=Path)
    ingest.add_argument("--chunk-size", type=int, default=DEFAULT_CHUNK_SIZE)
    ingest.add_argument("--chunk-overlap", type=int, default=DEFAULT_CHUNK_OVERLAP)
    search = commands.add_parser("search", parents=[terminal], help="ask a knowledge base")
    search.add_argument("query")
    search.add_argument("--top-k", type=int, default=5)
    evaluating = commands.add_parser("evaluate", parents=[terminal], help="ask a knowledge base its golden questions")
    evaluating.add_argument("golden", type=Path, help='JSON: {"questions": [{"question", "source", "contains"}]}')
    evaluating.add_argument("--top-k", type=int, default=DEFAULT_K)
    return parser


def _serve() -> int:
    try:
        settings = KnowledgeSettings()
    except ValidationError as error:
        sys.stderr.write(f"knowledge: {wrong_settings(error)}\n")
        return 2
    renderer = structlog.processors.JSONRenderer() if settings.log_format == "json" else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            hide_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
    )
    # The pool reports each of its attempts while PostgreSQL is away; `reader.py` says so once per search.
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)
    asyncio.run(run(settings))
    return 0


async def _ingest(options: argparse.Namespace) -> None:
    embedder = build_embedder(options.embedder, base_url=options.models_url)
    engine = create_async_engine(_sqlalchemy_url(options.database_url))
    try:
        async with engine.begin() as connection:
            await connection.execute(text("create extension if not exists vector"))
            await connection.run_sync(metadata.create_all)
            base = await _find_base(connection, options) or await _create_base(connection, options, embedder)
        for path in options.files:
            document = await cut_file(path.read_bytes(), path.name, base)
            embedded = await embed_document(document, base, embedder)
            async with engine.begin() as connection:
                await _see_project(connection, options.project)
                count = await KnowledgeStore(connection).replace_document(base.id, embedded, project_id=options.project)
            sys.stdout.write(f"{path.name}: {count} chunks\n")
    finally:
        await engine.dispose()
        await embedder.close()


async def _search(options: argparse.Namespace) -> None:
    query = clean_query(options.query)
    async with _searching(options, options.top_k) as search:
        hits = await search(query)
    sys.stdout.write("\n".join(map(_shown, hits)) + "\n")


async def _evaluate(options: argparse.Namespace) -> None:
    given = json.loads(options.golden.read_text())["questions"]
    golden = [GoldenQuestion(each["question"], each["source"], each.get("contains", "")) for each in given]
    async with _searching(options, options.top_k) as search:
        found = await evaluate(golden, search)
    for asked in found.questions:
        sys.stdout.write(f"{asked.rank or '-':>4}  {asked.question}\n")
    sys.stdout.write(f"recall@{options.top_k} {found.recall_at_k:.3f}, MRR {found.mrr:.3f}\n")


@asynccontextmanager
async def _searching(options: argparse.Namespace, top_k: int) -> AsyncIterator[Search]:
    embedder = build_embedder(options.embedder, base_url=options.models_url)
    engine = create_async_engine(_sqlalchemy_url(options.database_url))
    try:
        async with engine.connect() as connection:
            base = await _find_base(connection, options)
            if base is None:
                raise LookupError(
                    f"There is no knowledge base {options.base!r} in project {options.project}. Ingest first."
                )
            base_id = base.id

            async def search(query: str) -> list[Hit]:
                return await KnowledgeStore(connection).search(
                    query,
                    vectors={embedder.model: await embedder.embed_query(query)},
                    base_ids=[base_id],
                    project_id=options.project,
                    top_k=top_k,
                )

            yield search
    finally:
        await engine.dispose()
        await embedder.close()


def _shown(hit: Hit) -> str:
    heading = f" › {hit.heading}" if hit.heading else ""
    parts = f"cosine {hit.dense:.3f}, bm25 {hit.lexical:.2f}"
    return (
        f"{hit.score:.3f}  {hit.source}#{hit.chunk_index}{heading}  ({parts})\n       {' '.join(hit.content.split())}"
    )


async def _find_base(connection: AsyncConnection, options: argparse.Namespace) -> KnowledgeBase | None:
    await _see_project(connection, options.project)
    bases = await KnowledgeStore(connection).list_bases(project_id=options.project)
    return next((base for base in bases if base.name == options.base), None)


async def _create_base(connection: AsyncConnection, options: argparse.Namespace, embedder: Embedder) -> KnowledgeBase:
    await embedder.embed_query(options.base)  # a server's model tells its dimensions with its first answer
    return await KnowledgeStore(connection).create_base(
        project_id=options.project,
        name=options.base,
        chunk_size=options.chunk_size,
        chunk_overlap=options.chunk_overlap,
        embedding_model=embedder.model,
        dimensions=embedder.dimensions,
    )


async def _see_project(connection: AsyncConnection, project_id: int) -> None:
    await connection.execute(text("select set_config('parley.project', :id, true)"), {"id": str(project_id)})


def _sqlalchemy_url(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


if __name__ == "__main__":
    sys.exit(main())
