"""Processes that stand still: alive for the kernel, which goes on taking what is sent to them."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from parley.stack.processes import working_in


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Stop processes for the time of the block."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def cluster(data_dir: Path) -> list[int]:
    """The processes of a PostgreSQL server, the one that makes the others first."""
    postmaster = int((data_dir / "postmaster.pid").read_text().splitlines()[0])
    return [postmaster, *(pid for pid in working_in(data_dir) if pid != postmaster)]
