"""Digits in a row within a text, written or said, in one or many groups. Pure, one pass."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from guard import spoken

LEAST: Final = 7
"""Digits that are a number in any case."""
MOST_GROUPS: Final = 64
"""Of one run; what follows is another."""

_TOKEN: Final = re.compile(r"[0-9]+|[^\W\d_]+")
_SHIELDED: Final = re.compile(
    r"(?<![0-9])(?<![0-9][/-])(?:19|20)[0-9]{2}-[01]?[0-9]-[0-3]?[0-9]"
    r"(?:[t ]{1,2}[0-2]?[0-9]:[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?)?(?![0-9])"
    r"|(?<![0-9./-])[0-3]?[0-9]([./-])[0-3]?[0-9]\1(?:19|20)[0-9]{2}(?![0-9])"
    r"|(?<![0-9])(?<![0-9][/\u2013-])(?:19|20)[0-9]{2}\s?[-\u2013/]\s?(?:19|20)[0-9]{2}(?![0-9/-])"
    r"|(?<![0-9.,])[0-9]{1,3}(?:,[0-9]{3}){1,5}(?:\.[0-9]{1,2})?(?![0-9]|[,.][0-9])"
    r"|(?<![0-9.,])[0-9]{1,3}(?:\.[0-9]{3}){1,5}(?:,[0-9]{1,2})?(?=\s?(?:€|eur|usd|\$))"
    r"|(?<=[$€£])\s?[0-9]{1,9}(?:[.,][0-9]{1,2})?(?![0-9]|[,.][0-9])"
    r"|(?<![0-9.,+-])(?<![.-] )(?<!\., )[0-9]{1,4}[.,][0-9]{1,2}"
    r"(?=\s?(?:, |;|%|€|\$|eur|usd|doll|and\b|und\b|or\b|[.!?]?$))"
    r"|(?<![0-9.])[0-9]\.[0-9]{4,9}(?![0-9])"
    r"|(?<![\w-])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![\w-])"
)
"""Dates, times, years, amounts and UUIDs: digits in a row that are nobody's number."""
_YEAR: Final = re.compile(r"(?:19|20)[0-9]{2}")
_BETWEEN: Final = re.compile(r"[\s().,;:/+'\"*\u2010-\u2015\u200b-\u200f\u2060\ufeff\u00ad\u00b7\u2022-]{0,6}")
GLUED: Final = 9
"""Digits without a break that are a number though letters stand beside them."""


class Run(NamedTuple):
    """Digits in a row: where, how many of them, in how many groups."""

    start: int
    end: int
    weight: int
    groups: int


def runs(folded: str) -> Iterator[Run]:
    """The runs of a folded text, in order."""
    shields = [found.span() for found in _SHIELDED.finditer(folded)]
    shields.append((len(folded) + 1, len(folded) + 1))
    at = 0
    run = _Open()
    for found in _TOKEN.finditer(folded):
        start, end = found.span()
        while shields[at][1] <= start:
            at += 1
        if shields[at][0] < end:
            yield from run.close(folded)
            continue
        token = found.group()
        if run.groups and not _BETWEEN.fullmatch(folded, run.seen, start):
            yield from run.close(folded)
        if token[0].isdigit():
            glued = _is_letter(folded, start - 1) or _is_letter(folded, end)
            if glued and len(token) < GLUED:
                yield from run.close(folded)
                continue
            run.take(start, end, len(token), token)
        elif digits := spoken.count(token):
            run.take(start, end, digits, "")
        elif by := spoken.times(token):
            run.times, run.seen = by, end
            run.begin = start if not run.groups else run.begin
        elif run.groups and token in spoken.FILLERS:
            run.seen = end
        else:
            yield from run.close(folded)
        if run.groups >= MOST_GROUPS:
            yield from run.close(folded)
    yield from run.close(folded)


def read(folded: str) -> str:
    """The digits of a run whose words are single digits; empty where others are among them."""
    digits, by = "", 1
    for token in _TOKEN.findall(folded):
        if token[0].isdigit():
            digits, by = digits + token[0] * (by - 1) + token, 1
        elif digit := spoken.digit_of(token):
            digits, by = digits + digit * by, 1
        elif spoken.times(token):
            by = spoken.times(token)
        elif token not in spoken.FILLERS:
            return ""
    return digits


class _Open:
    """A run that is being read."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.begin, self.end, self.seen = -1, 0, 0
        self.weight, self.groups, self.times = 0, 0, 0
        self.written: list[str] = []

    def take(self, start: int, end: int, digits: int, written: str) -> None:
        """Another group."""
        self.begin = start if self.begin < 0 else self.begin
        self.weight += digits + max(0, self.times - 1)
        self.groups, self.times, self.end, self.seen = self.groups + 1, 0, end, end
        self.written.append(written)

    def close(self, folded: str) -> Iterator[Run]:
        """The run as it is, and begin anew."""
        if self.groups and not self._is_years(folded):
            yield Run(self.begin, self.seen if self.times else self.end, self.weight, self.groups)
        self._clear()

    def _is_years(self, folded: str) -> bool:
        several = self.groups > 1 and all(_YEAR.fullmatch(each) for each in self.written)
        return several and any(each in ",-/" or each.isalpha() for each in folded[self.begin : self.end])


def _is_letter(folded: str, place: int) -> bool:
    return 0 <= place < len(folded) and (folded[place].isalpha() or folded[place] == "_")
