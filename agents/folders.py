"""The folder of one process among those that share `PARLEY_SPOOL_DIR`: replicas of a host, and their volume.

The first process takes the folder itself, the next ones `2`, `3` and so on in it: the first whose lock is free. A lock
goes with its process, however that ends. What a process has left that did not come back, another one takes over.
"""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from agents.spool import Spool

MOST: Final = 1000
"""Processes of a host that share a folder."""
LOOK_EVERY: Final = 30.0
"""Seconds from one look for what others have left to the next."""
LOCK: Final = "lock"

log = structlog.get_logger()


class OwnFolder:
    """Taken when it is made, free again when it is closed or the process ends. Raises `OSError`."""

    def __init__(self, shared: Path) -> None:
        self._shared = shared
        for folder in _folders(shared):
            if (lock := _lock(folder)) is not None:
                self.path, self._lock = folder, lock
                return
        raise OSError(f"{MOST} processes have a folder in {shared}")

    @property
    def jobs_socket(self) -> Path:
        """Where job processes reach this main process."""
        return self.path / "jobs.sock"

    def close(self) -> None:
        """Leave it to another process."""
        os.close(self._lock)

    async def adopt(self, spool: Spool) -> None:
        """Take over what processes have left that are no more, until cancelled. What a disk refuses is tried again."""
        while True:
            try:
                await asyncio.to_thread(self.adopt_once, spool)
            except OSError as error:
                log.error("reports not taken over", reason=error.strerror)
            await asyncio.sleep(LOOK_EVERY)

    def adopt_once(self, spool: Spool) -> None:
        """Look once. Blocks."""
        for folder in _folders(self._shared):
            if not folder.is_dir():  # folders are made one after the other, and never removed
                return
            if folder == self.path:
                continue
            with _held(folder) as lock:
                if lock is not None and (count := spool.adopt(folder)):
                    log.info("reports taken over", folder=str(folder), reports=count)


def _folders(shared: Path) -> Iterator[Path]:
    yield shared
    for number in range(2, MOST + 1):
        yield shared / str(number)


def _lock(folder: Path) -> int | None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    except OSError:
        os.close(file)
        raise
    return file


@contextmanager
def _held(folder: Path) -> Iterator[int | None]:
    lock = _lock(folder)
    try:
        yield lock
    finally:
        if lock is not None:
            os.close(lock)
