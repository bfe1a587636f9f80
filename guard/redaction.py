"""Personal data taken out of what people say: telephone numbers, cards, IBANs, e-mail addresses, names of a list.

Pure, and in time that grows with the length of a text and nothing else. What is found becomes `[phone]`, `[card]`,
`[iban]`, `[email]`, `[name]` or `[number]`; what was redacted once stays as it is.

Rather too much than too little: seven digits in a row are a number, said or written, whatever they count. Dates, years,
amounts and ids of ours are not. A number whose digits come in two lines of one speaker is found by the line before.
"""

import importlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, NamedTuple

import phonenumbers
import structlog

from guard import numerals, spoken
from guard.numerals import LEAST

TAIL: Final = 160
"""Characters of what was said before that are looked at."""
LOOKS: Final = 40
"""Groups of digits of one text that are looked at for what kind of number they are; the others are just numbers."""
AROUND: Final = 250
"""Characters on both sides of a said "at" in which an address is looked for."""
LONGEST_NAME: Final = 8
"""Words of a name."""
REGIONS: Final = ("US", "GB", "DE", "FR")
"""Whose local numbers are called telephone numbers. Those of others are redacted too, as numbers."""
WHOLE: Final = "[redacted]"
"""In place of a text whose finder has failed."""

_AT: Final = (
    r"(?:@|\bat\b|\bat the rate\b|\bä[dt]\b|\barroba\b|\bchiocciola\b|\barobase\b|\bklammeraffe\b|\bapenstaartje\b)"
)
_JOIN: Final = r"(?:\.|\bdot\b|\bpoint\b|\bpunkt\b|\bpunto\b|\bponto\b|\bpunt\b)"
_MARK: Final = (
    r"(?:[._+-]|\b(?:dot|point|punkt|punto|ponto|punt|underscore|unterstrich|dash|hyphen|minus|bindestrich|tiret|guion|plus)"
    r"\b)"
)
_TLD: Final = (
    r"(?:com|org|net|edu|gov|info|biz|app|dev|test|example|co|io|ai|me|tv|de|uk|fr|es|it|nl|pt|be|ch|at|eu|us|ca|au|in|br|mx|pl"
    r"|se|no|dk|fi|ie|nz|jp|cn|ru|tr|za)"
)
_MAIL: Final = re.compile(r"[\w.+%'=&/-]{1,64}\s?@\s?[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_SAID_MAIL: Final = re.compile(
    rf"((?:\w{{1,30}}\s?){_MARK}\s?){{0,5}}(\w{{1,40}})\s{{0,2}}{_AT}\s{{0,2}}"
    rf"\w[\w-]{{0,40}}(?:\s?{_MARK}\s?\w[\w-]{{0,40}}){{0,4}}?\s?{_JOIN}\s?{_TLD}\b(?:\s?{_JOIN}\s?{_TLD}\b)?"
)
_SIGN: Final = re.compile(_AT)
_BEGUN_MAIL: Final = re.compile(
    rf"(?:(?:\w{{1,30}}\s?{_MARK}\s?){{1,5}}\w{{1,40}}\s?{_AT}|\b\w[\w.+-]{{0,63}}\s?@)(?:\s?\w[\w-]{{0,40}})?\W*$"
)
_HOST: Final = re.compile(
    rf"\W*(?:{_AT}\s?)?\w[\w-]{{0,40}}(?:\s?{_MARK}\s?\w[\w-]{{0,40}}){{0,3}}?\s?{_JOIN}\s?{_TLD}\b"
)
_NO_LOCAL: Final = frozenset(
    spoken.words("""
    us me him her them you it we i look looking looks online site website webpage web page visit find found
    available see here there more is are was be on in live store shop sold order book uns mich im unter bei seite
    auf
    """)
)
"""Words after which an address is one of the web."""
_BEFORE_LOCAL: Final = frozenset(
    spoken.words("""
    is its it's my the email mail e address adresse to at or and send write contact reach ist lautet meine mein an
    auf est mon es mi la il mio mia das die der this that me a uh um you can as by it
    """)
)
"""Words that stand before a said address, and are none of it."""
_IBAN: Final = re.compile(r"(?<![^\W_])[a-z]{2}[ -]?[0-9]{2}(?:[\s.,-]{0,3}[a-z0-9]){11,30}")
"""Wherever it is broken: who says one pauses, and a recogniser ends a sentence there."""
LEAST_OF_IBAN: Final = 10
"""Digits: the shortest ones have twelve. Of "at 10" and the words after it every twentieth would pass for one."""
_BEGUN_IBAN: Final = re.compile(r"(?<![^\W_])[a-z]{2}[0-9]{2}(?:[ -]?[a-z]{4})?(?:[ -]?[0-9]{2,4}){1,8}(?=\W{0,4}$)")
_WORD: Final = re.compile(r"[^\W_]+")
_MASK: Final = re.compile(r"\[(phone|card|iban|email|name|number|redacted)\]")
_MASKED_END: Final = re.compile(r"\[(phone|card|iban|email|number)\]\W*$")

log = structlog.get_logger()


class Span(NamedTuple):
    """A part of a text, and what it is: `phone`, `card`, `iban`, `email`, `name` or `number`."""

    start: int
    end: int
    kind: str


Find = Callable[[str], Iterable[Span]]
"""What finds personal data. The text comes in Unicode's composed form."""


class Redactor:
    """Takes personal data out of texts. `find` takes the place of `Finder`."""

    def __init__(self, names: Sequence[str] = (), find: Find | None = None) -> None:
        self._find, self._is_ours = find or Finder(names), find is None
        self._names = names

    def redact(self, text: str, *, before: str = "", interim: bool = False) -> str:
        """A text without personal data.

        `before` is what the same speaker said just before, redacted or not. An `interim` text is one that goes on: what
        may become a number is taken out as well.
        """
        text = unicodedata.normalize("NFC", text)
        spans = self.spans(text, before=before, interim=interim)
        if spans is None:
            return WHOLE if text else text
        parts, place = [], 0
        for span in spans:
            parts += [text[place : span.start], f"[{span.kind}]"]
            place = span.end
        return "".join([*parts, text[place:]])

    def spans(self, text: str, *, before: str = "", interim: bool = False) -> list[Span] | None:
        """Where a composed text holds personal data, in order; None where the finder has failed."""
        if not text:
            return []
        head = unicodedata.normalize("NFC", before[-TAIL:]) + "\n" if before else ""
        joined = head + text
        folded = spoken.fold(joined)
        try:
            found = [Span(*each) for each in self._find(joined)]
        except Exception as error:  # of a customer's own finder; nothing of the text may go anywhere
            log.error("the finder of personal data failed", reason=type(error).__name__)
            return None
        if self._is_ours:
            found += _going_on(folded, len(head))
            found += _unfinished(folded, interim=interim, names=self._names)
        return list(_clipped(found, joined, len(head)))

    def redact_all(self, value: Any) -> Any:
        """The same JSON value with all its texts redacted, and numbers that are long enough to be one of those."""
        match value:
            case str():
                return self.redact(value)
            case dict():
                return {key: self.redact_all(each) for key, each in value.items()}
            case list():
                return [self.redact_all(each) for each in value]
            case int() if not isinstance(value, bool) and abs(value) >= 10 ** (LEAST - 1):
                return "[number]"
        return value

    def redact_words(self, words: Sequence[str], *, before: str = "") -> list[str]:
        """The words of a text, each redacted by what the whole text is: empty where one is left out."""
        places, length = [], 0
        for word in words:
            places.append(length)
            length += len(unicodedata.normalize("NFC", word)) + 1
        spans = self.spans(unicodedata.normalize("NFC", " ".join(words)), before=before)
        if spans is None:
            return [WHOLE, *[""] * (len(words) - 1)] if words else []
        redacted, told = [], -1
        for place, word in zip(places, words, strict=True):
            end = place + len(unicodedata.normalize("NFC", word))
            hit = next((n for n, span in enumerate(spans) if span.start < end and place < span.end), None)
            redacted.append(word if hit is None else f"[{spans[hit].kind}]" if hit != told else "")
            told = told if hit is None else hit
        return redacted


class Finder:
    """Finds what this module knows of; a finder of one's own may add to it."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._names: dict[str, list[tuple[str, ...]]] = {}
        for words in {tuple(_WORD.findall(spoken.fold(name)))[:LONGEST_NAME] for name in names}:
            if words:
                self._names.setdefault(words[0], []).append(words)

    def __call__(self, text: str) -> Iterator[Span]:
        folded = spoken.fold(text)
        yield from _mails(folded)
        yield from _ibans(folded)
        yield from _numbers(folded)
        if self._names:
            yield from self._listed(folded)

    def _listed(self, folded: str) -> Iterator[Span]:
        words = [(found.group(), found.start(), found.end()) for found in _WORD.finditer(folded)]
        for place, (word, start, _) in enumerate(words):
            for name in self._names.get(word, ()):
                there = words[place : place + len(name)]
                if len(there) == len(name) and all(each[0] == part for each, part in zip(there, name, strict=True)):
                    yield Span(start, there[-1][2], "name")


def configure(factory: str) -> None:
    """Have texts of this process redacted by what `module:factory` makes; empty: by `Finder`.

    The factory is called with the names of a project's list and returns a `Find`. Raises `ValueError`.
    """
    global _factory
    _build.cache_clear()
    module, _, name = factory.partition(":")
    try:
        _factory = getattr(importlib.import_module(module), name) if factory else None
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"PARLEY_REDACTOR: there is no {factory}") from error


def build(names: Iterable[str] = ()) -> Redactor:
    """What redacts in this process, with the names of a project's list."""
    return _build(tuple(names))


_factory: Callable[[Sequence[str]], Find] | None = None


@lru_cache(256)
def _build(names: tuple[str, ...]) -> Redactor:
    return Redactor(names, _factory(names) if _factory is not None else None)


def _mails(folded: str) -> Iterator[Span]:
    if "@" in folded:
        for found in _MAIL.finditer(folded):
            yield Span(*found.span(), "email")
    for begin, end in _around(folded):
        for found in _SAID_MAIL.finditer(folded, begin, end):
            if found[1] or found[2] not in _NO_LOCAL:
                yield Span(_local_of(folded, found.start()), found.end(), "email")


def _around(folded: str) -> Iterator[tuple[int, int]]:
    """The parts of a text in which an address may be said, none of them twice."""
    begin = end = -1
    for sign in _SIGN.finditer(folded):
        if sign.start() - AROUND > end:
            if end > 0:
                yield begin, end
            begin = max(0, sign.start() - AROUND)
        end = sign.end() + AROUND
    if end > 0:
        yield begin, end


def _local_of(folded: str, start: int) -> int:
    """Where a said address begins whose last word begins at `start`: it may be spelled, or a name in two words."""
    taken = 0
    for found in reversed(list(_WORD.finditer(folded, max(0, start - 120), start))):
        between = folded[found.end() : start]
        letter = len(found.group()) == 1
        if (
            between.strip(" -")
            or folded[found.start() - 1 : found.start()] == "'"
            or (found.group() in _BEFORE_LOCAL and not letter)
            or (taken >= 2 and not letter)
        ):
            break
        start, taken = found.start(), taken + (not letter)
    return start


def _ibans(folded: str) -> Iterator[Span]:
    at = looks = 0
    while found := _IBAN.search(folded, at):
        start, at = found.start(), found.start() + 4
        if sum(map(str.isdigit, found.group())) < LEAST_OF_IBAN:
            continue
        looks += 1
        # Words may follow it that look like more of it.
        for end in range(found.end(), start + 14, -1):
            if not folded[end - 1].isalnum() or folded[end : end + 1].isalnum():
                continue
            plain = re.sub(r"[\s.,-]", "", folded[start:end])
            if looks > LOOKS or _is_iban(plain):
                yield Span(start, end, "iban")
                at = end
                break


def _is_iban(plain: str) -> bool:
    if len(plain) < 15 or sum(map(str.isdigit, plain)) < LEAST_OF_IBAN:
        return False
    return int("".join(str(int(each, 36)) for each in plain[4:] + plain[:4])) % 97 == 1


def _numbers(folded: str) -> Iterator[Span]:
    looks = 0
    for run in numerals.runs(folded):
        if run.weight < LEAST:
            continue
        looks += 1
        digits = "".join(each for each in folded[run.start : run.end] if each.isdigit())
        kind = _kind(digits, run, folded) if looks <= LOOKS else "number"
        start = run.start - 1 if folded[run.start - 1 : run.start] in ("+", "(") else run.start
        yield Span(start, _extended(folded, run.end), kind)


_EXTENSION: Final = re.compile(r"\s{0,2}(?:;ext=|ext\.?|extension|x|durchwahl|poste)\s{0,2}[0-9]{1,7}")


def _extended(folded: str, end: int) -> int:
    found = _EXTENSION.match(folded, end)
    return found.end() if found else end


def _kind(digits: str, run: numerals.Run, folded: str) -> str:
    if run.weight > len(digits):
        digits = numerals.read(folded[run.start : run.end]) or digits
    if 13 <= len(digits) <= 19 and _is_luhn(digits):
        return "card"
    if len(digits) > 15:
        return "number"
    written = folded[max(0, run.start - 1) : run.start] == "+" or digits.startswith("00")
    given = "+" + digits.removeprefix("00") if written else digits
    for region in REGIONS:
        with suppress(phonenumbers.NumberParseException):
            if phonenumbers.is_valid_number(phonenumbers.parse(given, region)):
                return "phone"
    return "phone" if written else "number"


def _is_luhn(digits: str) -> bool:
    doubled = sum(sum(divmod(2 * int(each), 10)) for each in digits[-2::-2])
    return (doubled + sum(int(each) for each in digits[-1::-2])) % 10 == 0


def _going_on(folded: str, begin: int) -> Iterator[Span]:
    """What goes on with that which was taken out of the end of the line before."""
    ended = _MASKED_END.search(folded, 0, begin)
    if ended is None:
        return
    if ended[1] == "email":
        if found := _HOST.match(folded, begin):
            yield Span(begin, found.end(), "email")
        return
    first = next(numerals.runs(folded[begin : begin + TAIL]), None)
    if first is None or folded[begin : begin + first.start].strip(" .,+(-\u2013"):
        return
    rest = folded[begin + first.end : begin + TAIL].strip(" .,!?)-")
    if first.weight >= 3 or not rest:
        yield Span(begin + first.start, begin + first.end, ended[1])


_CUE: Final = re.compile(
    r"number|phone|mobile|cell|call|reach|card|iban|account|dial|nummer|telefon|handy|karte|konto|numero|telefono|carte|compte|tarjeta"
    r"|cuenta|carta|conto|cartao|conta|rekening|kaart"
)
_PLAIN: Final = re.compile(r"\b(?:zip|post|plz|order|room|bestell|auftrag|zimmer|codigo|code|cap\b|kamer)")
"""What a group of digits is called that is short and nobody's."""


def _unfinished(folded: str, *, interim: bool, names: Sequence[str]) -> Iterator[Span]:
    """What a text ends with that looks like the beginning of more."""
    tail = max(0, len(folded) - TAIL)
    last = next(iter([*numerals.runs(folded[tail:])][-1:]), None)
    if last is not None and not folded[tail + last.end :].strip(" .,!?)-\n\u2026"):
        cued = _CUE.search(folded, max(0, tail + last.start - 80), tail + last.start) is not None
        cued = cued or folded[: tail + last.start].endswith(("+", "+("))
        plain = _PLAIN.search(folded, max(0, tail + last.start - 40), tail + last.start) is not None
        least = 3 if interim else LEAST if plain and last.groups == 1 else 4 if cued else 5
        if last.weight >= least:
            yield Span(tail + last.start, tail + last.end, "number")
    if found := _BEGUN_IBAN.search(folded, tail):
        yield Span(found.start(), found.end(), "iban")
    if found := _BEGUN_MAIL.search(folded, tail):
        yield Span(found.start(), found.end(), "email")
    if names:
        words = [(each.group(), each.start(), each.end()) for each in _WORD.finditer(folded, tail)][-LONGEST_NAME:]
        for name in names:
            parts = _WORD.findall(spoken.fold(name))
            for held in range(len(parts) - 1, 0, -1):
                if [word for word, _, _ in words[-held:]] == parts[:held]:
                    yield Span(words[-held][1], words[-1][2], "name")
                    break


def _clipped(found: Iterable[Span], joined: str, begin: int) -> Iterator[Span]:
    """Spans of the text that begins there, in order, those that touch as one; what was redacted before is left."""
    masks = [each.span() for each in _MASK.finditer(joined, begin)]
    held: Span | None = None
    for span in sorted(found):
        start, end = max(span.start, begin), min(span.end, len(joined))
        if start >= end or any(start < mask_end and mask_start < end for mask_start, mask_end in masks):
            continue
        here = Span(start - begin, end - begin, span.kind)
        if held is not None and here.start < held.end:
            kind = here.kind if held.kind == "number" else held.kind
            held = Span(held.start, max(held.end, here.end), kind)
            continue
        if held is not None:
            yield held
        held = here
    if held is not None:
        yield held
