"""Every await on a durable path by name, and a process that ends at one of them.

Whenever a task suspends, the innermost frame of ours says where: `control_plane.tokens.service.TokenService.issue#2` is
the second await of that function, in the order of its code. Each has two points: `>`, it has asked and has no answer
yet, and `<`, it has its answer and has done nothing with it. Code that is watched knows nothing of it: a task factory
puts a driver around each coroutine. Writing and removing files, which no loop sees, are points as well, before and
after: `agents.spool._Job.append!fdatasync>`.
"""

import asyncio
import dis
import gc
import os
import signal
import sys
import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Iterator
from functools import cache
from pathlib import Path
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, GeneratorType
from typing import Any, Final

DURABLE: Final = ("control_plane.", "agents.spool", "agents.uplink", "knowledge.", "sip.")
"""Modules whose awaits have names."""
PLUMBING: Final = (
    "control_plane.app",
    "control_plane.db.",
    "control_plane.events.live",
    "control_plane.events.tail",
    "control_plane.events.wake",
    "control_plane.gate.cors",
    "control_plane.gate.keys",
    "control_plane.gate.middleware",
    "control_plane.gate.turns",
    "control_plane.gate.window",
    "control_plane.middleware",
    "control_plane.monitor.",
    "control_plane.uplink.routes",
)
"""Of these not: they wait for others, or on behalf of whoever calls them, who has a name."""
PACKAGES: Final = ("agents", "control_plane", "knowledge", "sip")
CHECKOUT: Final = Path(__file__).parents[2]
ASKED, ANSWERED = ">", "<"
FILES: Final = ("fdatasync", "fsync", "replace", "rename", "unlink")
"""Functions of `os` that change what is on disk."""

_OPAQUE: Final = {"coroutine_wrapper", "async_generator_asend", "async_generator_athrow", "anext_awaitable"}
"""What stands between two frames and says of neither."""
_WAITS: Final = {"GET_AWAITABLE", "GET_ANEXT"}


def is_durable(module: str) -> bool:
    """Whether awaits of a module have names."""
    return f"{module}.".startswith(DURABLE) and not f"{module}.".startswith(PLUMBING) and module not in PLUMBING


@cache
def awaits_of(code: CodeType) -> tuple[int, ...]:
    """Where a function waits: places in its code, in their order."""
    return tuple(step.offset for step in dis.get_instructions(code) if step.opname in _WAITS)


def frames_of(waiting: Any) -> Iterator[FrameType]:
    """The frames that a task stands in, from the outermost on."""
    while waiting is not None:
        match waiting:
            case CoroutineType():
                frame, waiting = waiting.cr_frame, waiting.cr_await
            case GeneratorType():
                frame, waiting = waiting.gi_frame, waiting.gi_yieldfrom
            case AsyncGeneratorType():
                frame, waiting = waiting.ag_frame, waiting.ag_await
            case _ if type(waiting).__name__ in _OPAQUE:
                held = (CoroutineType, AsyncGeneratorType, GeneratorType)
                found = [each for each in gc.get_referents(waiting) if isinstance(each, held)]
                frame, waiting = None, found[0] if found else None
            case _:
                return
        if frame is not None:
            yield frame


def place_of(waiting: Any) -> str | None:
    """The name of the await that a task stands at; None where none of ours is on a durable path."""
    found = None
    for frame in frames_of(waiting):
        if is_durable(frame.f_globals.get("__name__", "")):
            found = frame
    if found is None:
        return None
    number = bisect_right(awaits_of(found.f_code), found.f_lasti)
    return f"{found.f_globals['__name__']}.{found.f_code.co_qualname}#{number}"


def names_in(module: str, code: CodeType) -> Iterator[str]:
    """The names of all awaits of a module, from its compiled code."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from (f"{module}.{inner.co_qualname}#{number}" for number in range(1, len(awaits_of(inner)) + 1))
            yield from names_in(module, inner)


def all_names() -> list[str]:
    """The names of all awaits on durable paths, reached or not."""
    names = []
    for path in sorted(each for package in PACKAGES for each in (CHECKOUT / package).rglob("*.py")):
        module = ".".join(path.relative_to(CHECKOUT).with_suffix("").parts)
        if is_durable(module):
            names += names_in(module, compile(path.read_text(), str(path), "exec"))
    return names


class Watch:
    """Counts the points that are reached while it looks, and ends the process at one of them."""

    def __init__(self, point: str = "", time: int = 1) -> None:
        self.point, self.time = point, time
        self.looks = False
        self.reached: Counter[str] = Counter()

    def reach(self, point: str) -> None:
        """A point is reached."""
        if not self.looks:
            return
        self.reached[point] += 1
        if point == self.point and self.reached[point] == self.time:
            os.kill(os.getpid(), signal.SIGKILL)
            threading.Event().wait()  # a thread may run on for a moment

    def install(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch the tasks of a loop that begin from now on, and what is done with files."""
        loop.set_task_factory(lambda loop, coro, **more: asyncio.Task(Driven(coro, self), loop=loop, **more))
        for name in FILES:
            setattr(os, name, self._watched(name, getattr(os, name)))

    def _watched(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **more: Any) -> Any:
            place = self._place_of_caller(name)
            if place is None:
                return function(*given, **more)
            self.reach(place + ASKED)
            result = function(*given, **more)
            self.reach(place + ANSWERED)
            return result

        return call

    def _place_of_caller(self, name: str) -> str | None:
        frame: FrameType | None = sys._getframe(2) if self.looks else None
        while frame is not None:
            module = frame.f_globals.get("__name__", "")
            if is_durable(module):
                return f"{module}.{frame.f_code.co_qualname}!{name}"
            frame = frame.f_back
        return None


class Driven(Coroutine[Any, Any, Any]):
    """A coroutine whose suspensions are seen."""

    def __init__(self, inner: Any, watch: Watch) -> None:
        self._inner, self._watch = inner, watch
        self._place: str | None = None

    def send(self, value: Any) -> Any:
        self._goes_on()
        asked = self._inner.send(value)
        self._waits()
        return asked

    def throw(self, *error: Any) -> Any:
        self._goes_on()
        asked = self._inner.throw(*error)
        self._waits()
        return asked

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._inner.__await__()  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)  # its frame and its state: others ask for them

    def _waits(self) -> None:
        self._place = place_of(self._inner) if self._watch.looks else None
        if self._place is not None:
            self._watch.reach(self._place + ASKED)

    def _goes_on(self) -> None:
        if self._place is not None:
            place, self._place = self._place, None
            self._watch.reach(place + ANSWERED)
