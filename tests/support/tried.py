"""How much was tried: the figures behind a line of `make check-security`.

A test tries a sample in `make test` and everything where `PARLEY_FULL` is set; `tried` adds its figures, a line of
JSON each, to the file that `PARLEY_TRIED` names. Without it nothing is written.
"""

import json
import os
from pathlib import Path
from typing import Final

FULL: Final = bool(os.environ.get("PARLEY_FULL"))
"""Whether everything is tried, not a sample."""


def sample(full: int, some: int) -> int:
    """How many to try: all of them, or some in `make test`."""
    return full if FULL else some


def tried(line: str, count: int, violations: int = 0) -> None:
    """Note that `count` cases of a line of the table were tried, and how many of them went wrong."""
    if file := os.environ.get("PARLEY_TRIED"):
        with Path(file).open("a") as lines:
            lines.write(json.dumps({"line": line, "tried": count, "violations": violations}) + "\n")
