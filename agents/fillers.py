"""No dead air: where speech is late, or stops in the middle, the caller hears a prepared sentence, twice at most; while
a tool works, as often as it takes."""

import asyncio
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, TypeVar

from livekit import rtc
from livekit.agents import llm, utils

DRY: Final = 2.0
"""Seconds of silence after which something is said. It is heard a little later."""
GIVEN_UP: Final = 2.3
"""Seconds of silence after the second sentence, after which the turn is lost."""
MOST: Final = 2
TICK: Final = 1e-3
"""Seconds that a timer may be early."""
LOOK_EVERY: Final = 0.1
"""Seconds between two looks at whether a caller hears something while a tool works."""

T = TypeVar("T")


class SilenceError(Exception):
    """Nothing came of a turn, and the caller has been asked for patience as often as one can be."""


class Sounds(Protocol):
    """Prepared sentences."""

    def filler(self, number: int) -> Sequence[rtc.AudioFrame]:
        """What asks for patience the first and the second time."""


class Quiet:
    """Since when a caller has waited for the persona's words. Seconds of the loop's clock."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._is_speaking = False

    def person(self, *, speaks: bool) -> None:
        """A person begins to speak, or falls silent."""
        self._is_speaking = speaks
        self._since = None if speaks else asyncio.get_running_loop().time()

    def turn(self) -> None:
        """An answer is thought of; of a typed line it is awaited from here on."""
        if self._since is None:
            self._since = asyncio.get_running_loop().time()

    def waited(self, since: float) -> None:
        """Nothing was heard since then, though the persona was at work."""
        if self._since is None and not self._is_speaking:
            self._since = since

    def answered(self) -> None:
        """The persona is heard, or has given up: what is silent after that is awaited from its own beginning."""
        self._since = None

    def since(self, begun: float) -> float | None:
        """From when on what was begun then is awaited; None while a person speaks."""
        if self._is_speaking:
            return None
        return begun if self._since is None else self._since


async def fill(
    frames: AsyncIterator[rtc.AudioFrame],
    sounds: Sounds,
    quiet: Quiet,
    *,
    given_up: float = GIVEN_UP,
) -> AsyncGenerator[rtc.AudioFrame, None]:
    """Frames as they come, with prepared ones where they are late. No frame waits for anything here.

    Raises `SilenceError` after `given_up` seconds of silence that follow the second sentence.
    """
    clock = asyncio.get_running_loop().time
    begun = clock()
    heard_until: float | None = None
    said = 0

    def due() -> float:
        since = quiet.since(begun) if heard_until is None else heard_until
        # Whoever speaks is not waiting; whether they still do is looked at again.
        return (clock() if since is None else since) + (DRY if said < MOST else given_up)

    coming = asyncio.ensure_future(_next(frames))
    try:
        while True:
            await asyncio.sleep(0)  # most frames of a sentence are there: no timer is set for those
            if not coming.done():
                await asyncio.wait({coming}, timeout=max(0.0, due() - clock()))
            if coming.done():
                if (frame := coming.result()) is None:
                    return
                coming = asyncio.ensure_future(_next(frames))
                pieces: Sequence[rtc.AudioFrame] = [frame]
            elif clock() < due() - TICK:
                continue
            elif said == MOST:
                raise SilenceError
            else:
                pieces = sounds.filler(said)
                said += 1
            for piece in pieces:
                heard_until = max(clock(), heard_until or 0.0) + piece.duration
                yield piece
    finally:
        await utils.aio.cancel_and_wait(coming)


async def start_speech(answer: AsyncIterator[T], quiet: Quiet, begin: T) -> AsyncGenerator[T, None]:
    """An answer as it comes; `begin` before it where it is late, so that what fills the silence is begun."""
    clock = asyncio.get_running_loop().time
    begun = clock()
    coming = asyncio.ensure_future(_next(answer))
    try:
        while not coming.done():
            since = quiet.since(begun)
            due = (clock() if since is None else since) + DRY
            await asyncio.wait({coming}, timeout=max(0.0, due - clock()))
            since = quiet.since(begun)
            if not coming.done() and since is not None and clock() >= since + DRY - TICK:
                yield begin
                break
        first = await coming
    finally:
        await utils.aio.cancel_and_wait(coming)
    if first is not None:
        yield first
        async for piece in answer:
            yield piece


class Company:
    """Keeps a caller company while tools work, which may take long and say nothing."""

    def __init__(self, quiet: Quiet, say: Callable[[int], Awaitable[None]], is_heard: Callable[[], bool]) -> None:
        """`say` has the first, second, … sentence heard and returns after it; `is_heard`: the persona is heard now."""
        self._quiet, self._say, self._is_heard = quiet, say, is_heard
        self._at_work = 0
        self._silent_since = 0.0
        self._keeping: asyncio.Task[None] | None = None

    def beside(self, tool: llm.Tool | llm.Toolset) -> llm.Tool | llm.Toolset:
        """A tool that is not left alone with its caller."""
        if not isinstance(tool, llm.FunctionTool | llm.RawFunctionTool):
            return tool
        work: Callable[..., Awaitable[Any]] = tool

        @functools.wraps(work, updated=())
        async def working(*args: Any, **options: Any) -> Any:
            async with self.kept():
                return await work(*args, **options)

        made: llm.Tool = type(tool)(working, tool.info)  # type: ignore[arg-type]
        return made

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """For the time of the block nobody waits in silence."""
        self._at_work += 1
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            self._at_work -= 1
            if not self._at_work and self._keeping is not None:
                self._keeping.cancel()  # what is being said ends by itself
                self._keeping = None
                if not self._is_heard():
                    self._quiet.waited(self._silent_since)

    async def _keep(self) -> None:
        clock = asyncio.get_running_loop().time
        self._silent_since, said = clock(), 0
        while True:
            since = self._quiet.since(self._silent_since)
            if since is None or self._is_heard():
                self._silent_since = clock()
            elif clock() >= since + DRY - TICK:
                await self._say(said)
                self._silent_since, said = clock(), said + 1
            await asyncio.sleep(LOOK_EVERY)


async def _next(pieces: AsyncIterator[T]) -> T | None:
    return await anext(pieces, None)
