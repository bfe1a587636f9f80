"""`python -m bench knowledge`: how well and how fast the knowledge bases answer, and what an ingest costs the others.

Quality is asked through the public API on SQuAD 2 (`--data`, or `BENCH_SQUAD`: the folder with dev-v2.0.json and
test-v2.0.json), with the product's one configuration. Search at scale is inside PostgreSQL, with made-up tenants.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.first_call import percentile
from bench.knowledge_load import embedding, ingest, searches, upload
from bench.knowledge_quality import quality
from bench.knowledge_search import at_scale
from bench.platform import ALL_CORES, RESULTS, our_settings, start, stores, wait_for
from knowledge.search import RELEVANT
from parley.stack.database import database_urls, prepare_database
from parley.stack.postgres import EmbeddedPostgres
from parley.stack.secrets import Secrets
from tests.support.database import migrate
from tests.support.ports import free_port

PARTS: Final = ("quality", "search", "embedding", "api", "ingest", "upload")
LEAST: Final = {"chunks of 500, both": 0.920}
AUROCS: Final = {"AUROC, article is not there": 0.90, "AUROC, adversarial": 0.64}
MOST: Final = {
    "query embedding, p50 ms": 3.0,
    "search by the API, p95 ms": 30.0,
    "token p99 beside an upload, ratio": 1.5,
    "memory an upload adds, MiB": 150.0,
}
SHARE: Final = {"chunks per second, share of the bare encoder's": 0.9}


def _table(title: str, *headings: str) -> Table:
    shown = Table(title=title, title_justify="left")
    for place, heading in enumerate(headings):
        shown.add_column(heading, justify="right" if place else "left")
    return shown


def quality_tables(found: dict[str, Any]) -> list[Table]:
    """Ranking, then what is told from noise."""
    asked = found["questions"]
    title = f"SQuAD 2, {found['paragraphs']} paragraphs, {asked['answerable']} answerable questions, by the API"
    ranking = _table(title, "what", "nDCG@10", "recall@10", "MRR@10", "hit@1", "nDCG should be")
    best = max(row["nDCG@10"] for name, row in found["ranking"].items() if "alone" in name)
    goals = {name: f"≥ {least:.3f}, > {best:.3f}" for name, least in LEAST.items()}
    goals["whole paragraphs, both"] = f"≤ {found['ranking']['chunks of 500, both']['nDCG@10'] + 0.01:.3f}"
    for name, row in found["ranking"].items():
        ranking.add_row(name, *(f"{value:.4f}" for value in row.values()), goals.get(name, ""))
    nothing = found["nothing relevant"]
    told = _table(f"nothing relevant: best score below {nothing['threshold']}", "what", "is", "should be")
    for name, least in AUROCS.items():
        told.add_row(name, f"{nothing[name]:.3f}", f"≥ {least:.2f}")
    for name, share in nothing["told as known"].items():
        told.add_row(f"told as known: {name}", f"{share:.1%}", "")
    for name, share in nothing["at other thresholds"].items():
        told.add_row(f"  at {name}", f"{share:.1%}", "")
    return [ranking, told]


def search_tables(found: dict[str, Any]) -> list[Table]:
    """Ours, and the naive plan beside it."""
    title = f"search inside PostgreSQL, {found['chunks']} chunks, {found['tenants']} tenants"
    ours = _table(title, "chunks of the tenant", "recall@10", "min(k, n)", "p50 ms", "p95 ms", "should be")
    for row in found["ours"]:
        ms = row["ms"]
        times = f"{percentile(ms, 0.5):.1f}", f"{percentile(ms, 0.95):.1f}"
        ours.add_row(
            str(row["chunks"]), f"{row['recall']:.3f}", "yes" if row["full"] else "no", *times, "≥ 0.99, ≤ 10 ms"
        )
    ours.caption = f"index of the largest base: {found['index s']:.1f} s"
    naive = _table("one HNSW index, filtered", "chunks of the tenant", "plan", "recall@10", "hits of 10", "p50 ms")
    for row in found["naive"]:
        plan = "index" if row["forced"] else "planner's"
        middle = f"{percentile(row['ms'], 0.5):.1f}"
        naive.add_row(str(row["chunks"]), plan, f"{row['recall']:.3f}", f"{row['hits']:.1f}", middle)
    return [ours, naive]


def figures_table(part: str, found: dict[str, float]) -> list[Table]:
    """Single figures beside what they should be."""
    shown = _table(part, "what", "is", "should be")
    for name, value in found.items():
        goal = f"≤ {MOST[name]:g}" if name in MOST else f"≥ {SHARE[name]:g}" if name in SHARE else ""
        shown.add_row(name, f"{value:.2f}", goal)
    return [shown]


@contextmanager
def control_plane() -> Iterator[tuple[int, int]]:
    """A control plane and its stores on all cores: its port and its process's id."""
    with ExitStack() as cleanup:
        urls, redis_url = stores(cleanup, free_port())
        os.sched_setaffinity(0, set(range(os.cpu_count() or 1)))
        port = free_port()
        environment = our_settings(urls, redis_url, port)
        pid = start(cleanup, [sys.executable, "-m", "control_plane", "serve"], environment, ALL_CORES)
        wait_for(port)
        yield port, pid


def measure_search(arguments: argparse.Namespace) -> dict[str, Any]:
    """In a PostgreSQL of its own, with its default settings."""
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder, EmbeddedPostgres(Path(folder) / "pg") as server:
        secrets = Secrets.generate()
        asyncio.run(prepare_database(server.url(), secrets))
        urls = database_urls(server.known_port, secrets)
        migrate(urls.owner)
        return at_scale(
            urls,
            server.url(database="parley"),
            chunks=arguments.chunks,
            tenants=arguments.tenants,
            large=arguments.large,
            questions=arguments.searches,
        )


def measure_quality(arguments: argparse.Namespace) -> dict[str, Any]:
    """Through a control plane."""
    with control_plane() as (port, _):
        return asyncio.run(quality(port, arguments.data, arguments.questions, RELEVANT))


def measure_load(part: str, arguments: argparse.Namespace) -> dict[str, float]:
    """What has single figures."""
    if part == "embedding":
        return embedding()
    with control_plane() as (port, pid):
        match part:
            case "api":
                return asyncio.run(searches(port, arguments.seconds))
            case "ingest":
                return asyncio.run(ingest(port))
    with control_plane() as (port, pid):
        return asyncio.run(upload(port, pid, arguments.seconds))


def _keep(part: str, figures: Any) -> None:
    """Write one of them; the others stay as they were measured before."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "knowledge.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "load after": os.getloadavg()[0]}
    kept[part] = {"at": datetime.now(UTC).isoformat(), "machine": machine, "figures": figures}
    path.write_text(json.dumps(kept, indent=1) + "\n")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m bench knowledge", description=__doc__)
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="some of them")
    parser.add_argument("--data", type=Path, default=os.environ.get("BENCH_SQUAD"), help="the folder of SQuAD 2")
    parser.add_argument("--questions", type=int, default=0, help="of each kind, drawn by a fixed seed; 0 for all")
    parser.add_argument("--chunks", type=int, default=50_000, help="of the tenants together")
    parser.add_argument("--tenants", type=int, default=100)
    parser.add_argument("--large", type=int, default=20_000, help="chunks of one tenant more; 0 for none")
    parser.add_argument("--searches", type=int, default=100, help="of each tenant that is shown")
    parser.add_argument("--seconds", type=float, default=10, help="of load")
    arguments = parser.parse_args()
    console = Console(width=130)
    for part in arguments.only:
        if part == "quality" and arguments.data is None:
            sys.exit("quality is measured on SQuAD 2: name its folder with --data or BENCH_SQUAD")
        show: Callable[[Any], list[Table]]
        if part == "quality":
            found, show = measure_quality(arguments), quality_tables
        elif part == "search":
            found, show = measure_search(arguments), search_tables
        else:
            found, show = measure_load(part, arguments), lambda figures, part=part: figures_table(part, figures)
        _keep(part, found)
        for table in show(found):
            console.print(table)


if __name__ == "__main__":
    main()
