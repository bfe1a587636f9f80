"""Where the platform keeps its data, and what lies in that directory."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from parley.stack.errors import DirectoryUnusable

LEAST_FREE_BYTES = 500_000_000


def cache_dir() -> Path:
    """Return where set-up keeps what it builds: `$PARLEY_CACHE`, or `parley` in the user's cache directory."""
    if named := os.environ.get("PARLEY_CACHE"):
        return Path(named).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "parley"


def default_data_dir() -> Path:
    """Return `$PARLEY_DATA`, else /var/lib/parley for root, else `parley` in the user's data directory."""
    if named := os.environ.get("PARLEY_DATA"):
        return Path(named).expanduser().absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/parley")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "parley"


@dataclass(frozen=True)
class DataDirectory:
    """The directory of one installation. Its parts are made by `create()`."""

    root: Path

    @property
    def postgres(self) -> Path:
        """The database's files."""
        return self.root / "postgres"

    @property
    def logs(self) -> Path:
        """One log for each child."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Sockets, configurations and pids: nothing in it matters after a stop."""
        return self.root / "run"

    @property
    def spool(self) -> Path:
        """Reports of calls that the control plane has not acknowledged yet."""
        return self.root / "spool"

    @property
    def bots_spool(self) -> Path:
        """The same of bots."""
        return self.root / "bots"

    @property
    def recordings(self) -> Path:
        """Files of recordings, where no bucket is named."""
        return self.root / "recordings"

    @property
    def secrets(self) -> Path:
        """Keys and passwords."""
        return self.root / "secrets.json"

    @property
    def ports(self) -> Path:
        """The ports used last."""
        return self.root / "ports.json"

    def create(self) -> None:
        """Make the directory and its parts; raises `DirectoryUnusable` without rights or space."""
        try:
            # Passable for PostgreSQL's own user; what is in it is readable for ourselves alone.
            self.root.mkdir(mode=0o711, parents=True, exist_ok=True)
            self.run.mkdir(mode=0o711, exist_ok=True)
            self.logs.mkdir(mode=0o700, exist_ok=True)
            self.spool.mkdir(mode=0o700, exist_ok=True)
            self.bots_spool.mkdir(mode=0o700, exist_ok=True)
            self.recordings.mkdir(mode=0o700, exist_ok=True)
            free = shutil.disk_usage(self.root).free
        except OSError as error:
            raise self.unusable(error) from error
        if free < LEAST_FREE_BYTES:
            raise DirectoryUnusable(
                f"{self.root} has too little space",
                f"{free // 1_000_000} MB are free, {LEAST_FREE_BYTES // 1_000_000} MB are needed",
                "Free some, or choose another directory (--data DIR)",
            )

    def lock(self) -> int:
        """Claim the directory for this process; returns the descriptor that holds the claim until it is closed."""
        try:
            descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self.unusable(error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 20, 0).decode("ascii", errors="replace").strip()
            os.close(descriptor)
            raise DirectoryUnusable(
                f"{self.root} is in use",
                f"another `parley up` (pid {owner or 'unknown'}) runs on it",
                "Stop that one, or start this one with its own directory (--data DIR)",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        return descriptor

    def is_claimed(self) -> bool:
        """Tell whether a platform runs on the directory."""
        try:
            descriptor = os.open(self.root / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def unusable(self, error: OSError) -> DirectoryUnusable:
        """Tell a failure of the file system in our words."""
        path = error.filename or self.root
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return DirectoryUnusable(
                f"{path} could not be written", "the disk is full", "Free some space, or choose another (--data DIR)"
            )
        return DirectoryUnusable(
            f"{path} cannot be used",
            (error.strerror or str(error)).lower(),
            "Choose a directory you may write to (--data DIR)",
        )
