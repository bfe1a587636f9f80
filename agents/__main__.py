"""`python -m agents`: a worker."""

import asyncio
import sys

from pydantic import ValidationError

from agents.settings import WorkerSettings
from agents.worker import Worker
from guard import logs


def main() -> None:
    """Run a worker until SIGTERM."""
    try:
        settings = WorkerSettings()
    except ValidationError as error:
        missing = ", ".join("PARLEY_" + str(problem["loc"][0]).upper() for problem in error.errors())
        sys.exit(f"parley worker cannot start: set {missing} (see docs/reference/settings.md)")
    logs.configure(settings.log_format)
    asyncio.run(Worker(settings).run())


if __name__ == "__main__":
    main()
