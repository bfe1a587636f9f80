"""What `make check-api` adds to schemathesis: a second tenant, whose ids are tried and whose words nobody may see.

schemathesis loads it (SCHEMATHESIS_HOOKS). The second tenant's ids and marks stand in the file that
PARLEY_CHECK_NEIGHBOUR names; how many requests were sent, and how many answers were wrong in a way of its own, is added
to the file of PARLEY_CHECK_COUNT.
"""

import atexit
import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import schemathesis

_told = os.environ.get("PARLEY_CHECK_NEIGHBOUR")
NEIGHBOUR: dict[str, Any] = json.loads(Path(_told).read_text()) if _told else {"ids": {}, "mark": "", "natural": {}}
IDS: dict[str, str] = NEIGHBOUR["ids"]
"""Kinds of ids, and the second tenant's."""
NATURAL: dict[str, str] = NEIGHBOUR["natural"]
"""Of an operation and a name in its path, query or body: which kind belongs there."""
OPERATORS = "/api/v1/admin/"
"""Begins the paths of whoever runs the platform, who sees all tenants."""
EVERY = 3
"""Every so manieth request of an operation has an id of the second tenant's."""
counted, sent = Counter[str](), Counter[str]()


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Put an id of the second tenant's where one belongs, or any of them.

    Not into requests that follow from one another: what those made is looked for afterwards.
    """
    counted["cases"] += 1
    if not IDS or case.meta is None or case.meta.phase.name == "stateful":
        return
    label = case.operation.label
    sent[label] += 1
    if sent[label] % EVERY:
        return
    turn = sent[label] // EVERY
    places = [
        (place, name)
        for place in ("path_parameters", "query", "body")
        if isinstance(getattr(case, place), dict)
        for name in getattr(case, place)
        if f"{label} {name}" in NATURAL
    ]
    if not places:
        return
    place, name = places[turn % len(places)]
    kinds = [NATURAL[f"{label} {name}"], *sorted(IDS)]
    value = IDS[kinds[0] if turn % 2 else kinds[turn % len(kinds)]]
    given = getattr(case, place)
    number = place == "body" and isinstance(given[name], int) and value.isdigit()
    changed = dict(given) | {name: [value] if isinstance(given[name], list) else int(value) if number else value}
    setattr(case, place, changed)
    counted["with foreign ids"] += 1


@schemathesis.hook
def after_call(_context: Any, case: Any, response: Any) -> None:
    """Count what no answer may be."""
    counted["server errors"] += response.status_code >= 500 and response.status_code != 503
    counted["foreign words"] += _foreign_word(case, response) is not None


@schemathesis.check
def no_foreign_words(_context: Any, response: Any, case: Any) -> None:
    """Nothing of what the second tenant has stands in an answer."""
    if found := _foreign_word(case, response):
        raise AssertionError(f"another tenant's word: {found}")


def _foreign_word(case: Any, response: Any) -> str | None:
    if not NEIGHBOUR["mark"] or case.operation.path.startswith(OPERATORS):
        return None
    found = re.search(re.escape(NEIGHBOUR["mark"]) + r"[\w-]+", response.text_lossy(), re.IGNORECASE)
    return found[0] if found else None


@atexit.register
def _tell() -> None:
    if file := os.environ.get("PARLEY_CHECK_COUNT"):
        with Path(file).open("a") as lines:
            lines.write(json.dumps(counted) + "\n")
