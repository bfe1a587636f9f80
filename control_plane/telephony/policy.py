"""The right to call a number: the rules of a project, judged. Pure: what was used today is told by whoever asks."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType, shortnumberinfo, timezone
from phonenumbers.phonenumberutil import region_code_for_country_code

NO_COUNTRY: Final = "001"
"""libphonenumber's region of satellites, networks of the whole world and their premium numbers."""
DEAR: Final = {
    PhoneNumberType.PREMIUM_RATE: "a premium number",
    PhoneNumberType.SHARED_COST: "a number of shared cost",
    PhoneNumberType.PERSONAL_NUMBER: "a personal number, which costs what its owner likes",
    PhoneNumberType.PAGER: "a pager",
}
UNKNOWN_ZONE: Final = "Etc/Unknown"
INLAND: Final = {"US": frozenset({"US", "CA"}), "CA": frozenset({"US", "CA"})}
"""Countries whose lines call one another as inland. The islands of +1 are not: they are where such bills are made."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` until just before `end`, in the callee's local time, over midnight where `end` comes first; all day
    where both are the same."""

    start: time
    end: time

    def hold(self, at: time) -> bool:
        """Whether it is quiet at a time of the day."""
        if self.start < self.end:
            return self.start <= at < self.end
        return at >= self.start or at < self.end


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be used; None is no limit, 0 is nothing."""

    concurrent: int | None = None
    calls_per_day: int | None = None
    minutes_per_day: int | None = None
    usd_per_day: float | None = None


@dataclass(frozen=True, slots=True)
class Used:
    """What calls out have used; all but `concurrent` since midnight UTC."""

    concurrent: int = 0
    calls_per_day: int = 0
    minutes_per_day: int = 0
    usd_per_day: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of a project. `do_not_call` holds numbers as `canonical` writes them."""

    countries: frozenset[str]
    quiet_hours: QuietHours | None = None
    limits: Limits = Limits()
    do_not_call: frozenset[str] = field(default=frozenset())


@dataclass(frozen=True, slots=True)
class Refusal:
    """The rule that a call would break, and the same as a sentence."""

    rule: str
    message: str


def judge(policy: Policy, number: str, *, now: datetime, used: Used) -> Refusal | None:
    """Whether a number in E.164 form may be called now; None where it may."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        parsed = None
    if parsed is None or not phonenumbers.is_possible_number(parsed):
        return Refusal("number_kind", "This is no possible telephone number in E.164 form")
    kind = _forbidden_kind(parsed)
    if kind is not None:
        return Refusal("number_kind", f"{number} is {kind}: such numbers are never called")
    if canonical(number) in policy.do_not_call:
        return Refusal("do_not_call", f"{number} is on the project's list of numbers that are not called")
    country = _country(parsed)
    if country not in policy.countries:
        how = "add it to `countries` with PUT /api/v1/projects/{id}/dial-policy"
        return Refusal("countries", f"Calls to {country} are not open in this project; {how}")
    if policy.quiet_hours is not None and _is_quiet(policy.quiet_hours, parsed, now):
        hours = f"{policy.quiet_hours.start:%H:%M} to {policy.quiet_hours.end:%H:%M}"
        return Refusal("quiet_hours", f"It is a quiet hour where {number} may be ({hours})")
    return exhausted(policy.limits, used)


def canonical(number: str) -> str:
    """The one spelling of a number in E.164 form, without the zero or one that some write after the country."""
    return phonenumbers.format_number(phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.E164)


def home_countries(lines: Iterable[str]) -> frozenset[str]:
    """The countries that lines with these numbers call as inland; what is no number has none."""
    found: set[str] = set()
    for line in lines:
        try:
            parsed = phonenumbers.parse(line)
        except phonenumbers.NumberParseException:
            continue
        # What is no valid number lies in no particular country of those that share its code.
        valid = phonenumbers.is_valid_number(parsed)
        country = _country(parsed) if valid else _largest(parsed)
        found |= INLAND.get(country, {country})
    return frozenset(found - {NO_COUNTRY})


def _country(number: PhoneNumber) -> str:
    """Where a number is; one that fits no country is in the largest that has its code."""
    return phonenumbers.region_code_for_number(number) or _largest(number)


def _largest(number: PhoneNumber) -> str:
    """The largest country that has a number's code."""
    return region_code_for_country_code(number.country_code or 0)


def _forbidden_kind(number: PhoneNumber) -> str | None:
    kind = DEAR.get(phonenumbers.number_type(number))
    if kind is not None:
        return kind
    country = _country(number)
    if country == NO_COUNTRY:
        return "a satellite's, or of no country"
    if phonenumbers.is_valid_number(number):
        return None
    national = phonenumbers.national_significant_number(number)
    if phonenumbers.is_emergency_number(national, country):
        return "an emergency number"
    if shortnumberinfo.is_valid_short_number(number):
        return "a short number"
    # A number that is not given out is of no kind; a carrier may bill it by how it begins.
    dear = phonenumbers.example_number_for_type(country, PhoneNumberType.PREMIUM_RATE)
    if dear is not None and phonenumbers.national_significant_number(dear)[:3] == national[:3]:
        return DEAR[PhoneNumberType.PREMIUM_RATE]
    return None


def _is_quiet(hours: QuietHours, number: PhoneNumber, now: datetime) -> bool:
    """Quiet in any place where the phone may be; a place without a known clock is quiet."""
    zones = timezone.time_zones_for_number(number)
    if UNKNOWN_ZONE in zones:  # not a number that was given out: its beginning still says where
        zones = timezone.time_zones_for_geographical_number(number)
    for zone in zones:
        try:
            local = now.astimezone(ZoneInfo(zone))
        except (ZoneInfoNotFoundError, ValueError):
            return True
        if hours.hold(local.time()):
            return True
    return False


def exhausted(limits: Limits, used: Used) -> Refusal | None:
    """Whether a limit leaves no room for one more; None where all do."""
    for rule, limit, spent, of_what in (
        ("concurrent", limits.concurrent, used.concurrent, "calls at once"),
        ("calls_per_day", limits.calls_per_day, used.calls_per_day, "calls a day"),
        ("minutes_per_day", limits.minutes_per_day, used.minutes_per_day, "minutes a day"),
        ("usd_per_day", limits.usd_per_day, used.usd_per_day, "US dollars a day"),
    ):
        if limit is not None and spent >= Decimal(str(limit)):
            return Refusal(rule, f"The project's limit of {limit:g} {of_what} is reached")
    return None


def start_of_day(now: datetime) -> datetime:
    """Midnight UTC, when the limits of a day begin anew."""
    return datetime.combine(now.astimezone(UTC).date(), time(), UTC)
