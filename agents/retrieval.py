"""Looking up what is known about a question, from when its first words are heard.

words so far ──expect──▶ search under way ──▶ found ─┐
more words   ──expect──▶ the next one, when it ends   ├─ look_up, at the end of the turn: the same words are not
the question ──look_up────────────────────────────────┘  searched again; others are, and what was found for the
                                                         first words stands in where that fails

Knowledge that was late once is not waited for again before `REST` is over, or a search has found something: each turn
would be late by as much.
"""

import asyncio
import re
import time
from dataclasses import dataclass
from typing import Final

import structlog

from knowledge.client import KnowledgeClient, KnowledgeError, KnowledgeUnavailable
from knowledge.search import Hit

LIMIT: Final = 0.4
"""Seconds that looking up may take; after that the turn goes on without."""
REST: Final = 5.0
"""Seconds after a search that failed in which no turn waits for one; what people begin to say is searched meanwhile."""
PASSAGES: Final = 4
NOISE: Final = 0.02
"""Scores below are noise. Paraphrases of what one large passage holds score as low as 0.04: the model judges those."""
FEW_WORDS: Final = 3
"""Shorter beginnings are not worth a search."""
WORD: Final = re.compile(r"\w+")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Found:
    """The passages for a question, best first, and since when they were there (Unix seconds)."""

    hits: list[Hit]
    at: float


class Retrieval:
    """The look-ups of one call, one at a time and the latest words next."""

    def __init__(self, knowledge: KnowledgeClient, capability: str) -> None:
        self._knowledge, self._capability = knowledge, capability
        self._words: list[str] = []
        self._search: asyncio.Task[Found] | None = None
        self._next: str | None = None
        self._failed_at: float | None = None

    def expect(self, beginning: str) -> None:
        """Somebody has said so much; it is searched now, or when the search under way has ended."""
        words = _words(beginning)
        if len(words) < FEW_WORDS or words == self._words:
            return
        if self._search is not None and not self._search.done():
            self._next = beginning
        else:
            self._begin(beginning)

    async def look_up(self, question: str) -> Found | None:
        """The passages for the whole question; None where the knowledge process gave none in time."""
        self._next = None
        earlier, beginning = self._search, self._words
        if earlier is None or beginning != _words(question) or _failed(earlier):
            earlier = earlier if beginning and _words(question)[: len(beginning)] == beginning else None
            self._begin(question)
        assert self._search is not None
        if self._rests() and not self._search.done():
            log.warning("knowledge not waited for")
            return _found_by(earlier)
        # Waited for, not awaited: a preemptive try that is given up leaves the search to the next one.
        searches = {each for each in (self._search, earlier) if each is not None and not each.done()}
        await asyncio.wait({self._search, *searches}, return_when=asyncio.FIRST_COMPLETED)
        if not self._search.done() and not self._rests():
            await asyncio.wait({self._search})
        try:
            if not self._search.done():
                return None  # the one that was begun before it is late: this one will be
            return self._search.result()
        except KnowledgeError as error:
            log.warning("knowledge not asked", reason=str(error) or type(error).__name__)
            return _found_by(earlier)

    async def close(self) -> None:
        """End what is under way."""
        self._next = None
        if self._search is not None and not self._search.done():
            self._search.cancel()
            await asyncio.wait([self._search])

    def _rests(self) -> bool:
        now = asyncio.get_running_loop().time()
        return self._failed_at is not None and now - self._failed_at < REST

    def _begin(self, text: str) -> None:
        self._words = _words(text)
        self._search = asyncio.create_task(self._find(text))
        self._search.add_done_callback(self._ended)

    def _ended(self, search: asyncio.Task[Found]) -> None:
        if not _failed(search):  # told to whoever looks up; of a beginning nobody needs to know
            self._failed_at = None
        elif not search.cancelled() and isinstance(search.exception(), KnowledgeUnavailable):
            self._failed_at = asyncio.get_running_loop().time()
        if self._next is not None and search is self._search:
            text, self._next = self._next, None
            self._begin(text)

    async def _find(self, text: str) -> Found:
        hits = await self._knowledge.search(self._capability, text, top_k=PASSAGES, timeout=LIMIT)
        return Found([hit for hit in hits if hit.score >= NOISE], time.time())


def _found_by(search: asyncio.Task[Found] | None) -> Found | None:
    return search.result() if search is not None and search.done() and not _failed(search) else None


def _failed(search: asyncio.Task[Found]) -> bool:
    return search.done() and (search.cancelled() or search.exception() is not None)


def _words(text: str) -> list[str]:
    """What makes two texts the same to a search, whatever their punctuation."""
    return WORD.findall(text.casefold())
