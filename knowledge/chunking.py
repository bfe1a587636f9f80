"""Cuts passages into chunks that are small enough to embed and large enough to answer from. Pure.

A passage is a stretch of text that belongs together (the part below a heading, a row of a table); chunks never cross
from one into the next. Inside a passage, a cut falls on the strongest boundary at hand: a blank line, a line, a
sentence, a word; only a single word longer than a chunk is cut in two.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final

DEFAULT_CHUNK_SIZE: Final = 500
DEFAULT_CHUNK_OVERLAP: Final = 50

BOUNDARIES: Final = (re.compile(r"\n[ \t]*\n\s*"), re.compile(r"\n\s*"), re.compile(r"[.!?…][\"'”’)\]]*\s+"))
"""From strong to weak. What follows the match opens the next chunk."""

SPACE: Final = re.compile(r"\s*")
WORD_START: Final = re.compile(r"(?<=\s)\S")

FULL_ENOUGH: Final = 0.5
"""A boundary counts if it leaves a chunk at least this full; otherwise a weaker one further on is better."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Text that belongs together, the headings above it, outermost first, and its page or row in the document."""

    text: str
    heading_path: tuple[str, ...] = ()
    page: int | None = None
    row: int | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a passage. `start` is its place in the passage's text; `index` counts through the document."""

    text: str
    index: int
    heading_path: tuple[str, ...]
    start: int
    page: int | None = None
    row: int | None = None

    @property
    def heading(self) -> str:
        """The path as one line."""
        return " › ".join(self.heading_path)

    @property
    def searched(self) -> str:
        """What is embedded and looked up: the words with their headings."""
        return searched_text(self.heading, self.text)


def searched_text(heading: str, content: str) -> str:
    """Heading and content as search sees them; the store's statements say the same in SQL."""
    return f"{heading}\n{content}" if heading else content


def split(
    passages: Iterable[Passage],
    *,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    chunk_overlap: int = DEFAULT_CHUNK_OVERLAP,
) -> Iterator[Chunk]:
    """Chunks of at most `chunk_size` characters; neighbours of one passage share `chunk_overlap`, to within a word.

    Every word of a passage is in a chunk, and each chunk is in its passage character by character.
    """
    if not 0 <= chunk_overlap < chunk_size:
        raise ValueError("chunk_overlap must be at least 0 and smaller than chunk_size")
    index = count()
    for passage in passages:
        for start, end in _cuts(passage.text, chunk_size, chunk_overlap):
            yield Chunk(passage.text[start:end], next(index), passage.heading_path, start, passage.page, passage.row)


def _cuts(text: str, size: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Where chunks begin and end, without the white space around them."""
    limit = len(text.rstrip())
    start = _after_space(text, 0)
    while start < limit:
        end = limit if limit - start <= size else _end(text, start, size, overlap)
        stop = start + len(text[start:end].rstrip())
        yield start, stop
        if end >= limit:
            return
        start = _next_start(text, start, stop, overlap)


def _end(text: str, start: int, size: int, overlap: int) -> int:
    """The best place to stop: beyond the overlap, so that the next chunk moves on, and at most `size` away."""
    furthest = start + size
    enough = start + max(overlap + 1, int(size * FULL_ENOUGH))
    for boundary in BOUNDARIES:
        # One character beyond the limit may be the white space that makes a full stop the end of a sentence.
        ends = [match.end() for match in boundary.finditer(text, enough, furthest + 1)]
        if ends:
            return min(ends[-1], furthest)
    for position in range(furthest, start + overlap, -1):
        if text[position].isspace():
            return position
    return furthest


def _next_start(text: str, start: int, stop: int, overlap: int) -> int:
    """The start of the word nearest to `overlap` characters before `stop`, and after `start` in any case."""
    if overlap == 0:
        return _after_space(text, stop)
    wanted = max(stop - overlap, start + 1)
    before = [match.start() for match in WORD_START.finditer(text, max(wanted - overlap, start + 1), wanted + 1)]
    if before:
        return before[-1]
    after = WORD_START.search(text, wanted, stop)
    return after.start() if after else _after_space(text, wanted)


def _after_space(text: str, position: int) -> int:
    match = SPACE.match(text, position)
    return match.end() if match else position
