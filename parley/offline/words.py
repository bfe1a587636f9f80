"""Words as the answering model compares them: stems, telling words, spoken numbers."""

import re
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Final


def word_set(text: str) -> frozenset[str]:
    """The words of a list written as prose."""
    return frozenset(text.split())


_PLUS: Final = re.compile(r"(?:\+|\bplus\b)(.*)", re.I | re.S)
_TOKEN: Final = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")
_GRAMMAR: Final = word_set(
    """
    a an the this that these those there here it its they them their he him his she her hers we us our ours
    you your yours i me my mine myself yourself one ones is are was were be been being am do does did done
    doing have has had having can could will would shall should may might must of in on at to from by for
    with without about into onto over under as than then and or but if so not no nor yes any some all each
    every both either more most much many very too also just only own same such what when where which who
    whom whose why how while during before after again once please tell know say said want wanted need like
    would get got give let's let say me ok okay well um uh er ah oh hello hi hey there's what's who's it's
    i'm i'd i'll you're don't doesn't can't isn't aren't thank thanks good kindly possible wonder wondering
    question ask asking answer mean exactly really actually maybe perhaps right something anything thing
    things someone anyone does
    """
)
_UNITS: Final = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen
    """
_TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
_NUMBERS: Final = {word: value for value, word in enumerate(_UNITS.split())} | {
    word: tens * 10 for tens, word in enumerate(_TENS.split(), start=2)
}
NUMBER_WORDS: Final = frozenset(_NUMBERS)
_ENDINGS: Final = ("ings", "ing", "edly", "ed", "es", "ly", "s", "e")
_SHORTEST_STEM: Final = 3
_COMMON_START: Final = 4
_LONGEST_TAIL: Final = 4
_MISHEARD: Final = 0.8


def tokens(text: str) -> list[str]:
    """Lower-case words and numbers."""
    return _TOKEN.findall(text.lower().replace("’", "'"))


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """A word without its ending, so that "opens", "opening" and "opened" are one."""
    word = word.removesuffix("'s")
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif not word.endswith(("ss", "us", "is")):
        ending = next((e for e in _ENDINGS if word.endswith(e) and len(word) - len(e) >= _SHORTEST_STEM), "")
        word = word.removesuffix(ending)
    if len(word) > _SHORTEST_STEM and word[-1] == word[-2] and word[-1] not in "aeious":
        word = word[:-1]
    return word[:-1] + "i" if word.endswith("y") and len(word) > _SHORTEST_STEM else word


@lru_cache(maxsize=50_000)
def likeness(one: str, other: str) -> float:
    """How surely two stems are the same word: 1 for the same or derived, less for one that sounds nearly so, else 0."""
    short, long = sorted((one, other), key=len)
    if short == long:
        return 1.0
    if short.isdigit() or long.isdigit() or len(short) < _COMMON_START:
        return 0.0
    if long.startswith(short) and len(long) - len(short) <= _LONGEST_TAIL:
        return 1.0
    ratio = SequenceMatcher(None, one, other).ratio()
    return ratio if ratio >= _MISHEARD and one[0] == other[0] else 0.0


def telling(text: str) -> list[str]:
    """The stems that carry meaning, in order, each once."""
    return list(dict.fromkeys(stem(token) for token in tokens(text) if token not in _GRAMMAR))


def spoken_numbers(text: str) -> list[str]:
    """Numbers in digits, read as a caller says them: "four two seven" is 427, "forty two" is 42."""
    found: list[str] = []
    digits = ""
    tens: int | None = None
    for token in [*tokens(text.replace("-", " ")), ""]:
        value = _NUMBERS.get(token)
        if tens is not None:
            joined = value is not None and 0 < value < 10
            digits += str(tens + (value or 0) if joined else tens)
            tens = None
            if joined:
                continue
        if token.isdigit():
            digits += token
        elif value is not None and value >= 20:
            tens = value
        elif value is not None:
            digits += str(value)
        elif digits:
            found.append(digits)
            digits = ""
    return found


def telephone_number(text: str) -> str | None:
    """The telephone number in a text, as digits, and after its `+` where that is written or said as "plus"."""
    international = _PLUS.search(text)
    found = spoken_numbers(international[1] if international else text)
    return f"{'+' if international else ''}{found[0]}" if found else None


def is_grammar(text: str) -> bool:
    """Whether no word of a text carries meaning."""
    return not telling(text)
