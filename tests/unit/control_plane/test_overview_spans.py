"""Days and hours of a reader's zone, through every change of its clocks."""

import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_plane.errors import InvalidRequest
from control_plane.overview.spans import MOST, Asked, Bucket, Span, cut, days, read_spans, read_zone

NOW = datetime(2026, 7, 1, 12, 34, 56, tzinfo=UTC)
CLOCKS = (
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",  # changed at midnight: a day begins at one
    "America/Havana",  # midnight comes twice
    "Australia/Lord_Howe",  # by half an hour
    "Asia/Kathmandu",
    "Pacific/Apia",  # left out a day
    "UTC",
)


def asked(since: date | datetime, until: date | datetime, zone: str, bucket: Bucket = "day") -> Asked:
    return read_spans(since, until, bucket, ZoneInfo(zone), now=NOW)


def hours(spans: tuple[Span, ...]) -> list[float]:
    return [(span.ends - span.begins) / timedelta(hours=1) for span in spans]


def begins(spans: tuple[Span, ...], zone: str) -> list[str]:
    return [f"{span.begins.astimezone(ZoneInfo(zone)):%d %H:%M}" for span in spans]


@pytest.mark.parametrize(
    ("zone", "first", "last", "lengths"),
    [
        ("UTC", date(2026, 3, 28), date(2026, 3, 30), [24, 24, 24]),
        ("Europe/Berlin", date(2026, 3, 28), date(2026, 3, 30), [24, 23, 24]),
        ("Europe/Berlin", date(2026, 10, 24), date(2026, 10, 26), [24, 25, 24]),
        ("America/Santiago", date(2025, 9, 6), date(2025, 9, 8), [24, 23, 24]),
        ("America/Havana", date(2025, 11, 1), date(2025, 11, 3), [24, 25, 24]),
        ("Australia/Lord_Howe", date(2025, 10, 4), date(2025, 10, 6), [24, 23.5, 24]),
        ("Pacific/Apia", date(2011, 12, 29), date(2011, 12, 31), [24, 24]),
    ],
)
def test_days_are_as_long_as_the_zone_makes_them(zone: str, first: date, last: date, lengths: list[float]) -> None:
    assert hours(asked(first, last, zone).buckets) == lengths


def test_a_day_whose_midnight_is_left_out_begins_at_one() -> None:
    assert begins(asked(date(2025, 9, 6), date(2025, 9, 8), "America/Santiago").buckets, "America/Santiago") == [
        "06 00:00",
        "07 01:00",
        "08 00:00",
    ]


def test_the_day_of_the_change_has_23_or_25_hours_of_one_hour_each() -> None:
    spring = asked(date(2026, 3, 29), date(2026, 3, 29), "Europe/Berlin", "hour").buckets
    autumn = asked(date(2026, 10, 25), date(2026, 10, 25), "Europe/Berlin", "hour").buckets
    assert (len(spring), len(autumn)) == (23, 25)
    assert set(hours(spring) + hours(autumn)) == {1.0}
    assert begins(spring, "Europe/Berlin")[1:3] == ["29 01:00", "29 03:00"]
    assert begins(autumn, "Europe/Berlin")[1:5] == ["25 01:00", "25 02:00", "25 02:00", "25 03:00"]


def test_hours_begin_where_the_zones_clocks_show_them() -> None:
    begin = datetime(2026, 1, 1, 0, 20, tzinfo=UTC)  # 06:05 there
    found = asked(begin, begin + timedelta(hours=2), "Asia/Kathmandu", "hour").buckets
    assert begins(found, "Asia/Kathmandu") == ["01 06:05", "01 07:00", "01 08:00"]
    assert hours(found) == [55 / 60, 1, 5 / 60]


def test_clocks_moved_by_half_an_hour_make_one_longer_hour() -> None:
    spring = asked(date(2025, 10, 5), date(2025, 10, 5), "Australia/Lord_Howe", "hour").buckets
    autumn = asked(date(2026, 4, 5), date(2026, 4, 5), "Australia/Lord_Howe", "hour").buckets
    assert begins(spring, "Australia/Lord_Howe")[:4] == ["05 00:00", "05 01:00", "05 03:00", "05 04:00"]
    assert begins(autumn, "Australia/Lord_Howe")[:4] == ["05 00:00", "05 01:00", "05 02:00", "05 03:00"]
    assert hours(spring)[1] == hours(autumn)[1] == 1.5


def test_before_a_week_lies_a_week_though_clocks_were_changed() -> None:
    found = asked(date(2026, 3, 30), date(2026, 4, 5), "Europe/Berlin")
    assert begins((found.before, found.period), "Europe/Berlin") == ["23 00:00", "30 00:00"]
    assert found.before.ends == found.period.begins
    assert hours((found.before,)) == [7 * 24 - 1]


def test_yesterday_is_told_until_the_same_time_of_day() -> None:
    now = datetime(2026, 3, 29, 10, 30, tzinfo=UTC)  # the clocks were put forward at one
    today, yesterday = days(now, ZoneInfo("Europe/Berlin"))
    assert begins((today, yesterday), "Europe/Berlin") == ["29 00:00", "28 00:00"]
    assert (today.ends, yesterday.ends) == (now, datetime(2026, 3, 28, 11, 30, tzinfo=UTC))


def test_what_nobody_says_is_thirty_days_or_twenty_four_hours_up_to_now() -> None:
    zone = ZoneInfo("Europe/Berlin")
    of_days = read_spans(None, None, "day", zone, now=NOW).buckets
    of_hours = read_spans(None, None, "hour", zone, now=NOW).buckets
    assert (len(of_days), len(of_hours)) == (30, 24)
    assert of_days[-1].ends == of_hours[-1].ends == NOW
    assert (begins(of_days, "Europe/Berlin")[0], begins(of_hours, "Europe/Berlin")[0]) == ("02 00:00", "30 15:00")


@settings(max_examples=150, deadline=None)
@given(
    zone=st.sampled_from(CLOCKS),
    begin=st.datetimes(datetime(2008, 1, 1), datetime(2027, 1, 1)),
    length=st.timedeltas(timedelta(microseconds=1), timedelta(days=12)),
    bucket=st.sampled_from(["hour", "day"]),
)
def test_buckets_fill_their_period_without_a_gap_or_an_overlap(
    zone: str, begin: datetime, length: timedelta, bucket: Bucket
) -> None:
    period = Span(begin.replace(tzinfo=UTC), begin.replace(tzinfo=UTC) + length)
    found = cut(period, bucket, ZoneInfo(zone))
    assert (found[0].begins, found[-1].ends) == (period.begins, period.ends)
    assert all(span.begins < span.ends for span in found)
    assert all(one.ends == other.begins for one, other in itertools.pairwise(found))
    shown = [span.begins.astimezone(ZoneInfo(zone)) for span in found[1:]]
    assert all((at.minute, at.second, at.microsecond) == (0, 0, 0) for at in shown)
    eves = [(span.begins - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)) for span in found[1:]]
    assert bucket == "hour" or all(eve.date() < at.date() for eve, at in zip(eves, shown, strict=True))


@pytest.mark.parametrize(
    ("since", "until", "bucket", "field"),
    [
        (date(2026, 3, 2), date(2026, 3, 1), "day", "to"),
        (NOW, NOW, "day", "to"),
        (NOW + timedelta(days=1), None, "day", "to"),
        (NOW - timedelta(hours=MOST + 1), NOW, "hour", "from"),
        (date(2020, 1, 1), NOW, "day", "from"),
        (date(1, 1, 1), date(1, 1, 2), "day", "from"),
        (date(2026, 1, 1), date(9999, 12, 31), "day", "to"),
    ],
)
def test_a_stretch_that_cannot_be_told_is_refused_by_name(
    since: date | datetime, until: date | datetime | None, bucket: Bucket, field: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_spans(since, until, bucket, ZoneInfo("Pacific/Auckland"), now=NOW)
    assert (refused.value.details or {})["fields"][0]["field"] == field


@pytest.mark.parametrize("name", ["", "Nowhere", "America", "../etc/passwd", "europe/berlin", "Europe/Berlin\x00"])
def test_a_zone_is_one_of_the_list(name: str) -> None:
    with pytest.raises(InvalidRequest):
        read_zone(name)
