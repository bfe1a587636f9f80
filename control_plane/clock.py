"""The one place that reads the time, so that tests can turn it."""

from datetime import UTC, datetime
from typing import overload


class Clock:
    """The wall clock, in UTC."""

    def now(self) -> datetime:
        """The current moment."""
        return datetime.now(UTC)


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
