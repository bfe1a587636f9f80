"""When a delivery is tried, and what an answer means for it. Pure."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Final, NamedTuple

RETRIES: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600)
)
"""Pauses after the first, second, … failed try. The last try is the one after the last pause."""
TRIES: Final = len(RETRIES) + 1
JITTER: Final = 0.1
"""Each pause is up to this part shorter or longer, so that what failed together does not come back together."""
RETRY_AFTER_LIMIT: Final = timedelta(hours=1)
"""The longest pause that a receiver may ask for beyond the schedule."""
ASKS_TO_WAIT: Final = (429, 503)
GONE: Final = 410
DISABLE_AFTER: Final = timedelta(days=5)
"""An endpoint whose every try has failed for this long is switched off."""

Dice = Callable[[], float]
"""A random number from 0 up to 1."""


class Tried(NamedTuple):
    """One try: when it began, how long it took, and what came back; `status` None where nothing did."""

    at: datetime
    latency_ms: float
    status: int | None = None
    error: str | None = None
    response: str = ""
    headers: Mapping[str, str] = MappingProxyType({})
    retry_after: timedelta | None = None

    @property
    def succeeded(self) -> bool:
        """Only 2xx is success: a redirect is not followed, so nothing arrived where it should."""
        return self.status is not None and 200 <= self.status < 300


def next_try(tried: Tried, number: int, *, now: datetime, dice: Dice) -> datetime | None:
    """When to try again after the `number`-th try failed; None: never."""
    if tried.status == GONE or number >= TRIES:
        return None
    pause = RETRIES[number - 1] * (1 + JITTER * (2 * dice() - 1))
    if tried.status in ASKS_TO_WAIT and tried.retry_after is not None:
        pause = max(pause, min(tried.retry_after, RETRY_AFTER_LIMIT))
    return now + pause


def read_retry_after(value: str | None, *, now: datetime) -> timedelta | None:
    """The header `Retry-After`, in seconds or as a date; None for what is neither."""
    if value is None:
        return None
    if value.isascii() and value.isdigit():
        return timedelta(seconds=min(int(value[:9]), RETRY_AFTER_LIMIT.total_seconds()))
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return max((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now, timedelta())
