"""How long to wait before a dead child is started again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Backoff:
    """No wait after the first death, then doubling from `first` up to `longest` seconds.

    A child that lived for `forgiven_after` seconds begins again without a wait.
    """

    first: float = 0.5
    longest: float = 15.0
    forgiven_after: float = 20.0
    clock: Callable[[], float] = time.monotonic
    _next: float = field(default=0.0, init=False)
    _started_at: float | None = field(default=None, init=False)

    def started(self) -> None:
        """Note that the child was started."""
        self._started_at = self.clock()

    def died(self) -> float:
        """Note that the child died; return the seconds to wait before it is started again."""
        if self._started_at is not None and self.clock() - self._started_at >= self.forgiven_after:
            self._next = 0.0
        wait = self._next
        self._next = min(max(2 * wait, self.first), self.longest)
        return wait
