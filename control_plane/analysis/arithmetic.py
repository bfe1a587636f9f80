"""What is counted of a conversation, and never asked from a model. Pure; times in milliseconds from its start."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

AGENT, USER = "agent", "user"


@dataclass(frozen=True, slots=True)
class Spoken:
    """A line: from when to when somebody spoke, and whether somebody else cut it off."""

    speaker: str
    began: int
    ended: int
    interrupted: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds of speech of each side, and what followed from how they took turns.

    `talk_ratio` is the people's part of all speech, 0 to 1; None where nobody spoke. `interruptions` are those of the
    agent by people, `barge_ins` those of people by the agent. `longest_silence_ms` lies between two lines.
    `speakers` are the people whose names are known, each with the milliseconds of their speech, the longest first.
    """

    agent_ms: int
    people_ms: int
    talk_ratio: float | None
    lines: int
    interruptions: int
    barge_ins: int
    longest_silence_ms: int
    speakers: list[dict[str, Any]]


def count(lines: Iterable[Spoken]) -> Figures:
    """The figures of lines in any order; whoever is neither agent nor a person is not counted."""
    heard = sorted((line for line in lines if line.speaker in (AGENT, USER)), key=lambda line: line.began)
    agent = _length(_union([line for line in heard if line.speaker == AGENT]))
    people = _length(_union([line for line in heard if line.speaker == USER]))
    silences = (after[0] - before[1] for before, after in pairwise(_union(heard)))
    return Figures(
        agent_ms=agent,
        people_ms=people,
        talk_ratio=round(people / (agent + people), 4) if agent + people else None,
        lines=len(heard),
        interruptions=sum(line.interrupted for line in heard if line.speaker == AGENT),
        barge_ins=_barge_ins(heard),
        longest_silence_ms=max(silences, default=0),
        speakers=_speakers(heard),
    )


def _speakers(heard: Sequence[Spoken]) -> list[dict[str, Any]]:
    names = {line.name for line in heard if line.speaker == USER and line.name}
    spoken = {name: _length(_union([line for line in heard if line.name == name])) for name in sorted(names)}
    return [{"name": name, "ms": ms} for name, ms in sorted(spoken.items(), key=lambda each: -each[1])]


def _union(lines: Sequence[Spoken]) -> list[tuple[int, int]]:
    """Spans in which somebody spoke, in order and apart."""
    spans: list[tuple[int, int]] = []
    for line in lines:
        if spans and line.began <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], line.ended))
        else:
            spans.append((line.began, line.ended))
    return spans


def _length(spans: Iterable[tuple[int, int]]) -> int:
    return sum(ended - began for began, ended in spans)


def _barge_ins(heard: Sequence[Spoken]) -> int:
    people = [line for line in heard if line.speaker == USER]
    return sum(
        any(other.began < line.began < other.ended for other in people) for line in heard if line.speaker == AGENT
    )
