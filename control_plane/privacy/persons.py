"""Whom a request is about, and where a text or a value names them. Pure."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from guard.said import Said

ERASED: Final = "[erased]"
"""What stands in the place of a name, a number or an address that was erased."""
DISTINCT: Final = 8
"""Characters of an identity that is looked for in every text; shorter ones, and words, only where identities stand."""
_IDENTITIES: Final = re.compile(r"identity|identities|caller|participant|user_?id|sender|speaker", re.I)
"""What columns and members are called that hold somebody's identity."""
_SPECIAL: Final = re.compile(r"[%_\\]")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who called, came to a meeting or was called: each field that is given is theirs."""

    phone_number: str = ""
    email: str = ""
    identity: str = ""
    end_user_id: int | None = None

    def said(self) -> bytes:
        """What they are known by, in one form: whose proof is the same for the same person."""
        known = {
            "phone_number": self.phone_number,
            "email": self.email.lower(),
            "identity": self.identity,
            "end_user_id": self.end_user_id,
        }
        return json.dumps(known, sort_keys=True, ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Names:
    """Everything that a person is known by, with what was found of it."""

    numbers: tuple[str, ...] = ()
    """With country, `+` and digits."""
    emails: tuple[str, ...] = ()
    identities: tuple[str, ...] = ()
    _pattern: re.Pattern[str] | None = field(init=False, default=None, compare=False)
    _said: tuple[Said, ...] = field(init=False, default=(), compare=False)

    def __post_init__(self) -> None:
        parts = [rf"(?<!\d)\+?{re.escape(number.lstrip('+'))}(?!\d)" for number in self.numbers]
        parts += [rf"(?<![\w.%+-]){re.escape(email)}(?![\w-]|\.\w)" for email in self.emails]
        parts += [rf"(?<![\w-]){re.escape(each)}(?![\w-])" for each in self.identities if is_distinct(each)]
        # What is longer goes first: an identity may hold the number.
        parts.sort(key=len, reverse=True)
        object.__setattr__(self, "_pattern", re.compile("|".join(parts), re.I) if parts else None)
        object.__setattr__(self, "_said", tuple(map(Said, self.numbers)))

    def likes(self) -> list[str]:
        """Patterns of SQL's `ilike` that every text fits which may name them."""
        known = [number.lstrip("+") for number in self.numbers] + [*self.emails, *self.identities]
        written = {form for each in known if each for form in (each, json.dumps(each)[1:-1], _as_json(each))}
        return sorted(f"%{_SPECIAL.sub(_escaped, form)}%" for form in written)

    def erase(self, value: Any, *, name: str = "") -> Any:
        """The same value without them; `name` is what its column or member is called. The very value where it does not
        name them."""
        match value:
            case str():
                return self._erase_text(value, name)
            case bool() | None:
                return value
            case int() if str(value) in {number.lstrip("+") for number in self.numbers}:
                return ERASED
            case dict():
                erased: dict[str, Any] = {
                    self._erase_text(key, ""): self.erase(part, name=key) for key, part in value.items()
                }
                return erased if erased != value else value
            case list():
                return [self.erase(part, name=name) for part in value]
        return value

    def name(self, value: Any, *, column: str = "") -> bool:
        """Whether a value names them."""
        return bool(self.erase(value, name=column) != value)

    def _erase_text(self, text: str, name: str) -> str:
        if text in self.identities and (is_distinct(text) or _IDENTITIES.search(name)):
            return ERASED
        erased = self._pattern.sub(ERASED, text) if self._pattern is not None else text
        for number in self._said:
            erased = number.replace(erased, ERASED)
        return erased


def is_distinct(identity: str) -> bool:
    """Whether an identity is nothing that a text holds by chance, as `user` or `anna` may be."""
    return len(identity) >= DISTINCT and any(not char.isalpha() for char in identity)


def names_of(person: Person, *, emails: Iterable[str] = (), identities: Iterable[str] = ()) -> Names:
    """What a person is known by, with further addresses and identities of theirs."""
    by_phone = [f"sip_{person.phone_number}"] if person.phone_number else []
    known = [person.identity, *by_phone, *identities]
    return Names(
        (person.phone_number,) if person.phone_number else (),
        tuple(dict.fromkeys(each.lower() for each in (person.email, *emails) if each)),
        tuple(dict.fromkeys(each for each in known if each)),
    )


def _escaped(match: re.Match[str]) -> str:
    return "\\" + match[0]


def _as_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]
