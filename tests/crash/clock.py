"""A clock that processes share, and that goes on when one of them is killed."""

import mmap
import struct
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from control_plane.clock import Clock


class SharedClock(Clock):
    """The real clock and what `step` has added, in every process that was forked with it."""

    def __init__(self) -> None:
        self._ahead = mmap.mmap(-1, 8)  # shared with whoever is forked

    @property
    def ahead(self) -> float:
        """Seconds before the real time."""
        return float(struct.unpack("d", self._ahead[:8])[0])

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def step(self, seconds: float) -> None:
        """Let so much time pass, for everybody."""
        self.set(self.ahead + seconds)

    def set(self, ahead: float) -> None:
        """Be so much ahead."""
        self._ahead[:8] = struct.pack("d", ahead)

    def __deepcopy__(self, _: Any) -> "SharedClock":
        return self
