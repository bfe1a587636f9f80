"""iCalendar (RFC 5545): from text to the occurrences of a window. Pure, and bounded whatever the text says."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

import recurring_ical_events
import structlog
from icalendar import Calendar as Parsed

from control_plane.calendars.meeting_links import find_dial_in, find_meeting_url
from control_plane.calendars.remote import (
    MOST_ATTENDEES,
    RemoteEvent,
    Window,
    clean,
    clean_name,
    clean_raw,
    zone_of,
)

AT_ONCE: Final = 50
"""Objects that are read together."""
MOST_OCCURRENCES: Final = 2000
"""Of one series in a window."""
LONGEST_ZONE: Final = 16_384
"""Bytes of a calendar's own zone, which is read again with each object that names it."""
MOST_ZONES: Final = 8
"""Of those that one object names."""
MOST_STEPS: Final = 200_000
"""From a series' first day to the end of the window; a daily one may have begun in the year 1500."""
_PER_DAY: Final = {"SECONDLY": 86_400.0, "MINUTELY": 1440.0, "HOURLY": 24.0}
_FINER: Final = {"BYHOUR": ("DAILY",), "BYMINUTE": ("DAILY", "HOURLY"), "BYSECOND": ("DAILY", "HOURLY", "MINUTELY")}
"""Parts of a rule that multiply its occurrences, and the frequencies where they do; slower than daily is as daily."""
_LONGEST_MONTH: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_UNFOLD: Final = re.compile(rb"\r?\n[ \t]")
_KINDS: Final = (b"VEVENT", b"VTIMEZONE")
_UID: Final = re.compile(rb"^UID[^:\r\n]*:(.*?)\r?$", re.MULTILINE | re.IGNORECASE)
_NAMED: Final = re.compile(rb"[;\n]TZID[=:]\"?([^\":;\r\n]+)", re.IGNORECASE)
_ZONE: Final = re.compile(rb"^X-WR-TIMEZONE[^:\r\n]*:(.*?)\r?$", re.MULTILINE | re.IGNORECASE)
_LINKS: Final = (
    "CONFERENCE",
    "X-GOOGLE-CONFERENCE",
    "X-MICROSOFT-SKYPETEAMSMEETINGURL",
    "X-MICROSOFT-ONLINEMEETINGCONFLINK",
    "LOCATION",
    "URL",
    "DESCRIPTION",
    "X-ALT-DESC",
)

Part = Any
"""A component of icalendar: what a property of it is depends on its name and value."""

log = structlog.get_logger()


def split(text: bytes) -> tuple[dict[str, list[bytes]], bytes]:
    """The events of a calendar's text by their UID, and what they have in common: zones."""
    unfolded = _UNFOLD.sub(b"", text)
    objects: dict[str, list[bytes]] = {}
    zones: list[bytes] = []
    for kind, block in _blocks(unfolded):
        if kind == b"VTIMEZONE":
            if len(block) <= LONGEST_ZONE:
                zones.append(block)
            continue
        uid = _UID.search(block)
        name = uid[1].decode("utf-8", "replace").strip() if uid else hashlib.sha256(block).hexdigest()
        objects.setdefault(clean(name)[:500], []).append(block)
    zone = _ZONE.search(unfolded)
    head = [b"X-WR-TIMEZONE:" + zone[1]] if zone else []
    return objects, b"\r\n".join([*head, *zones])


def _blocks(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each event and zone, in one pass: neither holds the other, so what begins anew has not ended before."""
    kind, block = b"", list[bytes]()
    for line in text.split(b"\n"):
        edge, _, name = line[:40].strip().upper().partition(b":")
        if edge == b"BEGIN" and name in _KINDS:
            kind, block = name, []
        if kind:
            block.append(line.rstrip(b"\r"))
        if kind and edge == b"END" and name == kind:
            yield kind, b"\r\n".join(block)
            kind = b""


def expand(
    objects: Mapping[str, Sequence[bytes]], shared: bytes, window: Window, *, own: str, email: str = ""
) -> list[RemoteEvent]:
    """The occurrences of these objects in a window; an object that cannot be read has none.

    The name of an object is the id of its series.
    """
    events: list[RemoteEvent] = []
    zones = {named[1].strip(): block for _, block in _blocks(shared) if (named := _NAMED.search(block))}
    head = shared.partition(b"BEGIN:")[0].rstrip()
    for name, blocks in objects.items():
        wanted = dict.fromkeys(zone.strip() for block in blocks for zone in _NAMED.findall(block))
        needed = [head, *[zones[zone] for zone in wanted if zone in zones][:MOST_ZONES]]
        try:
            events += _expand(name, blocks, b"\r\n".join(filter(None, needed)), window, own=own, email=email)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError) as error:
            log.info("calendar object not read", problem=type(error).__name__)
    return events


def chunks(objects: Mapping[str, Sequence[bytes]]) -> Iterator[dict[str, Sequence[bytes]]]:
    """Some objects at a time."""
    names = list(objects)
    for first in range(0, len(names), AT_ONCE):
        yield {name: objects[name] for name in names[first : first + AT_ONCE]}


def _expand(
    name: str, blocks: Sequence[bytes], shared: bytes, window: Window, *, own: str, email: str
) -> Iterator[RemoteEvent]:
    # Zones are read only by what names one that the system does not know.
    text = b"\r\n".join([b"BEGIN:VCALENDAR", b"VERSION:2.0", b"PRODID:-", shared, *blocks, b"END:VCALENDAR", b""])
    calendar = Parsed.from_ical(text)
    assert isinstance(calendar, Parsed)
    zone = zone_of(calendar.get("X-WR-TIMEZONE"))
    parts: list[Part] = calendar.walk("VEVENT")
    recurring = any(part.get("RRULE") or part.get("RDATE") for part in parts)
    if not recurring and len(parts) == 1:
        occurrences: list[Part] = list(parts)
    elif all(_is_bounded(part, window) for part in parts):
        query = recurring_ical_events.of(calendar, skip_bad_series=True)
        occurrences = query.between(window.begin, window.end)[:MOST_OCCURRENCES]
    else:
        log.info("calendar series left out: it has too many occurrences")
        return
    for part in occurrences:
        event = _event(name, part, zone, recurring=recurring, own=own, email=email)
        if event is not None and window.holds(event):
            yield event


def _is_bounded(part: Part, window: Window) -> bool:
    """Whether all that a rule asks for can be worked out in a moment."""
    rules = part.get("RRULE") or []
    for rule in rules if isinstance(rules, list) else [rules]:
        frequency = str((rule.get("FREQ") or [""])[0]).upper()
        per_day = _PER_DAY.get(frequency, 1.0)
        kind = frequency if frequency in _PER_DAY else "DAILY"
        for finer, where in _FINER.items():
            if kind in where:
                per_day *= max(1, len(rule.get(finer) or ()))
        interval = int((rule.get("INTERVAL") or [1])[0])
        if interval < 1:  # such a rule never gets on
            return False
        began = _moment(part["DTSTART"].dt, ZoneInfo("UTC"))
        days = max(1.0, (window.end - began).total_seconds() / 86_400)
        ahead = (window.end - window.begin).total_seconds() / 86_400
        if days * per_day / interval > MOST_STEPS or ahead * per_day / interval > MOST_OCCURRENCES:
            return False
        months, monthdays = rule.get("BYMONTH") or (), rule.get("BYMONTHDAY") or ()
        if months and monthdays and not _ever(months, monthdays):
            return False
    return True


def _ever(months: Sequence[Any], days: Sequence[Any]) -> bool:
    """Whether one of the months has one of the days: a rule for the 30th of February is searched for ever."""
    longest = max(_LONGEST_MONTH[(int(month) - 1) % 12] for month in months)
    return any(abs(int(day)) <= longest for day in days)


def _event(name: str, part: Part, zone: ZoneInfo, *, recurring: bool, own: str, email: str) -> RemoteEvent | None:
    if str(part.get("STATUS", "")).upper() == "CANCELLED" or "DTSTART" not in part:
        return None
    start: Any = part["DTSTART"].dt
    starts_at = _moment(start, zone)
    ends_at = _moment(part.end, zone)
    which = part.get("RECURRENCE-ID")
    occurrence = _moment(which.dt, zone) if which is not None else starts_at
    organizer = _address(part.get("ORGANIZER"))
    description = _texts(part, "DESCRIPTION")
    attendees = part.get("ATTENDEE") or []
    return RemoteEvent(
        remote_id=f"{name}#{occurrence:%Y%m%dT%H%M%SZ}" if recurring or which is not None else name,
        name=clean_name(part.get("SUMMARY")),
        starts_at=starts_at,
        ends_at=max(ends_at, starts_at),
        meeting_url=find_meeting_url([text for link in _LINKS for text in _texts(part, link)], own=own),
        dial_in=find_dial_in(description),
        series_id=name,
        is_recurring=recurring,
        is_organizer=bool(email) and organizer.lower() == email.lower(),
        organizer_email=organizer or None,
        attendees=[
            {"email": _address(one), "name": clean(str(one.params["CN"])) if "CN" in one.params else None}
            for one in (attendees if isinstance(attendees, list) else [attendees])[:MOST_ATTENDEES]
            if _address(one)
        ],
        raw=clean_raw({"ical": _raw(part)}),
    )


def _raw(part: Part) -> str:
    """The occurrence as text, without the moment of its writing, which is another at each request."""
    lines = part.to_ical().decode("utf-8", "replace").split("\r\n")
    return "\r\n".join(line for line in lines if not line.startswith(("DTSTAMP", "LAST-MODIFIED")))


def _moment(given: date | datetime, zone: ZoneInfo) -> datetime:
    """A time in UTC; one without a zone, and a day, are those of the calendar's."""
    if not isinstance(given, datetime):
        given = datetime.combine(given, time())
    return (given if given.tzinfo else given.replace(tzinfo=zone)).astimezone(UTC)


def _texts(part: Part, name: str) -> list[str]:
    found = part.get(name)
    return [str(each) for each in (found if isinstance(found, list) else [found]) if each is not None]


def _address(given: object) -> str:
    text = str(given or "")
    return str(clean(text[len("mailto:") :] if text.lower().startswith("mailto:") else ""))[:320]
