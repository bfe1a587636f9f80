"""Traces: off they cost and import nothing; on, all spans of a call hang under one root."""

import subprocess
import sys

import pytest

from guard import traces
from tests.support.database import CHECKOUT
from tests.support.tracing import collecting

OFF = """
import sys
import {module}
from guard import traces
traces.configure(None, service="test")
assert traces.trace_of("seed") == ""
with traces.span("token", traces.trace_of("seed"), root=True):
    pass
assert traces.record("turn", "", 0.0, 1.0) == ""
makers = ("opentelemetry.sdk.trace", "opentelemetry.exporter", "guard.otlp")  # others of ours count with its counters
loaded = [name for name in sys.modules if name.startswith(makers)]
assert not loaded, loaded
"""


@pytest.mark.parametrize("module", ["control_plane.app", "guard.traces"])
def test_without_an_address_nothing_of_it_is_imported(module: str) -> None:
    program = OFF.format(module=module)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr


def test_where_it_is_wanted_and_not_installed_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "LIBRARY", "guard.nowhere")
    with pytest.raises(traces.TracesMissingError, match=r"parley\[traces\]"):
        traces.configure("http://127.0.0.1:1", service="test")


def test_spans_of_one_seed_are_one_trace_with_one_root() -> None:
    with collecting() as collected:
        trace = traces.trace_of("a place")
        assert trace == traces.trace_of("a place") != traces.trace_of("another place")
        with traces.span("token", trace, root=True):
            pass
        turn = traces.record("turn", trace, 10.0, 12.0, {"passages": 2})
        traces.record("turn.model", trace, 10.5, 11.0, parent=turn)
    root, turn_span, part = collected.one("token"), collected.one("turn"), collected.one("turn.model")
    assert collected.trace_ids() == {trace}
    assert root.parent is None
    assert root.context is not None
    assert f"{root.context.span_id:016x}" == traces.root_of(trace)
    assert turn_span.parent is not None
    assert turn_span.context is not None
    assert turn_span.parent.span_id == root.context.span_id
    assert part.parent is not None
    assert part.parent.span_id == turn_span.context.span_id
    assert (turn_span.start_time, turn_span.end_time) == (10_000_000_000, 12_000_000_000)
    assert dict(turn_span.attributes or {}) == {"passages": 2}


def test_of_an_error_its_kind_is_told_and_not_its_text() -> None:
    with (
        collecting() as collected,
        pytest.raises(ValueError, match="canary"),
        traces.span("report", traces.trace_of("a place")),
    ):
        raise ValueError("canary said so")
    assert collected.one("report").status.description == "ValueError"
    assert "canary" not in collected.text()


def test_a_part_of_all_calls_is_the_same_one_in_every_process() -> None:
    chosen: list[set[str]] = []
    for _ in ("serve", "worker"):
        with collecting(ratio=0.5) as collected:
            for number in range(200):
                traces.record("turn", traces.trace_of(f"place {number}"), 0.0, 1.0)
        chosen.append(collected.trace_ids())
    assert chosen[0] == chosen[1]
    assert 50 < len(chosen[0]) < 150
