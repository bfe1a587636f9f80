"""`python -m bench call|api|fanout|monitors|webhooks|phone`: what is measured here.

Each prints a table, and writes `bench/results/`.
"""

import sys

from bench import api, call, fanout, monitors, phone, webhooks

MEASURES = {
    "call": call.main,
    "api": api.main,
    "fanout": fanout.main,
    "monitors": monitors.main,
    "webhooks": webhooks.main,
    "phone": phone.main,
}


def main() -> None:
    """Choose the measure; `call` if none is named."""
    named = sys.argv[1:2]
    measure = sys.argv.pop(1) if named and named[0] in MEASURES else "call"
    MEASURES[measure]()


if __name__ == "__main__":
    main()
