"""Who may take our time: token buckets for requests that begin something, before they are read."""

import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

REMEMBERED: Final = 10_000
"""Sources whose bucket is kept; the one not heard of for longest is forgotten first."""
BEGINNING: Final = (b"INVITE ", b"OPTIONS ", b"REGISTER ", b"SUBSCRIBE ", b"MESSAGE ", b"PUBLISH ", b"REFER ")


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_second` on average, `burst` at once."""

    per_second: float
    burst: float


class _Bucket:
    __slots__ = ("at", "left")

    def __init__(self, rate: Rate, now: float) -> None:
        self.left, self.at = rate.burst, now

    def take(self, rate: Rate, now: float) -> bool:
        self.left = min(rate.burst, self.left + (now - self.at) * rate.per_second)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Admission:
    """One bucket per source and one for all of them, since a datagram's source may be invented."""

    def __init__(self, each: Rate, together: Rate) -> None:
        self._each, self._together = each, together
        self._all = _Bucket(together, time.monotonic())
        self._sources: OrderedDict[str, _Bucket] = OrderedDict()

    def admits(self, data: bytes, host: str) -> bool:
        """Whether to read this message. What belongs to something that has begun always is."""
        if not data.startswith(BEGINNING):
            return True
        now = time.monotonic()
        bucket = self._sources.get(host)
        if bucket is None:
            bucket = self._sources[host] = _Bucket(self._each, now)
            if len(self._sources) > REMEMBERED:
                self._sources.popitem(last=False)
        self._sources.move_to_end(host)
        return bucket.take(self._each, now) and self._all.take(self._together, now)
