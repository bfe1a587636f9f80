"""A platform that is watched: what every process tells of a call that was really spoken."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from parley.client import Ready
from parley.demo.conversation import converse
from parley.demo.script import load_questions
from tests.e2e.conftest import RunningPlatform, start_platform
from tests.support.conversations import Watch
from tests.support.ports import free_port
from tests.support.scraping import Labels, read, value

pytestmark = [pytest.mark.call, pytest.mark.anyio, pytest.mark.timeout(500)]

Spans = list[tuple[str, Any]]
"""Which process made a span, and the span."""


class Collector:
    """Takes spans by OTLP over HTTP, as collectors do."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []

    def spans(self) -> Spans:
        return [
            (attribute.value.string_value, span)
            for request in list(self.requests)
            for resource in request.resource_spans
            for attribute in resource.resource.attributes
            if attribute.key == "service.name"
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@contextmanager
def collecting() -> Iterator[tuple[Collector, str]]:
    """A collector, and its address."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            assert self.path == "/v1/traces"
            collector.requests.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningPlatform, Collector, int]]:
    """A platform whose figures and traces somebody takes."""
    metrics = free_port(4)
    with collecting() as (collector, address), pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "PARLEY_METRICS_PORT", str(metrics))
        patch.setitem(os.environ, "PARLEY_OTEL_EXPORTER_OTLP_ENDPOINT", address)
        folder = tmp_path_factory.mktemp("watched")
        with start_platform(folder, port=free_port(4)) as platform:
            yield platform, collector, metrics


async def until(condition: Callable[[], Any], *, within: float = 30) -> Any:
    deadline = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.1)
    return found


def scrape(url: str, **headers: str) -> dict[str, dict[Labels, float]]:
    answer = httpx2.get(f"{url}/metrics", headers=headers, timeout=15)
    assert answer.status_code == 200, answer.text
    return read(answer.text)


async def test_a_spoken_call_is_told_by_every_process(watched: tuple[RunningPlatform, Collector, int]) -> None:
    running, collector, metrics = watched
    ready = running.ready
    operator = {"X-API-Key": ready["admin_key"]}
    seen: dict[str, Any] = {}

    def all_parts_are_ok() -> bool:
        seen.update(httpx2.get(f"{ready['api_url']}/api/v1/admin/health", headers=operator, timeout=15).json())
        return {part["status"] for part in seen["parts"].values()} == {"ok"}  # each has told of itself: none is absent

    await until(all_parts_are_ok)

    outcome = await converse(Ready.read(running.ready_file), load_questions(2), Watch())
    assert outcome.failure is None

    serve = scrape(ready["api_url"], Authorization=f"Bearer {ready['admin_key']}")
    jobs, worker, bots = (scrape(f"http://127.0.0.1:{metrics + place}") for place in range(3))
    assert value(serve, "parley_dispatch_total", outcome="with_token") >= 1
    assert value(serve, "parley_ticket_exchanges_total", outcome="opened") >= 1
    assert value(serve, "parley_reports_total", outcome="kept") >= 5
    assert value(jobs, "parley_database_up") == 1
    assert sum(jobs["parley_leader"].values()) == 5
    assert value(worker, "parley_worker_offers_total", outcome="accepted") >= 1
    assert value(worker, "parley_call_start_seconds_count") >= 1
    assert value(worker, "parley_turn_seconds_count", part="all") >= 2
    assert value(worker, "parley_model_attempts_total", service="llm", outcome="answered") >= 2
    assert value(worker, "parley_model_attempts_total", service="tts", outcome="answered") >= 2
    assert value(worker, "parley_knowledge_up") == 1
    assert value(bots, "parley_host_places") >= 1
    assert value(bots, "parley_uplink_up") == 1

    def call_is_whole() -> Spans | None:
        spans = collector.spans()
        ended = {span.trace_id for _, span in spans if span.name == "call"}
        begun = {span.trace_id for _, span in spans if span.name == "token"}
        return [each for each in spans if each[1].trace_id in ended & begun] or None

    spans = await until(call_is_whole)
    names = {(service, span.name) for service, span in spans}
    for name in ("token", "dispatch", "exchange", "report"):
        assert ("parley-serve", name) in names, names
    for name in ("worker.exchange", "join", "turn", "line", "call"):
        assert ("parley-worker", name) in names, names
    # Which parts took time at all differs: what is done before a turn is committed costs the caller nothing.
    assert any(name.startswith("turn.") for _, name in names), names
    assert len({span.trace_id for _, span in spans}) == 1
    told = "".join(str(span) for _, span in spans).casefold()
    for question in load_questions(2):
        assert question.ask.casefold() not in told
