"""`python -m agents`: a worker. `python -m agents bots`: a bot host."""

import importlib
import sys
from typing import Final

PROCESSES: Final = {"": "agents.worker", "bots": "agents.bots.host"}
"""Imported as they are needed: each brings libraries that the other does not use, a hundred megabytes of them."""


def main() -> None:
    """Run until SIGTERM."""
    module = PROCESSES.get(" ".join(sys.argv[1:]))
    if module is None:
        sys.exit("usage: python -m agents [bots]")
    importlib.import_module(module).main()


if __name__ == "__main__":
    main()
