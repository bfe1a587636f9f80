"""What every provider of calendars has in common: events as read from it, pages of them, and what may go wrong.

CalendarError
├── Revoked     the credentials are refused for good; only new ones help
├── Refused     the provider will not do this: no such calendar, no right to it, an answer that makes no sense
├── Busy        not now: too many requests, a fault, no answer; with how long to wait where it said so
└── Outdated    the token of the last reading is not known any more: the whole window has to be read
"""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Final, Protocol, runtime_checkable
from zoneinfo import ZoneInfo

LONGEST_NAME: Final = 1000
LARGEST_RAW: Final = 64 * 1024
"""Characters of JSON; of a larger event what is long in it is left out."""
MOST_ATTENDEES: Final = 500


class CalendarError(Exception):
    """Base; `reason` may be shown to the calendar's owner."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Revoked(CalendarError):
    """New credentials are needed."""


class Refused(CalendarError):
    """A request that was not granted."""


class Busy(CalendarError):
    """Worth another try, after so many seconds where the provider said how many."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Outdated(CalendarError):
    """The changes since that reading are not known."""

    def __init__(self) -> None:
        super().__init__("the provider no longer knows what changed since the last reading")


@dataclass(frozen=True, slots=True)
class Window:
    """The time of which events are kept."""

    begin: datetime
    end: datetime

    def holds(self, event: "RemoteEvent") -> bool:
        """Whether an event is at least partly in it."""
        return event.starts_at < self.end and event.ends_at > self.begin


@dataclass(frozen=True, slots=True)
class RemoteCalendar:
    """A calendar as its provider lists it."""

    remote_id: str
    name: str
    email: str
    is_primary: bool = False


@dataclass(frozen=True, slots=True)
class RemoteEvent:
    """One occurrence as its provider tells of it."""

    remote_id: str
    name: str
    starts_at: datetime
    ends_at: datetime
    meeting_url: str = ""
    dial_in: dict[str, Any] | None = None
    series_id: str | None = None
    is_recurring: bool = False
    is_organizer: bool = False
    organizer_email: str | None = None
    attendees: list[dict[str, Any]] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)

    def digest(self) -> bytes:
        """A hash over all of it."""
        told = json.dumps([getattr(self, part.name) for part in fields(self)], sort_keys=True, default=str)
        return hashlib.sha256(told.encode("utf-8", "replace")).digest()


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events; the last page of a reading has the token for the next."""

    events: list[RemoteEvent] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    """Ids of events that are no more."""
    replaced: list[str] = field(default_factory=list)
    """Series of which this page holds every occurrence: those that it lacks are no more."""
    token: str | None = None


class Provider(Protocol):
    """One account's way to its calendars. Every method raises `CalendarError`."""

    async def calendars(self) -> list[RemoteCalendar]:
        """The calendars that these credentials open."""

    def read(self, remote_id: str, token: str | None, window: Window) -> AsyncIterator[EventPage]:
        """What changed since the reading that gave `token`, or without one all that is in the window."""


@runtime_checkable
class Watched(Protocol):
    """Providers that tell of changes by themselves."""

    async def watch(self, remote_id: str, *, channel: str, secret: str, address: str) -> tuple[str, str, datetime]:
        """Have changes told to an address; the channel's id, its resource, and until when."""

    async def unwatch(self, channel: str, resource: str) -> None:
        """No longer."""


@runtime_checkable
class Renewed(Watched, Protocol):
    """Those whose channels can be prolonged; of the others a new one takes the place of the old."""

    async def renew(self, channel: str) -> datetime:
        """Keep a channel for longer; until when."""


def clean(value: Any, depth: int = 16) -> Any:
    """JSON of a provider as PostgreSQL can hold it."""
    match value:
        case str():
            return value.replace("\x00", "").encode("utf-8", "replace").decode()
        case dict() if depth:
            return {clean(str(key)): clean(part, depth - 1) for key, part in value.items()}
        case list() if depth:
            return [clean(part, depth - 1) for part in value]
        case dict() | list():
            return None
        case bool() | None:
            return value
        case int() | float() if abs(value) < 2**63:
            return value
        case int() | float():
            return str(value)
    return str(value)


def clean_raw(event: dict[str, Any]) -> dict[str, Any]:
    """An event as it came, without what is too long to be kept for each."""
    cleaned: dict[str, Any] = clean(event)
    if len(json.dumps(cleaned)) <= LARGEST_RAW:
        return cleaned
    short = {name: value for name, value in cleaned.items() if len(json.dumps(value)) <= LONGEST_NAME}
    return short if len(json.dumps(short)) <= LARGEST_RAW else {}


def clean_name(name: object) -> str:
    """A title as it is kept."""
    return str(clean(str(name or "")))[:LONGEST_NAME]


def dicts(items: object) -> list[dict[str, Any]]:
    """The objects of a list, where it is one."""
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def written(moment: datetime) -> str:
    """A time as both Google and Microsoft read it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def zone_of(name: object) -> ZoneInfo:
    """A zone by its name; UTC where there is none of it."""
    try:
        return ZoneInfo(str(name or "UTC").strip())
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")
