"""Where the gap before an answer went: parts end to end that sum to it, and what none explains as a part of its own."""

from collections.abc import Mapping
from typing import Final, Literal, get_args

from pydantic import BaseModel, Field

Part = Literal["recognition", "endpointing", "retrieval", "model", "tools", "speech", "transport", "other"]
PARTS: Final[tuple[Part, ...]] = get_args(Part)
"""In the order in which they come to pass."""
_KEPT_AS: Final[dict[Part, str]] = {"transport": "playout_ms"}
SMALLEST: Final = 0.5
"""Milliseconds below which a rest is what rounding left."""


class Bar(BaseModel):
    """A part of the gap."""

    part: Part = Field(description="other: what no part explains.")
    begin_ms: float = Field(description="From the end of speech.")
    ms: float


def waterfall(parts: Mapping[str, float | None], gap_ms: float) -> list[Bar]:
    """Bars that sum to the gap, whatever the parts say: what is over is cut, what lacks is `other`."""
    bars: list[Bar] = []
    position = 0.0
    for part in PARTS:
        measured = parts.get(_KEPT_AS.get(part, f"{part}_ms"))
        if measured is not None:
            length = min(max(0.0, measured), max(0.0, gap_ms - position))
            bars.append(Bar(part=part, begin_ms=round(position, 1), ms=round(length, 1)))
            position += length
    rest = gap_ms - position
    if rest >= SMALLEST:
        if bars and bars[-1].part == "other":
            bars[-1].ms = round(bars[-1].ms + rest, 1)
        else:
            bars.append(Bar(part="other", begin_ms=round(position, 1), ms=round(rest, 1)))
    return bars
