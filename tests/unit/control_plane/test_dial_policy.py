"""Whom a project may call: the rules, one by one and against each other."""

from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneMetadata, PhoneNumberType

from control_plane.telephony.numbers import find_number
from control_plane.telephony.policy import (
    Asked,
    Decision,
    Limits,
    Policy,
    QuietHours,
    Spent,
    Used,
    decide,
    home_countries,
    start_of_day,
)
from tests.support.billing import minutes_of
from tests.support.tried import tried

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
ANYWHERE = frozenset(phonenumbers.SUPPORTED_REGIONS)
NIGHT = QuietHours(time(21), time(8))
PLAIN = "+12125550123"
COSTLY = (
    PhoneNumberType.PREMIUM_RATE,
    PhoneNumberType.SHARED_COST,
    PhoneNumberType.PERSONAL_NUMBER,
    PhoneNumberType.PAGER,
    PhoneNumberType.UAN,
    PhoneNumberType.VOICEMAIL,
)
OF_NO_COUNTRY = (870, 878, 881, 882, 883, 979)


def judged(policy: Policy, number: str | None, *, used: Used = Used(), **asked: Any) -> Decision:  # noqa: B008
    return decide(policy, Asked(number, **({"at": NOON} | asked)), used)


def rule(policy: Policy, number: str, *, now: datetime = NOON, used: Used = Used()) -> str | None:  # noqa: B008
    return judged(policy, number, at=now, used=used).rule


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
    refusal = judged(Policy(ANYWHERE - {country}), number)
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


def forbidden() -> Iterator[str]:
    """Numbers of every country that nobody is ever to dial, some of them as they might be disguised."""
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        code = phonenumbers.country_code_for_region(region)
        for kind in COSTLY:
            example = phonenumbers.example_number_for_type(region, kind)
            if example is not None and phonenumbers.number_type(example) == kind:
                number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
                yield from (number, number.replace(f"+{code}", f"+{code}0", 1) if code == 44 else number)
        metadata = PhoneMetadata.short_metadata_for_region(region)
        if metadata is None:
            continue
        for part in (metadata.emergency, metadata.short_code, metadata.premium_rate, metadata.carrier_specific):
            if part is not None and part.example_number:
                yield f"+{code}{part.example_number}"
    for code in OF_NO_COUNTRY:
        example = phonenumbers.example_number_for_non_geo_entity(code)
        digits = phonenumbers.national_significant_number(example) if example else "123456789"
        yield from (f"+{code}{digits}", f"+{code}{digits[:-1]}7", f"+{code}123456789")


def spellings(number: str) -> tuple[str, ...]:
    """The same number in ways that a carrier would understand too."""
    code, rest = number[1:4], number[4:]
    return (
        number,
        f"tel:{number}",
        f"TEL:+{code}-{rest};ext=5",
        f"tel:+{code}.({rest})",
        f"sip:{number}@carrier.example",
        f"sips:%2B{number[1:]}@carrier.example:5061",
        f"sip:{number};user=phone@carrier.example;transport=tcp",
    )


def is_refused(address: str) -> bool:
    try:
        number = find_number(address)
    except ValueError:
        return True
    decision = judged(Policy(ANYWHERE | {"001"}), number)
    return decision.rule == "number_kind" and decision.message != ""


def test_what_costs_or_harms_is_refused_in_every_country_and_the_explanation_names_the_rule() -> None:
    addresses = [spelling for number in sorted(set(forbidden())) for spelling in spellings(number)]
    let_through = [address for address in addresses if not is_refused(address)]
    tried("dialling: forbidden numbers and addresses", len(addresses), len(let_through))
    assert not let_through
    assert len(addresses) > 4000


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


def used_of(name: str, used: int) -> Used:
    """So much of one limit."""
    if name == "concurrent":
        return Used(concurrent=used)
    scope = next((each for each in ("key", "destination") if name.startswith(each)), "project")
    unit = name.removeprefix(f"{scope}_").partition("_")[0]
    return Used(**{scope: Spent(**{unit: Decimal(used) if unit == "usd" else used})})


@pytest.mark.parametrize("name", [each.name for each in fields(Limits)])
@given(limit=st.integers(0, 1000), used=st.integers(0, 1000))
def test_a_limit_is_reached_when_so_much_is_used(name: str, limit: int, used: int) -> None:
    asked = {"longest": 60, "afterwards": 0, "usd_per_minute": Decimal(1)}
    decision = judged(Policy(ANYWHERE, limits=Limits(**{name: limit})), PLAIN, used=used_of(name, used), **asked)
    assert decision.rule == (name if used >= limit else None)
    assert decision.steps[-1].rule == name
    assert decision.longest == (0 if used >= limit else 60)


@given(limit=st.integers(0, 100), used=st.integers(0, 100), longest=st.integers(1, 10_000))
def test_a_call_lasts_as_long_as_is_left_and_what_it_is_counted_with_never_passes_a_limit(
    limit: int, used: int, longest: int
) -> None:
    policy = Policy(ANYWHERE, limits=Limits(minutes_per_day=limit))
    decision = judged(policy, PLAIN, used=Used(project=Spent(minutes=used)), longest=longest)
    if decision.allowed:
        assert 0 < decision.longest <= longest
        assert decision.longest >= min(longest, 60), "less than a minute is no call"
        assert used + minutes_of(decision.longest) <= limit
        assert decision.longest == longest or used + minutes_of(decision.longest + 60) > limit, "nothing is given away"
    else:
        assert decision.rule == "minutes_per_day"
        assert used + minutes_of(min(longest, 60)) > limit


@given(
    limits=st.builds(
        Limits, **{f"{scope}minutes_per_day": st.integers(2, 90) for scope in ("", "key_", "destination_")}
    )
)
def test_the_least_that_any_limit_leaves_is_what_a_call_has(limits: Limits) -> None:
    least = min(limits.minutes_per_day or 0, limits.key_minutes_per_day or 0, limits.destination_minutes_per_day or 0)
    assert judged(Policy(ANYWHERE, limits=limits), PLAIN, longest=7200).longest == (least - 1) * 60


def test_money_buys_minutes_at_the_price_of_the_line() -> None:
    policy = Policy(ANYWHERE, limits=Limits(usd_per_day=1.0))
    asked = {"usd_per_minute": Decimal("0.3")}
    assert judged(policy, PLAIN, **asked).longest == 120  # three minutes, one of them for the goodbye
    spent = Used(project=Spent(usd=Decimal("0.41")))
    assert judged(policy, PLAIN, used=spent, **asked).rule == "usd_per_day"
    assert judged(policy, PLAIN, used=spent, usd_per_minute=Decimal(0)).longest == 3600


def test_what_has_no_price_is_not_called_under_a_limit_of_money() -> None:
    policy = Policy(ANYWHERE, limits=Limits(usd_per_day=1.0))
    assert judged(policy, PLAIN, usd_per_minute=None).rule == "usd_per_day"
    assert judged(policy, PLAIN, used=Used(project=Spent(minutes=1, usd=None))).rule == "usd_per_day"
    assert judged(Policy(ANYWHERE), PLAIN, usd_per_minute=None).allowed


def test_a_transfer_that_nobody_can_end_fits_whole_or_not_at_all() -> None:
    policy = Policy(ANYWHERE, limits=Limits(minutes_per_day=10))
    whole = {"longest": 600, "shortest": 600, "afterwards": 0}
    assert judged(policy, PLAIN, **whole).longest == 600
    assert judged(policy, PLAIN, used=Used(project=Spent(minutes=1)), **whole).rule == "minutes_per_day"


def test_dollars_are_compared_exactly() -> None:
    policy = Policy(ANYWHERE, limits=Limits(usd_per_day=0.3))
    for spent, expected in (("0.29999999", None), ("0.3", "usd_per_day")):
        assert rule(policy, PLAIN, used=Used(project=Spent(usd=Decimal(spent)))) == expected


def test_somebody_at_the_projects_own_carrier_is_judged_by_the_limits_alone() -> None:
    decision = judged(Policy(frozenset(), NIGHT, Limits(concurrent=1)), None, at=NOON.replace(hour=2))
    assert [step.rule for step in decision.steps] == ["concurrent"]
    assert decision.allowed


@pytest.mark.parametrize(
    ("consent", "required", "expected"),
    [
        (None, False, None),
        (True, False, None),
        (False, False, "opted_out"),
        (None, True, "consent"),
        (True, True, None),
        (False, True, "opted_out"),
    ],
)
def test_whoever_does_not_want_to_be_called_is_not(consent: bool | None, required: bool, expected: str | None) -> None:
    assert judged(Policy(ANYWHERE, consent_required=required), PLAIN, consent=consent).rule == expected


def test_a_decision_explains_itself() -> None:
    policy = Policy(frozenset({"US"}), NIGHT, Limits(concurrent=2, minutes_per_day=30), frozenset({"+442079460958"}))
    decision = judged(policy, PLAIN, used=Used(concurrent=1, project=Spent(minutes=12)))
    assert [(step.rule, step.held) for step in decision.steps] == [
        ("number_kind", True),
        ("do_not_call", True),
        ("opted_out", True),
        ("countries", True),
        ("quiet_hours", True),
        ("concurrent", True),
        ("minutes_per_day", True),
    ]
    assert decision.steps[-1].said.startswith("The project's limit of 30 minutes a day leaves 1020 s: 12 used")
    assert (decision.message, decision.longest) == ("", 1020)
    refused = judged(policy, "+442079460958")
    assert [step.held for step in refused.steps] == [True, False], (
        "the first rule that is broken is the last that is asked"
    )
    assert refused.message == "+442079460958 is on the project's list of numbers that are not called"


def test_the_day_of_the_limits_is_that_of_utc() -> None:
    somewhere = datetime.fromisoformat("2026-06-02T01:30:00+05:00")
    assert start_of_day(somewhere) == datetime(2026, 6, 1, tzinfo=UTC)
    assert start_of_day(NOON) == NOON - timedelta(hours=12)


@given(st.text(max_size=20), st.from_regex(r"\+[0-9]{2,15}", fullmatch=True))
def test_whatever_is_asked_has_an_answer(text: str, number: str) -> None:
    everything = Policy(ANYWHERE, NIGHT, Limits(1, 1, 1, 1.0))
    for asked in (text, number):
        decision = judged(everything, asked)
        assert decision.steps
        assert decision.allowed == (decision.longest > 0)
