"""Finds the sentence that answers a question, or finds that there is none."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from parley.offline.words import NUMBER_WORDS, likeness, telling, tokens, word_set

Encode = Callable[[Sequence[str]], NDArray[np.float32]]

_SENTENCE_END: Final = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[A-Z0-9])|\n+")
_MARKUP: Final = re.compile(r"^[#>*\-\s]+|[*_`]+")
_DIGIT: Final = re.compile(r"\d")
_ASKS_FOR_AMOUNT: Final = re.compile(
    r"\b(?:how (?:much|many|long|old|often|far|big|large|tall|high|late|early|soon)|what time|when)\b", re.I
)
_AMOUNT: Final = NUMBER_WORDS | word_set(
    """
    hundred thousand million first second third half quarter dozen once twice both free none no several many few
    monday tuesday wednesday thursday friday saturday sunday january february march april may june july august
    september october november december spring summer autumn fall winter christmas easter
    morning noon afternoon evening night midnight day days week weeks weekend month months year years hour hours
    minute minutes daily weekly monthly yearly always never every until before after during since century
    """
)
_LONGEST_SENTENCE: Final = 400
_LONGEST_SUMMARISED: Final = 200  # sentences
SURE_ENOUGH: Final = 0.22  # of questions asked of foreign articles 2 % pass, of those asked of their own 80 %
_FARTHEST_MEANING: Final = 0.35  # a lone word that was misheard covers much and means little
_CANDIDATES: Final = 5  # as many as may be compared by meaning within a turn's time
_ALL_CANDIDATES: Final = 60  # the same where thinking may take its time


@dataclass(frozen=True)
class Sentence:
    """A sentence of the context, with what stands around it."""

    text: str
    stems: tuple[str, ...]
    around: tuple[str, ...]
    rank: int


@dataclass(frozen=True)
class Evidence:
    """Why a sentence may be the answer. Shares are 0 to 1, weighted by how telling each word is."""

    sentence: Sentence
    covered: float
    meaning: float
    fits: bool  # no number or time is asked for, or the sentence holds one

    @property
    def confidence(self) -> float:
        """The chance that the sentence answers the question: a logistic regression fitted on SQuAD 2.0's questions."""
        if not self.fits or self.meaning < _FARTHEST_MEANING:
            return 0.0
        logit = -7.0 + 4.3 * self.covered + 6.0 * self.meaning + 0.7 / (1 + self.sentence.rank)
        return 1 / (1 + math.exp(-logit))


def split_sentences(text: str) -> list[str]:
    """The sentences of a passage; headings and list items are sentences too."""
    parts = (_MARKUP.sub("", part).strip() for part in _SENTENCE_END.split(text))
    return [part[:_LONGEST_SENTENCE] for part in parts if part]


def sentences(passages: Sequence[str]) -> list[Sentence]:
    """All sentences of the passages, which are ordered best first."""
    found: list[Sentence] = []
    for rank, passage in enumerate(passages):
        around = tuple(telling(passage))
        for text in split_sentences(passage):
            stems = tuple(telling(text))
            if stems and all(text != known.text for known in found):
                found.append(Sentence(text, stems, around, rank))
    return found


def weights(question: Sequence[str], context: Sequence[Sentence]) -> dict[str, float]:
    """How telling each word of the question is: the rarer in the context the more, unknown ones most."""
    weight: dict[str, float] = {}
    for word in question:
        count = sum(any(likeness(word, stem) for stem in sentence.stems) for sentence in context)
        weight[word] = math.log(1 + len(context) / (count or 0.5))
    return weight


def share(weight: dict[str, float], stems: Sequence[str]) -> float:
    """How much of the question's weight the words cover."""
    total = sum(weight.values())
    if not total:
        return 0.0
    return sum(w * max((likeness(word, stem) for stem in stems), default=0.0) for word, w in weight.items()) / total


def fits(question: str, sentence: str) -> bool:
    """Whether a sentence holds a number or a time, if the question asks for one."""
    return not _ASKS_FOR_AMOUNT.search(question) or bool(_AMOUNT & set(tokens(sentence)) or _DIGIT.search(sentence))


def evidence(question: str, passages: Sequence[str], encode: Encode, *, thorough: bool = False) -> list[Evidence]:
    """The sentences that may answer, most likely first; `thorough` compares all of them by meaning."""
    context = sentences(passages)
    weight = weights(telling(question), context)
    if not weight:
        return []
    scored = []
    for sentence in context:
        covered = share(weight, sentence.stems)
        if covered or thorough:
            promise = covered + 0.3 * share(weight, sentence.around) + 0.1 / (1 + sentence.rank)
            scored.append((promise, covered, sentence))
    best = sorted(scored, key=lambda entry: -entry[0])[: _ALL_CANDIDATES if thorough else _CANDIDATES]
    if not best:
        return []
    vectors = encode([question, *(sentence.text for _, _, sentence in best)])
    found = [
        Evidence(
            sentence,
            covered=covered,
            meaning=float(vectors[0] @ vector),
            fits=fits(question, sentence.text),
        )
        for (_, covered, sentence), vector in zip(best, vectors[1:], strict=True)
    ]
    return sorted(found, key=lambda one: -one.confidence)


def answer(question: str, passages: Sequence[str], encode: Encode, *, thorough: bool = False) -> str | None:
    """The answering sentence in its own words, or None when the context does not tell."""
    found = evidence(question, passages, encode, thorough=thorough)
    return found[0].sentence.text if found and found[0].confidence >= SURE_ENOUGH else None


def summary(passages: Sequence[str], encode: Encode, *, count: int) -> list[str]:
    """The sentences closest in meaning to all of them together, in their own order."""
    texts = [sentence.text for sentence in sentences(passages)][:_LONGEST_SUMMARISED]
    if len(texts) <= count:
        return texts
    vectors = encode(texts)
    central = np.argsort(-(vectors @ vectors.mean(axis=0)))[:count]
    return [texts[index] for index in sorted(central)]
