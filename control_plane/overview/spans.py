"""Stretches of time as a reader sees them: days and hours of their zone, whatever its clocks do meanwhile."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Final, Literal
from zoneinfo import ZoneInfo, available_timezones

from control_plane.errors import InvalidRequest

Bucket = Literal["hour", "day"]
MOST: Final = 800
"""Buckets of one answer: a month of hours, two years of days."""
CALENDAR: Final = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
"""Within which times lie."""
_SHOWN: Final[dict[Bucket, timedelta]] = {"hour": timedelta(hours=23), "day": timedelta(days=29)}
"""How far before the present hour or day a series begins where nobody says when."""
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """From a moment up to another, which is no part of it. Both in UTC."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to see."""

    period: Span
    buckets: tuple[Span, ...]
    before: Span
    """As long as the period by the clocks of the zone, and up to its beginning."""
    today: Span
    """Up to now."""
    yesterday: Span
    """Up to the same time of day."""


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def read_zone(name: str) -> ZoneInfo:
    """A zone by its IANA name. Raises `InvalidRequest`."""
    if name not in _zones():
        raise InvalidRequest.field("timezone", "must be a zone of the IANA's list, such as Europe/Berlin")
    return ZoneInfo(name)


def read_spans(
    since: datetime | date | None, until: datetime | date | None, bucket: Bucket, zone: ZoneInfo, *, now: datetime
) -> Asked:
    """The stretches that an overview tells of. A date is a whole day of the zone; without an end it is now.

    Raises `InvalidRequest` for an end before its beginning, for too many buckets, and for times outside the calendar.
    """
    ends = now if until is None else _instant(until, zone, last=True)
    begins = _default(ends, bucket, zone) if since is None else _instant(since, zone)
    for field, moment in (("from", begins), ("to", ends)):
        if not CALENDAR[0] <= moment <= CALENDAR[1]:
            raise InvalidRequest.field(field, "must be between the years 2000 and 2200")
    if begins >= ends:
        raise InvalidRequest.field("to", "must be after from")
    period = Span(begins, ends)
    return Asked(period, cut(period, bucket, zone), before(period, zone), *days(now, zone))


def cut(period: Span, bucket: Bucket, zone: ZoneInfo) -> tuple[Span, ...]:
    """A period in hours or days of a zone; the first and the last may be shorter. Raises `InvalidRequest`."""
    step = next_hour if bucket == "hour" else next_day
    found: list[Span] = []
    begins = period.begins
    while begins < period.ends:
        if len(found) == MOST:
            raise InvalidRequest.field("from", f"is too long ago for {bucket}s: at most {MOST} are told at once")
        ends = min(step(begins, zone), period.ends)
        found.append(Span(begins, ends))
        begins = ends
    return tuple(found)


def next_hour(moment: datetime, zone: ZoneInfo) -> datetime:
    """When the zone's clocks show a full hour next. Where they are put forward over one, the hour before is longer."""
    later = moment + _HOUR
    past = _past_hour(later, zone)
    # Within the first hour it is the period that begins late; else clocks were moved by a part of an hour.
    return later - past if not past or _past_hour(moment, zone) else later + _HOUR - past


def _past_hour(moment: datetime, zone: ZoneInfo) -> timedelta:
    shown = moment.astimezone(zone)
    return timedelta(minutes=shown.minute, seconds=shown.second, microseconds=shown.microsecond)


def next_day(moment: datetime, zone: ZoneInfo) -> datetime:
    """When the zone's next day begins. A day that the zone left out has no length, and is not there."""
    day = moment.astimezone(zone).date() + _DAY
    while (midnight := instant(datetime.combine(day, time()), zone)) <= moment:
        day += _DAY
    return midnight


def before(period: Span, zone: ZoneInfo) -> Span:
    """What lies before a period, as long by the clocks of the zone: before a week lies a week, also when clocks
    were changed in one of them."""
    begins, ends = (moment.astimezone(zone).replace(tzinfo=None) for moment in (period.begins, period.ends))
    length = max(ends - begins, timedelta(microseconds=1))
    return Span(min(instant(begins - length, zone), period.begins), period.begins)


def days(now: datetime, zone: ZoneInfo) -> tuple[Span, Span]:
    """Today until now, and yesterday until the same time of day."""
    shown = now.astimezone(zone)
    midnight = instant(datetime.combine(shown.date(), time()), zone)
    former = instant(datetime.combine(shown.date() - _DAY, time()), zone)
    same = instant(shown.replace(tzinfo=None) - _DAY, zone)
    return Span(midnight, now), Span(former, min(max(same, former), midnight))


def instant(shown: datetime, zone: ZoneInfo) -> datetime:
    """When clocks of the zone show something, the first time they do."""
    return shown.replace(tzinfo=zone, fold=0).astimezone(UTC)


def _instant(given: datetime | date, zone: ZoneInfo, *, last: bool = False) -> datetime:
    try:
        if isinstance(given, datetime):
            return (given if given.tzinfo else given.replace(tzinfo=UTC)).astimezone(UTC)
        return instant(datetime.combine(given + _DAY if last else given, time()), zone)
    except OverflowError as error:
        raise InvalidRequest.field("to" if last else "from", "is outside the calendar") from error


def _default(ends: datetime, bucket: Bucket, zone: ZoneInfo) -> datetime:
    shown = (ends - timedelta(microseconds=1)).astimezone(zone).replace(tzinfo=None, fold=0)
    shown = shown.replace(minute=0, second=0, microsecond=0)
    if bucket == "day":
        shown = shown.replace(hour=0)
    return instant(shown - _SHOWN[bucket], zone)
