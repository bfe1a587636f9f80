"""A telephone number as people say it, digit by digit, in pairs or in tens, in seven languages. Pure."""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import phonenumbers

from guard import numerals, spoken
from guard.spoken import MEANT, TENS_OF

MOST_BESIDE: Final = 2
"""Words of another number, at most, that may stand on either side, as in "seven … six seven, one moment"."""
_TOKEN: Final = re.compile(r"[0-9]+|[^\W\d_]+")

_ACCENTED: Final = spoken.words("fünf zwölf zéro três dreißig")
_STEMS: Final = sorted({*MEANT, *_ACCENTED, *(ten[:-1] for ten in TENS_OF)}, key=len)
_LONG: Final = [
    stem for stem in _STEMS if len(stem) > 3 and not any(stem[:end] in _STEMS for end in range(4, len(stem)))
]
_SHORT: Final = [stem for stem in _STEMS if len(stem) <= 3]
LIKELY: Final = (
    rf"((\m((({'|'.join(_LONG)})\w*)|({'|'.join(_SHORT)})\M)|[0-9]+)\W{{0,6}}(\m[a-zäöüß]{{1,10}}\M\W{{1,6}})?){{4}}"
)
"""PostgreSQL's pattern, whatever the case, of every text that may hold a number that is said, or written in groups."""


class Said:
    """Finds one number, of which are given its country, `+` and digits."""

    def __init__(self, number: str) -> None:
        self._forms = forms(number)

    def replace(self, text: str, by: str) -> str:
        """A text without the number; the very text where it does not say it."""
        composed = unicodedata.normalize("NFC", text)
        parts, place = [], 0
        for start, end in self.spans(composed):
            parts += [composed[place:start], by]
            place = end
        return "".join([*parts, composed[place:]]) if parts else text

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where a composed text says it, in order."""
        folded = spoken.fold(text)
        for run in numerals.runs(folded):
            if run.groups > 1 or not folded[run.start : run.end].isdigit():
                found = self._find(folded, run)
                if found is not None:
                    yield found

    def _find(self, folded: str, run: numerals.Run) -> tuple[int, int] | None:
        tokens = list(_TOKEN.finditer(folded, run.start, run.end))
        written = [each.group().isdigit() for each in tokens]
        words = tuple(each.group() for each in tokens)
        for begin in range(min(len(words), MOST_BESIDE + 1)):
            if any(written[:begin]):
                break
            for end in range(len(words), max(begin, len(words) - MOST_BESIDE - 1), -1):
                if any(written[end:]):
                    break
                if any(_spells(words[begin:end], form) for form in self._forms):
                    start = tokens[begin].start()
                    return start - (folded[start - 1 : start] in ("+", "(")), tokens[end - 1].end()
        return None


def forms(number: str) -> tuple[str, ...]:
    """The digits by which a number is told: with its country, and as it is dialled there."""
    digits = number.lstrip("+")
    told = {digits, f"00{digits}"}
    try:
        parsed = phonenumbers.parse(number if number.startswith("+") else f"+{number}")
        own = phonenumbers.national_significant_number(parsed)
    except phonenumbers.NumberParseException:
        own = ""
    if len(own) >= numerals.LEAST:
        told |= {own, f"0{own}", f"1{own}"}
    return tuple(sorted(told, key=len, reverse=True))


@lru_cache(4096)
def _spells(words: tuple[str, ...], digits: str) -> bool:
    """Whether these words, all of them, say these digits and no others."""
    if not words:
        return not digits
    first, rest = words[0], words[1:]
    if first.isdigit():
        return digits.startswith(first) and _spells(rest, digits[len(first) :])
    if times := spoken.times(first):
        said = MEANT.get(rest[0], ()) if rest else ()
        said = (rest[0],) if rest and rest[0].isdigit() else said
        return any(
            len(each) == 1 and digits.startswith(each * times) and _spells(rest[1:], digits[times:]) for each in said
        )
    if first in spoken.FILLERS and _spells(rest, digits):
        return True
    if any(digits.startswith(each) and _spells(rest, digits[len(each) :]) for each in _meant(first)):
        return True
    return any(digits.startswith(said) and _spells(rest[taken:], digits[2:]) for said, taken in _tens(first, rest))


@lru_cache(4096)
def _meant(word: str) -> tuple[str, ...]:
    """The digits that a word may stand for, which may be two in one: "siebenundsiebzig", "veinticinco"."""
    plain = MEANT.get(word, ())
    if plain or len(word) < 7:
        return plain
    for ten, tens in TENS_OF.items():
        rests = [word.removesuffix(ten).removesuffix(link) for link in ("und", "en") if word.endswith(link + ten)]
        rests += [word.removeprefix(stem) for stem in (ten, ten[:-1], f"{ten[:-1]}i") if word.startswith(stem)]
        for rest in rests:
            if (digit := spoken.digit_of(rest)) not in ("", "0"):
                return (tens + digit,)
    return ()


def _tens(first: str, rest: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Tens that are said in several words, "seventy seven", "setenta y siete", "quatre vingt dix sept", and how many
    words of them follow the first."""
    if first == "quatre" and rest[:1] in (("vingt",), ("vingts",)):
        yield "80", 1
        yield from _added(80, rest, 1, most=20)
    elif first in TENS_OF:
        skipped = int(rest[:1] in (("y",), ("e",), ("et",), ("and",)))
        yield from _added(int(TENS_OF[first]) * 10, rest, skipped, most=20 if first == "soixante" else 10)


def _added(ten: int, rest: tuple[str, ...], place: int, *, most: int) -> Iterator[tuple[str, int]]:
    """What comes of a ten with the words from a place on."""
    yield from ((f"{ten + int(said)}", place + 1) for said in _told(rest[place:]) if 0 < int(said) < most)
    if most == 20 and rest[place : place + 1] == ("dix",):
        yield from _added(ten + 10, rest, place + 1, most=10)


def _told(words: tuple[str, ...]) -> tuple[str, ...]:
    return MEANT.get(words[0], ()) if words else ()
