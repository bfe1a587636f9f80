"""Whom a project may call: the rules, one by one and against each other."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType

from control_plane.telephony.policy import Limits, Policy, QuietHours, Used, home_countries, judge, start_of_day

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
ANYWHERE = frozenset(phonenumbers.SUPPORTED_REGIONS)
NIGHT = QuietHours(time(21), time(8))


def rule(policy: Policy, number: str, *, now: datetime = NOON, used: Used = Used()) -> str | None:  # noqa: B008
    refusal = judge(policy, number, now=now, used=used)
    return refusal.rule if refusal else None


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+17751234567", "US"),  # possible, not valid: of the largest country of its code
        ("+12125550123", "US"),
        ("+14165550123", "CA"),
        ("+18765550123", "JM"),
        ("+18761234567", "JM"),  # not valid either, but Jamaica's beginning
        ("+442079460958", "GB"),
        ("+77011234567", "KZ"),
        ("+79161234567", "RU"),
    ],
)
def test_a_number_is_judged_by_its_country(number: str, country: str) -> None:
    assert rule(Policy(frozenset({country})), number) is None
    refusal = judge(Policy(ANYWHERE - {country}), number, now=NOON, used=Used())
    assert refusal is not None
    assert refusal.rule == "countries"
    assert f"Calls to {country} are not open" in refusal.message
    assert "dial-policy" in refusal.message


@pytest.mark.parametrize(
    ("line", "countries"),
    [
        ("+18001234567", {"US", "CA"}),
        ("+12125550123", {"US", "CA"}),
        ("+14165550123", {"US", "CA"}),
        ("+18765550123", {"JM"}),
        ("+442079460958", {"GB"}),
        ("+77011234567", {"KZ"}),
        ("+883510000000123", set()),
        ("anonymous", set()),
        ("", set()),
    ],
)
def test_without_a_policy_a_line_calls_its_own_country(line: str, countries: set[str]) -> None:
    assert home_countries([line]) == countries


@pytest.mark.parametrize(
    "number",
    [
        "+19005551234",  # premium
        "+19001234567",  # not given out, but it begins as premium numbers do
        "+449098790123",
        "+447012345678",  # personal: its owner chooses the price
        "+881612345678",  # satellites
        "+870773111632",
        "+883510000000123",  # a network of no country
        "+979123456789",  # premium of the whole world
        "+49112",  # emergency
        "+61000",
        "+4411",
        "+49115",  # short
        "nonsense",
    ],
)
def test_numbers_that_cost_or_harm_are_never_called(number: str) -> None:
    assert rule(Policy(ANYWHERE | {"001"}), number) == "number_kind"


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_no_countrys_plain_numbers_are_mistaken_for_ones_that_cost(region: str) -> None:
    for kind in (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE):
        example = phonenumbers.example_number_for_type(region, kind)
        if example is not None:
            number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
            assert rule(Policy(ANYWHERE), number) is None
    example = phonenumbers.example_number_for_type(region, PhoneNumberType.PREMIUM_RATE)
    if example is not None:
        number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        assert rule(Policy(ANYWHERE), number) == "number_kind"


def test_a_number_on_the_list_is_not_called_however_it_is_written() -> None:
    policy = Policy(ANYWHERE, do_not_call=frozenset({"+442079460958"}))
    assert rule(policy, "+442079460958") == "do_not_call"
    assert rule(policy, "+4402079460958") == "do_not_call"
    assert rule(policy, "+442079460959") is None


@pytest.mark.parametrize(
    ("number", "hour", "minute", "quiet"),
    [
        # New York, UTC-4 in June: 21:00 there is 01:00 UTC, 08:00 is 12:00.
        ("+12125550123", 0, 59, False),
        ("+12125550123", 1, 0, True),
        ("+12125550123", 11, 59, True),
        ("+12125550123", 12, 0, False),
        # Tokyo, UTC+9
        ("+81312345678", 11, 59, False),
        ("+81312345678", 12, 0, True),
        ("+81312345678", 23, 0, False),
        # Nepal, UTC+5:45
        ("+97714234567", 15, 14, False),
        ("+97714234567", 15, 15, True),
        ("+97714234567", 2, 15, False),
        # Nevada, and Boise in the time zone before it: quiet where either is.
        ("+17751234567", 2, 59, False),
        ("+17751234567", 3, 0, True),
        ("+17751234567", 14, 59, True),
        ("+17751234567", 15, 0, False),
    ],
)
def test_quiet_hours_are_those_where_the_phone_is(number: str, hour: int, minute: int, quiet: bool) -> None:
    now = NOON.replace(hour=hour, minute=minute)
    assert rule(Policy(ANYWHERE, NIGHT), number, now=now) == ("quiet_hours" if quiet else None)


def test_quiet_hours_follow_the_summer_time_of_the_callee() -> None:
    seven_utc = datetime(2026, 1, 15, 7, 30, tzinfo=UTC)  # 08:30 in Paris in winter, 09:30 in summer
    policy = Policy(ANYWHERE, QuietHours(time(20), time(9)))
    assert rule(policy, "+33142345678", now=seven_utc) == "quiet_hours"
    assert rule(policy, "+33142345678", now=seven_utc.replace(month=7)) is None


@given(start=st.times(), end=st.times(), at=st.times())
def test_quiet_hours_and_the_others_share_the_day(start: time, end: time, at: time) -> None:
    hours = QuietHours(start, end)
    if start == end:
        assert hours.hold(at)
    else:
        assert hours.hold(at) != QuietHours(end, start).hold(at)
        assert hours.hold(start)
        assert not hours.hold(end)


@pytest.mark.parametrize("name", ["concurrent", "calls_per_day", "minutes_per_day", "usd_per_day"])
@given(limit=st.integers(0, 1000), used=st.integers(0, 1000))
def test_a_limit_is_reached_when_so_much_is_used(name: str, limit: int, used: int) -> None:
    spent = Used(**{name: Decimal(used) if name == "usd_per_day" else used})
    expected = name if used >= limit else None
    assert rule(Policy(ANYWHERE, limits=Limits(**{name: limit})), "+12125550123", used=spent) == expected


def test_dollars_are_compared_exactly() -> None:
    policy = Policy(ANYWHERE, limits=Limits(usd_per_day=0.3))
    assert rule(policy, "+12125550123", used=Used(usd_per_day=Decimal("0.29999999"))) is None
    assert rule(policy, "+12125550123", used=Used(usd_per_day=Decimal("0.3"))) == "usd_per_day"


def test_the_day_of_the_limits_is_that_of_utc() -> None:
    somewhere = datetime.fromisoformat("2026-06-02T01:30:00+05:00")
    assert start_of_day(somewhere) == datetime(2026, 6, 1, tzinfo=UTC)
    assert start_of_day(NOON) == NOON - timedelta(hours=12)


@given(st.text(max_size=20), st.from_regex(r"\+[0-9]{2,15}", fullmatch=True))
def test_whatever_is_asked_has_an_answer(text: str, number: str) -> None:
    everything = Policy(ANYWHERE, NIGHT, Limits(1, 1, 1, 1.0))
    for asked in (text, number):
        judge(everything, asked, now=NOON, used=Used())
