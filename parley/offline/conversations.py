"""Reads a conversation without a language model: what it says of it are pieces of what was said, and counts.

It knows the shape of `control_plane.analysis.reading`: the conversation as JSON in the first message of a user. A
score is how near in meaning something is that was said, which is little to go by; the answer is marked extractive.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from parley.offline.errors import InvalidRequest
from parley.offline.reading import Encode
from parley.offline.words import stem, telling, tokens, word_set

SCHEMA: Final = "conversation_analysis"
_GLAD: Final = word_set("thank thanks great perfect good lovely wonderful excellent happy nice helpful glad appreciate")
_SORRY: Final = word_set(
    "bad wrong terrible angry useless annoyed unhappy disappointed complaint refund worst never problem"
)
_PROMISES: Final = (
    "i will ",
    "i'll ",
    "we will ",
    "we'll ",
    "let me ",
    "please send ",
    "please call ",
    "i am going to ",
)
_SUMMED_UP: Final = 3
_TOPICS: Final = 5
_SHOWS: Final = 0.35
"""How near in meaning a line is that shows something (cosine of MiniLM)."""
_EVIDENCE: Final = 3


@dataclass(frozen=True, slots=True)
class Line:
    """Something that was said."""

    id: int
    speaker: str
    text: str


def analyse(asked: str, encode: Encode) -> str:
    """The analysis of a conversation, as JSON. Raises `InvalidRequest` where `asked` holds none."""
    try:
        given: dict[str, Any] = json.loads(asked)
        lines = [Line(line["id"], line["speaker"], line["text"]) for line in given["lines"]]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidRequest("the message holds no conversation") from error
    wanted = [*given["objectives"], *(f"{each['name']}. {each.get('description', '')}" for each in given["criteria"])]
    shown = _shown(wanted, lines, encode)
    met, judged = shown[: len(given["objectives"])], shown[len(given["objectives"]) :]
    findings = {
        "summary": " ".join(_central(lines, encode)),
        "topics": _topics(lines),
        "sentiment": _sentiment(lines),
        "action_items": [
            {"text": line.text, "owner": line.speaker, "evidence": [line.id]}
            for line in lines
            if line.text.lower().startswith(_PROMISES) or any(f", {each}" in line.text.lower() for each in _PROMISES)
        ],
        "objectives": [
            {"name": name, "met": bool(evidence), "evidence": evidence}
            for name, (_, evidence) in zip(given["objectives"], met, strict=True)
        ],
        "criteria": [
            {
                "name": each["name"],
                "score": round(100 * max(0.0, score)),
                "reason": "How near in meaning the nearest line is; no language model has judged it.",
                "evidence": evidence,
            }
            for each, (score, evidence) in zip(given["criteria"], judged, strict=True)
        ],
    }
    return json.dumps(findings, ensure_ascii=False)


def _shown(wanted: Sequence[str], lines: Sequence[Line], encode: Encode) -> list[tuple[float, list[int]]]:
    """For each thing how near the nearest line is, and the ids of the lines that show it."""
    if not wanted or not lines:
        return [(0.0, []) for _ in wanted]
    vectors = encode([*wanted, *(line.text for line in lines)])
    nearness = vectors[: len(wanted)] @ vectors[len(wanted) :].T
    found = []
    for row in nearness:
        best = row.argsort()[::-1][:_EVIDENCE]
        found.append((float(row.max()), sorted(lines[index].id for index in best if row[index] >= _SHOWS)))
    return found


def _central(lines: Sequence[Line], encode: Encode) -> list[str]:
    """The lines that are nearest in meaning to the whole, in their order."""
    said = [line for line in lines if len(telling(line.text)) > 1]
    if not said:
        return []
    vectors = encode([line.text for line in said])
    nearest = (vectors @ vectors.mean(axis=0)).argsort()[::-1][:_SUMMED_UP]
    return [said[index].text for index in sorted(nearest)]


def _topics(lines: Sequence[Line]) -> list[str]:
    """The telling words that fell most often, as they were first said."""
    first: dict[str, str] = {}
    counted: Counter[str] = Counter()
    for line in lines:
        counted.update(telling(line.text))
        for token in tokens(line.text):
            first.setdefault(stem(token), token)
    return [first[each] for each, _ in counted.most_common(_TOPICS) if each in first]


def _sentiment(lines: Sequence[Line]) -> str:
    words = [token for line in lines if line.speaker != "agent" for token in tokens(line.text)]
    glad, sorry = (sum(word in known for word in words) for known in (_GLAD, _SORRY))
    if glad and sorry:
        return "mixed"
    return "positive" if glad else "negative" if sorry else "neutral"
