"""The rate limit: an exact sliding window of one minute, kept in Redis and shared by all processes.

A window is the set of moments of its admitted requests. One script looks and takes in one step, by Redis's own clock,
so that of any number of simultaneous requests exactly the limit is admitted. While Redis is away each process keeps
windows of its own: the limit is then per process, and health says so.
"""

import asyncio
import os
import time
from collections import deque
from dataclasses import dataclass
from itertools import count
from math import ceil
from typing import Final

import structlog
from redis import asyncio as redis
from redis.exceptions import RedisError

MINUTE: Final = 60.0
PREFIX: Final = "parley:window:"
CHANGED: Final = "parley:key-changed:"
CHANGED_FOR: Final = 10
"""Seconds for which a changed key is marked: longer than any process remembers a key."""
WITHIN: Final = 0.25
"""Seconds Redis may take before the process goes on by itself."""
AWAY: Final = 3.0
"""Seconds for which Redis is not asked again."""
WINDOWS: Final = 10_000
"""Windows a process keeps of its own at most."""

_TAKE = """
local at = redis.call('TIME')
local now = at[1] * 1000000 + at[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, now - 60000000)
local used = redis.call('ZCARD', KEYS[1])
local taken = 0
if used < tonumber(ARGV[1]) then
    redis.call('ZADD', KEYS[1], now, ARGV[2])
    redis.call('PEXPIRE', KEYS[1], 60000)
    taken, used = 1, used + 1
end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local opens = first[2] and (first[2] + 60000000 - now) or 60000000
return {taken, used, opens, redis.call('EXISTS', KEYS[2])}
"""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one request: whether it fits, and what is left."""

    admitted: bool
    limit: int
    remaining: int
    opens_in: float
    """Seconds until the oldest request of the window leaves it."""
    changed: bool = False
    """The key was changed or revoked a moment ago: what is remembered of it is worth nothing."""

    @property
    def retry_after(self) -> int:
        """Whole seconds until another request is worth its while."""
        return max(1, ceil(self.opens_in))

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The three headers of every answer."""
        resets = ceil(time.time() + self.opens_in)  # the header is a wall-clock time, whatever clock the tests turn
        return [
            (b"x-ratelimit-limit", str(self.limit).encode()),
            (b"x-ratelimit-remaining", str(self.remaining).encode()),
            (b"x-ratelimit-reset", str(resets).encode()),
        ]


class RateLimiter:
    """Takes requests out of windows. Never waits longer than a moment for Redis."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url, socket_timeout=WITHIN, socket_connect_timeout=WITHIN)
        self._script = self._redis.register_script(_TAKE)
        self._names = (f"{os.getpid()}-{os.urandom(4).hex()}-{number}" for number in count())
        self._local: dict[str, deque[float]] = {}
        self._away_until = 0.0

    @property
    def shared(self) -> bool:
        """Whether windows are shared with the other processes now."""
        return asyncio.get_running_loop().time() >= self._away_until

    async def take(self, window: str, limit: int, *, key_id: str = "") -> Taken:
        """Count one request of a window, if it fits."""
        if self.shared:
            try:
                async with asyncio.timeout(WITHIN):
                    taken, used, opens, changed = await self._script(
                        keys=[PREFIX + window, CHANGED + key_id], args=[limit, next(self._names)]
                    )
                return Taken(bool(taken), limit, max(0, limit - used), opens / 1e6, bool(changed))
            except (RedisError, OSError, TimeoutError):
                self._away_until = asyncio.get_running_loop().time() + AWAY
                log.warning("rate windows are per process: Redis is away")
        return self._take_alone(window, limit)

    async def mark_changed(self, key_id: str) -> None:
        """Make every process look a key up again; while Redis is away none remembers keys."""
        try:
            async with asyncio.timeout(WITHIN):
                await self._redis.set(CHANGED + key_id, 1, ex=CHANGED_FOR)
        except (RedisError, OSError, TimeoutError):
            self._away_until = asyncio.get_running_loop().time() + AWAY
            log.warning("a changed key could not be told to other processes")

    async def close(self) -> None:
        """Close the connection."""
        await self._redis.aclose()

    def _take_alone(self, window: str, limit: int) -> Taken:
        now = time.monotonic()
        if len(self._local) > WINDOWS:
            self._local = {name: moments for name, moments in self._local.items() if moments[-1] > now - MINUTE}
        moments = self._local.setdefault(window, deque())
        while moments and moments[0] <= now - MINUTE:
            moments.popleft()
        admitted = len(moments) < limit
        if admitted:
            moments.append(now)
        opens = moments[0] + MINUTE - now if moments else MINUTE
        return Taken(admitted, limit, max(0, limit - len(moments)), opens, changed=True)
