"""Occurrences of iCalendar's rules: bounded, and right where clocks change."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from control_plane.calendars.recurrence import MOST_OCCURRENCES, expand, split
from control_plane.calendars.remote import RemoteEvent, Window

NOW = datetime(2026, 10, 20, tzinfo=UTC)
WINDOW = Window(NOW - timedelta(days=1), NOW + timedelta(days=90))
BERLIN = "DTSTART;TZID=Europe/Berlin"


def occurrences(*lines: str, head: str = "VERSION:2.0") -> list[RemoteEvent]:
    """What an event with these lines comes to."""
    text = ["BEGIN:VCALENDAR", head, "BEGIN:VEVENT", "UID:one", "DTSTAMP:20260101T000000Z", *lines, "END:VEVENT"]
    objects, shared = split("\r\n".join([*text, "END:VCALENDAR", ""]).encode())
    return expand(objects, shared, WINDOW, own="https://voice.example.org", email="ada@example.org")


def test_nine_o_clock_is_nine_o_clock_before_and_after_the_clocks_change() -> None:
    # Berlin leaves summer time on 2026-10-25.
    rule = "RRULE:FREQ=DAILY;COUNT=3"
    found = occurrences(f"{BERLIN}:20261024T090000", "DTEND;TZID=Europe/Berlin:20261024T093000", rule)
    assert [event.starts_at.isoformat() for event in found] == [
        "2026-10-24T07:00:00+00:00",
        "2026-10-25T08:00:00+00:00",
        "2026-10-26T08:00:00+00:00",
    ]
    assert {event.ends_at - event.starts_at for event in found} == {timedelta(minutes=30)}


def test_a_whole_day_begins_where_the_calendar_is() -> None:
    [found] = occurrences("DTSTART;VALUE=DATE:20261026", head="X-WR-TIMEZONE:America/New_York")
    assert (found.starts_at.isoformat(), found.ends_at.isoformat()) == (
        "2026-10-26T04:00:00+00:00",
        "2026-10-27T04:00:00+00:00",
    )


def test_a_zone_of_windows_is_known() -> None:
    [found] = occurrences("DTSTART;TZID=W. Europe Standard Time:20261101T090000", "DURATION:PT1H")
    assert found.starts_at.isoformat() == "2026-11-01T08:00:00+00:00"


def test_a_recurrence_of_a_hundred_years_ends_with_the_window() -> None:
    found = occurrences("DTSTART:19700101T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;UNTIL=20700101T000000Z")
    assert len(found) == 91
    assert found[-1].starts_at < WINDOW.end


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY",
        "FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7,8,9,10,11;BYMINUTE=0,5,10,15,20,25,30;BYSECOND=0,30",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=HOURLY",
        "FREQ=DAILY;INTERVAL=0",
    ],
)
def test_a_rule_that_would_take_for_ever_is_left_out_at_once(rule: str) -> None:
    began = time.process_time()
    assert occurrences("DTSTART:19000101T100000Z", f"RRULE:{rule}") == []
    assert time.process_time() - began < 5


def test_no_series_has_more_occurrences_than_are_kept() -> None:
    assert len(occurrences("DTSTART:20261020T000000Z", "DURATION:PT1M", "RRULE:FREQ=HOURLY")) <= MOST_OCCURRENCES


def test_what_is_cancelled_excluded_or_broken_does_not_take_place() -> None:
    daily = ["DTSTART:20261021T100000Z", "RRULE:FREQ=DAILY;COUNT=3"]
    assert len(occurrences(*daily, "EXDATE:20261022T100000Z")) == 2
    assert occurrences("DTSTART:20261021T100000Z", "STATUS:CANCELLED") == []
    assert occurrences("DTSTART:soon") == []
    assert occurrences("DTSTART:20261021T100000Z", "RRULE:FREQ=NEVER") == []
    assert occurrences("SUMMARY:no start") == []
    assert occurrences("DTSTART:20261021T100000Z", "RRULE:FREQ=DAILY;INTERVAL=0;COUNT=2") is not None


def test_people_and_the_meeting_are_read() -> None:
    [found] = occurrences(
        "DTSTART:20261021T100000Z",
        "SUMMARY:Review\\, weekly",
        "ORGANIZER;CN=Ada:mailto:Ada@example.org",
        'ATTENDEE;CN="Bob B.":mailto:bob@example.org',
        "DESCRIPTION:Join at https://voice.example.org/join/abc-def",
    )
    assert (found.name, found.is_organizer) == ("Review, weekly", True)
    assert found.attendees == [{"email": "bob@example.org", "name": "Bob B."}]
    assert found.meeting_url == "https://voice.example.org/join/abc-def"


def test_the_same_feed_written_at_another_moment_is_no_change() -> None:
    lines = ["DTSTART:20261021T100000Z", "SUMMARY:One"]
    [one] = occurrences(*lines)
    [again] = occurrences(*lines, "LAST-MODIFIED:20261001T000000Z")
    assert one.digest() == again.digest()


@pytest.mark.parametrize("line", ["BEGIN:VEVENT", "BEGIN:VTIMEZONE", "BEGIN:VEVENT\r\nBEGIN:VTIMEZONE"])
def test_what_begins_and_never_ends_takes_no_time(line: str) -> None:
    good = "BEGIN:VEVENT\r\nUID:one\r\nDTSTART:20261024T090000Z\r\nEND:VEVENT\r\n"
    began = time.process_time()
    objects, shared = split((f"{line}\r\n" * 200_000 + good).encode())
    assert time.process_time() - began < 10
    assert (list(objects), shared) == (["one"], b"")


def test_an_object_is_read_with_the_zones_that_it_names_and_no_others() -> None:
    def zone(name: str, offset: str) -> str:
        edge = (
            f"BEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:{offset}\r\nTZOFFSETTO:{offset}\r\nEND:STANDARD"
        )
        return f"BEGIN:VTIMEZONE\r\nTZID:{name}\r\n{edge}\r\nEND:VTIMEZONE\r\n"

    def event(number: int) -> str:
        return f"BEGIN:VEVENT\r\nUID:{number}\r\nDTSTART;TZID=Own {number}:20261101T090000\r\nEND:VEVENT\r\n"

    began = time.process_time()
    zones = "".join(zone(f"Own {number}", f"+0{number % 9 + 1}00") for number in range(2000))
    text = f"BEGIN:VCALENDAR\r\n{zones}{''.join(event(number) for number in range(200))}END:VCALENDAR\r\n"
    objects, shared = split(text.encode())
    found = expand(objects, shared, WINDOW, own="https://voice.example.org")
    assert [event.starts_at.hour for event in found] == [8 - number % 9 for number in range(200)]
    assert time.process_time() - began < 10
