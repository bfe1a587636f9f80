"""What embedding, searching and ingesting cost, and whether others notice an upload."""

import asyncio
import random
import statistics
import time
from pathlib import Path
from typing import Any, Final

import httpx2

from bench.first_call import percentile
from bench.platform import KEY
from knowledge.chunking import Passage, split
from knowledge.embedders import BATCH
from knowledge.minilm import MiniLM

CLIENTS: Final = 8
WORDS: Final = [
    "when",
    "does",
    "the",
    "workshop",
    "open",
    "on",
    "weekdays",
    "and",
    "what",
    "would",
    "a",
    "repair",
    "of",
    "brakes",
    "or",
    "tyres",
    "cost",
    "with",
    "parts",
    "from",
    "the",
    "store",
    "customers",
    "bring",
    "bicycles",
    "scooters",
    "wheels",
    "invoices",
    "receipts",
    "dates",
    "names",
    "numbers",
    "streets",
    "cities",
    "rules",
    "refunds",
    "orders",
]
PAUSE: Final = 0.02
"""Seconds between two requests for tokens."""


def prose(characters: int, seed: int = 7) -> str:
    """Sentences of that length in all."""
    chosen = random.Random(seed)
    sentences: list[str] = []
    length = 0
    while length < characters:
        sentence = " ".join(chosen.choices(WORDS, k=chosen.randint(6, 18))).capitalize() + "."
        sentences.append(sentence)
        length += len(sentence) + 1
    return " ".join(sentences)[:characters]


def embedding() -> dict[str, float]:
    """One question after the other, each for the first time."""
    model = MiniLM(1)
    times = []
    for seed in range(320):
        question = prose(50, seed)
        began = time.perf_counter()
        model.encode([question])
        times.append((time.perf_counter() - began) * 1000)
    warm = times[20:]
    return {"query embedding, p50 ms": percentile(warm, 0.5), "query embedding, p95 ms": percentile(warm, 0.95)}


def _client(port: int) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1", headers={"X-API-Key": KEY}, timeout=600)


async def _made(http: httpx2.AsyncClient, content: str) -> int:
    base = int((await http.post("/knowledge-bases", json={"name": "b"})).json()["knowledge_base"]["id"])
    if content:
        answer = await http.post(f"/knowledge-bases/{base}/ingest", json={"content": content, "source_name": "d"})
        assert answer.status_code == 201, answer.text
    return base


async def searches(port: int, seconds: float) -> dict[str, float]:
    """Eight clients, each with a new question as soon as its last is answered, in a base of some 500 chunks."""
    times: list[float] = []
    async with _client(port) as http:
        base = await _made(http, prose(200_000))
        until = time.perf_counter() + seconds

        async def client(number: int) -> None:
            seed = number * 1_000_000
            while time.perf_counter() < until:
                seed += 1
                body = {"knowledge_base_id": base, "query": prose(50, seed)}
                began = time.perf_counter()
                answer = await http.post("/knowledge/search", json=body)
                times.append((time.perf_counter() - began) * 1000)
                assert answer.json()["results"], answer.text

        await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    return {
        "search by the API, p50 ms": percentile(times, 0.5),
        "search by the API, p95 ms": percentile(times, 0.95),
        "searches per second": len(times) / seconds,
    }


async def ingest(port: int) -> dict[str, float]:
    """A document by the API beside its chunks through the encoder alone, in turns, so that both meet the same load."""
    text = prose(150_000)
    chunks = [chunk.text for chunk in split([Passage(text)])]
    model = MiniLM(1)
    bare, ours = [], []
    async with _client(port) as http:
        base = await _made(http, "Warm.")
        for turn in range(4):
            began = time.perf_counter()
            for start in range(0, len(chunks), BATCH):
                model.encode(chunks[start : start + BATCH])
            bare.append(len(chunks) / (time.perf_counter() - began))
            began = time.perf_counter()
            body = {"content": text, "source_name": f"document {turn}"}
            answer = await http.post(f"/knowledge-bases/{base}/ingest", json=body)
            ours.append(answer.json()["chunks_created"] / (time.perf_counter() - began))
    return {
        "chunks per second, bare encoder": statistics.median(bare),
        "chunks per second, by the API": statistics.median(ours),
        "chunks per second, share of the bare encoder's": statistics.median(
            one / other for one, other in zip(ours, bare, strict=True)
        ),
    }


async def _tokens(http: httpx2.AsyncClient, seconds: float) -> list[float]:
    times = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        body = {"identity": "u", "room": f"r{time.perf_counter_ns()}", "no_agent": True}
        began = time.perf_counter()
        answer = await http.post("/token", json=body)
        times.append((time.perf_counter() - began) * 1000)
        assert answer.is_success, answer.text
        await asyncio.sleep(PAUSE)
    return times


def _memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def upload(port: int, pid: int, seconds: float) -> dict[str, float]:
    """Tokens alone, then beside an upload of 10 MB from its first byte on; memory of the process that serves."""
    async with _client(port) as http:
        base = await _made(http, prose(2_000))
        await _tokens(http, 2)
        alone = await _tokens(http, seconds)
        before = most = _memory(pid)
        files = {"file": ("large.txt", prose(10 * 2**20).encode(), "text/plain")}
        sending = asyncio.create_task(http.post(f"/knowledge-bases/{base}/documents", files=files))
        beside: list[float] = []
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            beside += await _tokens(http, 0.5)
            most = max(most, _memory(pid))
        answer = await sending
        told: dict[str, Any] = (await http.get(f"/knowledge-bases/{base}")).json()["knowledge_base"]
        assert answer.status_code == 202, answer.text
        assert told["indexing_status"] == "indexing", told
    return {
        "token p99 alone, ms": percentile(alone, 0.99),
        "token p99 beside an upload, ms": percentile(beside, 0.99),
        "token p99 beside an upload, ratio": percentile(beside, 0.99) / percentile(alone, 0.99),
        "memory an upload adds, MiB": most - before,
    }
