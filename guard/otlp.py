"""Spans by OpenTelemetry's library. Loaded only where traces are wanted: see `guard.traces`.

The provider is ours alone and never the process's global one: other libraries that find that one write what people say
into their spans.
"""

from collections.abc import Mapping
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags, set_span_in_context

from guard.traces import Attribute, Book, root_of

LAST_WORDS: Final = 3000
"""Milliseconds to send what is left at the end of a process."""
NANOSECONDS: Final = 1_000_000_000


class _Ids(RandomIdGenerator):
    """Ids of first spans are derived, and given by whoever is about to begin one. All of one thread at a time."""

    def __init__(self) -> None:
        self.given: tuple[int, int] | None = None

    def generate_trace_id(self) -> int:
        return self.given[0] if self.given else super().generate_trace_id()

    def generate_span_id(self) -> int:
        return self.given[1] if self.given else super().generate_span_id()


class SpanBook:
    """Writes spans to a processor, which sends them in the background and drops what is too much for it."""

    def __init__(self, processor: SpanProcessor, *, service: str, ratio: float = 1.0) -> None:
        self._ids = _Ids()
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": service}),
            id_generator=self._ids,
            sampler=TraceIdRatioBased(ratio),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("parley")

    def write(
        self,
        name: str,
        trace: str,
        begin: float,
        end: float,
        *,
        root: bool,
        parent: str,
        failure: str,
        attributes: Mapping[str, Attribute],
    ) -> str:
        """A span that is over; its id."""
        trace_id, above = int(trace, 16), int(parent or root_of(trace), 16)
        context = Context()
        if not root:
            known = SpanContext(trace_id, above, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
            context = set_span_in_context(NonRecordingSpan(known), context)
        self._ids.given = (trace_id, above) if root else None
        started = self._tracer.start_span(name, context, start_time=round(begin * NANOSECONDS), attributes=attributes)
        self._ids.given = None
        if failure:
            started.set_status(Status(StatusCode.ERROR, failure))
        started.end(round(end * NANOSECONDS))
        return f"{started.get_span_context().span_id:016x}"

    def close(self) -> None:
        """Send the rest."""
        self._provider.force_flush(LAST_WORDS)
        self._provider.shutdown()


def open_book(endpoint: str, *, service: str, ratio: float) -> Book:
    """A book whose spans go to a collector. Headers, time limits and certificates are those of OpenTelemetry's own
    variables, `OTEL_EXPORTER_OTLP_…`."""
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    return SpanBook(BatchSpanProcessor(exporter), service=service, ratio=ratio)
