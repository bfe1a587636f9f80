"""Spans as a collector would get them."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from guard import traces
from guard.otlp import SpanBook


class Collected:
    """What was sent."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def spans(self) -> list[ReadableSpan]:
        """In the order of their beginnings."""
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def names(self) -> list[str]:
        return [span.name for span in self.spans()]

    def one(self, name: str) -> ReadableSpan:
        (found,) = [span for span in self.spans() if span.name == name]
        return found

    def trace_ids(self) -> set[str]:
        return {f"{span.context.trace_id:032x}" for span in self.spans() if span.context}

    def text(self) -> str:
        """All that a collector could read."""
        return "\n".join(span.to_json() for span in self.spans())


@contextmanager
def collecting(*, ratio: float = 1.0) -> Iterator[Collected]:
    """Have all traces of this process for the time of the block."""
    exporter = InMemorySpanExporter()
    traces.use(SpanBook(SimpleSpanProcessor(exporter), service="test", ratio=ratio))
    try:
        yield Collected(exporter)
    finally:
        traces.close()
