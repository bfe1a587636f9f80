"""The right to call a number: the rules of a project, judged and explained. Pure: what was used is told by whoever
asks."""

from collections.abc import Iterable, Iterator
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
    PhoneNumberType.UAN: "a number of a company, for which every carrier has its own price",
    PhoneNumberType.VOICEMAIL: "a mailbox",
}
SHORTEST: Final = 60
"""Seconds that must be left for a call: less is no conversation."""
AFTERWARDS: Final = 60
"""Seconds beyond its longest duration that a call is counted with: for its goodbye, and until its end is heard of."""
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
    """How much may be used; None is no limit, 0 is nothing. Those of a day hold for the project, for each key with
    which it calls, and for each number that is called."""

    concurrent: int | None = None
    calls_per_day: int | None = None
    minutes_per_day: int | None = None
    usd_per_day: float | None = None
    key_calls_per_day: int | None = None
    key_minutes_per_day: int | None = None
    key_usd_per_day: float | None = None
    destination_calls_per_day: int | None = None
    destination_minutes_per_day: int | None = None
    destination_usd_per_day: float | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """What calls out have used since midnight UTC: of those that go on, all that they may still take. `usd` is None
    where one of them has no price."""

    calls: int = 0
    minutes: int = 0
    usd: Decimal | None = Decimal(0)


@dataclass(frozen=True, slots=True)
class Used:
    """What calls out have used, and how many go on."""

    concurrent: int = 0
    project: Spent = Spent()
    key: Spent = Spent()
    destination: Spent = Spent()


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of a project. `do_not_call` holds numbers as `canonical` writes them."""

    countries: frozenset[str]
    quiet_hours: QuietHours | None = None
    limits: Limits = Limits()
    do_not_call: frozenset[str] = field(default=frozenset())
    consent_required: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that somebody wants. `number` is in E.164 form; None: somebody at the project's own carrier, for whom the
    limits alone hold."""

    number: str | None
    at: datetime
    longest: int = 3600
    """Seconds that it would last at most."""
    shortest: int = SHORTEST
    """Seconds that it must be let last at least."""
    afterwards: int = AFTERWARDS
    """Seconds beyond its longest duration that it is counted with."""
    usd_per_minute: Decimal | None = Decimal(0)
    """None: nobody has put a price on it."""
    consent: bool | None = None
    """What whoever has the number said last about being called: None: nothing."""


@dataclass(frozen=True, slots=True)
class Step:
    """One rule, whether the call keeps it, and what was compared, as a sentence."""

    rule: str
    held: bool
    said: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a call is allowed, and why: every rule that was asked, in order, up to the first that it breaks."""

    steps: tuple[Step, ...]
    longest: int
    """Seconds that it may last: as long as asked, or what is left; 0 where it is not allowed."""

    @property
    def allowed(self) -> bool:
        """Whether no rule is broken."""
        return all(step.held for step in self.steps)

    @property
    def rule(self) -> str | None:
        """The rule that is broken, if one is."""
        return None if self.allowed else self.steps[-1].rule

    @property
    def message(self) -> str:
        """Why it is not allowed, in a sentence; empty where it is."""
        return "" if self.allowed else self.steps[-1].said


def decide(policy: Policy, asked: Asked, used: Used) -> Decision:
    """Judge a call by every rule of a policy."""
    steps: list[Step] = []
    for step in _rules(policy, asked, used):
        steps.append(step)
        if not step.held:
            return Decision(tuple(steps), 0)
    room = min((room for room, _ in _room(policy.limits, asked, used).values() if room is not None), default=None)
    return Decision(tuple(steps), asked.longest if room is None else min(asked.longest, room))


def _rules(policy: Policy, asked: Asked, used: Used) -> Iterator[Step]:
    if asked.number is not None:
        yield from _rules_of_number(policy, asked.number, asked)
    yield from _rules_of_limits(policy.limits, asked, used)


def _rules_of_number(policy: Policy, number: str, asked: Asked) -> Iterator[Step]:
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        parsed = None
    if parsed is None or not phonenumbers.is_possible_number(parsed):
        yield Step("number_kind", held=False, said="This is no possible telephone number in E.164 form")
        return
    kind = _forbidden_kind(parsed)
    said = f"{number} is {kind}: such numbers are never called" if kind else f"{number} is a plain number"
    yield Step("number_kind", kind is None, said)
    listed = canonical(number) in policy.do_not_call
    where = "on the project's list of numbers that are not called"
    yield Step("do_not_call", not listed, f"{number} is {'' if listed else 'not '}{where}")
    out = asked.consent is False
    said = f"Whoever has {number} asked not to be called again" if out else f"Nobody at {number} asked not to be called"
    yield Step("opted_out", not out, said)
    if policy.consent_required:
        given = bool(asked.consent)
        said = f"{number} has {'' if given else 'not '}agreed to be called, by the project's record of consents"
        yield Step("consent", given, said)
    country = _country(parsed)
    is_open = country in policy.countries
    how = "; add it to `countries` with PUT /api/v1/projects/{id}/dial-policy"
    yield Step(
        "countries",
        is_open,
        f"Calls to {country} are {'' if is_open else 'not '}open in this project{'' if is_open else how}",
    )
    if policy.quiet_hours is not None:
        quiet = _is_quiet(policy.quiet_hours, parsed, asked.at)
        hours = f"{policy.quiet_hours.start:%H:%M} to {policy.quiet_hours.end:%H:%M}"
        said = f"It is {'a' if quiet else 'no'} quiet hour where {number} may be ({hours})"
        yield Step("quiet_hours", not quiet, said)


SCOPES: Final = {"": "The project's", "key_": "This key's", "destination_": "The number's"}
"""How limits of a day are named, and spoken of: those of the project, of a key, of whom is called."""


def _rules_of_limits(limits: Limits, asked: Asked, used: Used) -> Iterator[Step]:
    if limits.concurrent is not None:
        yield _counted("concurrent", "The project's", used.concurrent, limits.concurrent, "calls at once")
    rooms = _room(limits, asked, used)
    for (scope, whose), spent in zip(SCOPES.items(), (used.project, used.key, used.destination), strict=True):
        most = getattr(limits, f"{scope}calls_per_day")
        if most is not None:
            yield _counted(f"{scope}calls_per_day", whose, spent.calls, most, "calls a day")
        for unit, name in (("minutes", "minutes a day"), ("usd", "US dollars a day")):
            rule = f"{scope}{unit}_per_day"
            if rule in rooms:
                room, gone = rooms[rule]
                yield _roomy(rule, f"{whose} limit of {getattr(limits, rule):g} {name}", room, gone, asked)


def _counted(rule: str, whose: str, spent: int, most: int, of_what: str) -> Step:
    full = spent >= most
    return Step(rule, not full, f"{whose} limit of {most:g} {of_what} is {'' if full else 'not '}reached: {spent} used")


def _roomy(rule: str, limit: str, room: int | None, gone: str, asked: Asked) -> Step:
    if room is None:
        return Step(rule, held=True, said=f"{limit} is not reached: {gone} used, and this call costs nothing")
    if room < 0:
        return Step(rule, held=False, said=f"{limit} cannot be kept: a call has no price")
    if room < min(asked.shortest, asked.longest) or room == 0:
        return Step(rule, held=False, said=f"{limit} is reached: {gone} used, calls that go on counted to their end")
    return Step(rule, held=True, said=f"{limit} leaves {room} s: {gone} used, calls that go on counted to their end")


def _room(limits: Limits, asked: Asked, used: Used) -> dict[str, tuple[int | None, str]]:
    """Seconds that each limit of minutes and money leaves for a call, and what is used of it: None where it leaves as
    many as one likes, negative where that is not known."""
    rooms: dict[str, tuple[int | None, str]] = {}
    for scope, spent in zip(SCOPES, (used.project, used.key, used.destination), strict=True):
        minutes = getattr(limits, f"{scope}minutes_per_day")
        if minutes is not None:
            room = (minutes - spent.minutes) * 60 - asked.afterwards
            rooms[f"{scope}minutes_per_day"] = max(0, room), f"{spent.minutes}"
        usd = getattr(limits, f"{scope}usd_per_day")
        if usd is not None:
            rooms[f"{scope}usd_per_day"] = _room_of_money(Decimal(str(usd)), asked, spent), f"{spent.usd or 0:f}"
    return rooms


def _room_of_money(most: Decimal, asked: Asked, spent: Spent) -> int | None:
    if asked.usd_per_minute is None or spent.usd is None:
        return -1
    left = most - spent.usd
    if left <= 0:
        return 0
    if not asked.usd_per_minute:
        return None
    return max(0, int(left / asked.usd_per_minute) * 60 - asked.afterwards)


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
    if shortnumberinfo.is_possible_short_number(number):
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


def start_of_day(now: datetime) -> datetime:
    """Midnight UTC, when the limits of a day begin anew."""
    return datetime.combine(now.astimezone(UTC).date(), time(), UTC)
