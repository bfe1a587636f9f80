"""One trace for each call, from its token to its last line, across all processes. Off unless it is told where to go.

Off, nothing of OpenTelemetry is imported, and asking for a span costs a look at a variable.

Nobody needs to be asked for the ids: a trace is derived from the nonce of the call's place, and its first span from the
trace. So whoever knows the place, or was told the trace, hangs its spans under the same root. What is written to a span
are times, numbers and words of ours: never what a person said, is called or is called by.
"""

import hashlib
import importlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

LIBRARY: Final = "guard.otlp"
Attribute = str | int | float | bool


class TracesMissingError(RuntimeError):
    """Traces are wanted, and what makes them is not installed."""


class Book(Protocol):
    """Where spans are written."""

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
    ) -> str: ...

    def close(self) -> None: ...


_book: Book | None = None


def configure(endpoint: str | None, *, service: str, ratio: float = 1.0) -> None:
    """Send this process's spans to a collector by OTLP over HTTP: `http://collector:4318`; None: make none.

    `ratio` of all calls are traced, by all processes the same ones. Raises `TracesMissingError`.
    """
    if not endpoint:
        return
    try:
        library: Any = importlib.import_module(LIBRARY)
    except ImportError as error:
        raise TracesMissingError("traces need an extra of this package: install parley[traces]") from error
    use(library.open_book(endpoint, service=service, ratio=ratio))


def use(book: Book | None) -> None:
    """Write spans there; None: nowhere."""
    global _book
    _book = book


def close() -> None:
    """Send what was written and not sent, within seconds. It waits: call it in a thread, or at the very end."""
    book = _book
    use(None)
    if book is not None:
        book.close()


def trace_of(seed: str) -> str:
    """The trace of whatever has this seed; empty while there are none."""
    return hashlib.sha256(f"parley trace {seed}".encode()).hexdigest()[:32] if _book is not None and seed else ""


def root_of(trace: str) -> str:
    """The id of a trace's first span."""
    return hashlib.sha256(f"parley root {trace}".encode()).hexdigest()[:16]


def record(
    name: str,
    trace: str,
    begin: float,
    end: float,
    attributes: Mapping[str, Attribute] | None = None,
    *,
    root: bool = False,
    parent: str = "",
    failure: str = "",
) -> str:
    """A span that is over, in Unix seconds; its id, or nothing where there are no traces.

    It hangs under `parent`, else under the trace's root, unless it is that itself. `failure` is the name of what went
    wrong, in words of ours.
    """
    if _book is None or not trace:
        return ""
    return _book.write(
        name, trace, begin, max(begin, end), root=root, parent=parent, failure=failure, attributes=attributes or {}
    )


@contextmanager
def span(
    name: str, trace: str, attributes: Mapping[str, Attribute] | None = None, *, root: bool = False
) -> Iterator[None]:
    """A span of what is done within the block. Of an error its kind is told, and not its text."""
    if _book is None or not trace:
        yield
        return
    begin, failure = time.time(), ""
    try:
        yield
    except BaseException as error:
        failure = type(error).__name__
        raise
    finally:
        record(name, trace, begin, time.time(), attributes, root=root, failure=failure)
