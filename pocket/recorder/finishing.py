"""Makes one whole file of what was recorded, by this process and by those before it that were killed."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from pocket.recorder import repair, states
from pocket.recorder.encoding import BROKEN, FORMATS, Writer
from pocket.recorder.journal import Entry
from pocket.recorder.plan import Plan
from pocket.recorder.repair import Part
from pocket.recorder.segments import mend
from pocket.recorder.states import Ending

WHOLE: Final = "whole"
"""The name of a file that was made of parts."""
NO_SPACE: Final = Ending(states.FAILURE, states.NO_SPACE, "resource_exhausted")
NOTHING: Final = Ending(states.FAILURE, "recording ended early: nothing of it can be read")


@dataclass(frozen=True, slots=True)
class Whole:
    """What was recorded. `path` is a folder for HLS, and None where nothing can be read."""

    path: Path | None
    missing: float = 0.0
    """Seconds of silence where a recorder was killed and another had not begun."""
    broken: Ending | None = None


def whole(entry: Entry, plan: Plan, writer: Writer | None) -> Whole:
    """Close the file, join it with those before it, and write into the info how long it is. Takes its time."""
    broken = _closed(writer)
    path, missing = entry.folder / entry.parts[-1][0], 0.0
    seconds = writer.seconds if writer is not None else 0.0
    if plan.segment:
        seconds = mend(path) if writer is None or broken else seconds
    elif writer is None or broken or len(entry.parts) > 1:
        parts = _readable(entry)
        missing = sum(after.starts - part.starts - repair.length(part.path) for part, after in pairwise(parts))
        path, seconds = _joined(parts, plan, entry.folder / f"{WHOLE}{FORMATS[plan.kind].ending}")
    if not seconds:
        return Whole(None, broken=NOTHING)
    result = states.result_of(entry.info)
    result.duration = int(seconds * 1e9)
    result.ended_at = result.started_at + result.duration
    return Whole(path, missing, broken)


def _closed(writer: Writer | None) -> Ending | None:
    try:
        if writer is not None:
            writer.close()
    except BROKEN:
        return NO_SPACE
    return None


def _joined(parts: Sequence[Part], plan: Plan, into: Path) -> tuple[Path, float]:
    """One file of some parts; where there is no room for it, the last of them."""
    if not parts:
        return into, 0.0
    join = repair.join if plan.frame is None else repair.remux
    try:
        return into, join(parts, plan.kind, into)
    except BROKEN:
        return parts[-1].path, repair.length(parts[-1].path)


def _readable(entry: Entry) -> list[Part]:
    found = [(entry.folder / name, began) for name, began in entry.parts]
    good = [(path, began) for path, began in found if repair.length(path) > 0]
    return [Part(path, (began - good[0][1]) / 1e9) for path, began in good]
