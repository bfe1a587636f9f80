"""The one place that reads the time, so that tests can turn it.

Two clocks of one host differ, and any may be set while we run. What is written down is a moment of the wall clock; how
long something lasts that a process watches is counted by its own monotonic clock.
"""

import asyncio
import time
from collections.abc import Hashable
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, TypeVar, overload

SKEW: Final = timedelta(minutes=15)
"""What clocks may differ by: only what is older than that by the wall clock alone is certainly old."""

BLIND: Final = timedelta(seconds=4)
"""Whoever looks each second and has not for this long does not know what happened meanwhile."""

K = TypeVar("K", bound=Hashable)


class Clock:
    """The wall clock, in UTC, and the one that no setting moves."""

    def now(self) -> datetime:
        """The current moment."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment; only differences mean anything, and only in this process."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for so long."""
        await asyncio.sleep(seconds)


class Sight:
    """For how long this process has seen what goes on: nobody is given up for what could not be seen meanwhile."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = self._last = clock.monotonic()

    def look(self) -> float:
        """This process has just looked; seconds for which it has, never blind in between."""
        now = self._clock.monotonic()
        if now - self._last > BLIND.total_seconds():
            self._since = now
        self._last = now
        return now - self._since


class Stillness(Generic[K]):
    """For how long this process has seen things unchanged, whatever any wall clock says of them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[K, tuple[object, float]] = {}
        self._before: dict[K, tuple[object, float]] = {}

    def look(self) -> None:
        """Begin another look at all there are; what was not met in the one before is forgotten."""
        self._before, self._seen = self._seen, {}

    def of(self, key: K, state: object = None) -> float:
        """Seconds for which it has been met in this state by each look."""
        now = self._clock.monotonic()
        former, since = self._before.get(key, (state, now))
        self._seen[key] = (state, since if former == state else now)
        return now - self._seen[key][1]


def iso(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC with `Z`, seconds precision, as the API writes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


@overload
def iso_ms(moment: datetime) -> str: ...


@overload
def iso_ms(moment: datetime | None) -> str | None: ...


def iso_ms(moment: datetime | None) -> str | None:
    """The same with milliseconds, as events and other services write them."""
    if moment is None:
        return None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
