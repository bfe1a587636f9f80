"""`python -m bench call|api|fanout|monitors|phone`: what is measured here.

Each prints a table, and writes `bench/results/`.
"""

import sys

from bench import api, call, fanout, monitors, phone

MEASURES = {
    "call": call.main,
    "api": api.main,
    "fanout": fanout.main,
    "monitors": monitors.main,
    "phone": phone.main,
}


def main() -> None:
    """Choose the measure; `call` if none is named."""
    named = sys.argv[1:2]
    measure = sys.argv.pop(1) if named and named[0] in MEASURES else "call"
    MEASURES[measure]()


if __name__ == "__main__":
    main()
