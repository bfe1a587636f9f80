"""When each word of a line was said, where nobody measured it: by its length, within the time of the line."""

from collections.abc import Sequence
from typing import Any, Final

LETTERS_A_SECOND: Final = 15
"""Of speech, where not even the line's own length is known."""
SHORTEST: Final = 200
"""Milliseconds of a line."""

Word = dict[str, Any]


def spread(text: str, begin: int, duration: int) -> list[Word]:
    """The words of a line as `{text, start_ms, end_ms}`, each as long as its letters are of the line's."""
    words = text.split()
    weights = [len(word) + 1 for word in words]
    total = sum(weights)
    spoken: list[Word] = []
    passed = 0
    for word, weight in zip(words, weights, strict=True):
        first, passed = passed, passed + weight
        spoken.append(
            {"text": word, "start_ms": begin + duration * first // total, "end_ms": begin + duration * passed // total}
        )
    return spoken


def length_of(text: str, begin: int, duration: int, following: int | None) -> int:
    """Milliseconds of a line: as measured, or as long as its letters take, but not into the line that follows."""
    if duration > 0:
        return duration
    guessed = max(SHORTEST, 1000 * len(text) // LETTERS_A_SECOND)
    return guessed if following is None else max(SHORTEST, min(guessed, following - begin))


def following_of(begins: Sequence[int]) -> list[int | None]:
    """For each beginning of a line, in order, that of the next line that begins later."""
    found: list[int | None] = []
    later: int | None = None
    for place in range(len(begins) - 1, -1, -1):
        if place + 1 < len(begins) and begins[place + 1] > begins[place]:
            later = begins[place + 1]
        found.append(later)
    return found[::-1]
