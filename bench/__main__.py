"""`python -m bench MEASURE …`, one or several of those below: measures.

Each prints a table with what its figures should be, and writes `bench/results/`.
"""

import sys
from itertools import takewhile

from bench import (
    api,
    bots,
    calendars,
    call,
    capacity,
    density,
    downloads,
    fanout,
    growth,
    kills,
    knowledge,
    load,
    meetings,
    metrics,
    monitors,
    pages,
    phone,
    recordings,
    table,
    turn,
    webhooks,
)

MEASURES = {
    "call": call.main,
    "api": api.main,
    "fanout": fanout.main,
    "monitors": monitors.main,
    "webhooks": webhooks.main,
    "phone": phone.main,
    "recordings": recordings.main,
    "downloads": downloads.main,
    "knowledge": knowledge.main,
    "meetings": meetings.main,
    "calendars": calendars.main,
    "bots": bots.main,
    "pages": pages.main,
    "kills": kills.main,
    "metrics": metrics.main,
    "capacity": capacity.main,
    "density": density.main,
    "growth": growth.main,
    "load": load.main,
    "table": table.main,
    "turn": turn.main,
}


def main() -> None:
    """Take the measures that are named, in turn; `call` if none is. What follows the names is said to each."""
    named = list(takewhile(MEASURES.__contains__, sys.argv[1:]))
    del sys.argv[1 : 1 + len(named)]
    for measure in named or ["call"]:
        MEASURES[measure]()


if __name__ == "__main__":
    main()
