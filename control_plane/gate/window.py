"""The rate limit: an exact sliding window, mostly of one minute, kept in Redis and shared by all processes.

A window is the set of moments of its admitted requests. One script looks and takes in one step, by Redis's own clock,
so that of any number of simultaneous requests exactly the limit is admitted. While Redis is away each process keeps
windows of its own: the limit is then per process, and health says so.
"""

import asyncio
import hashlib
import os
import time
from collections import deque
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Network, ip_address
from itertools import count
from math import ceil
from typing import Any, Final

import structlog
from redis import asyncio as redis
from redis.exceptions import NoScriptError, ResponseError

from control_plane.errors import RateLimited
from guard.outages import REDIS_AWAY

MINUTE: Final = 60.0
HOUR: Final = 3600.0
PREFIX: Final = "parley:window:"
CHANGED: Final = "parley:key-changed:"
CHANGED_FOR: Final = 10
"""Seconds for which a changed key is marked: longer than any process remembers a key."""
WITHIN: Final = 1.0
"""Seconds Redis may take before the process goes on by itself."""
AWAY: Final = 3.0
"""Seconds for which Redis is not asked again."""
BATCH: Final = 100
"""Questions in one round trip."""
WINDOWS: Final = 10_000
"""Windows a process keeps of its own at most."""

_TAKE = """
local at = redis.call('TIME')
local now = at[1] * 1000000 + at[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], 0, now - ARGV[3])
local used = redis.call('ZCARD', KEYS[1])
local taken = 0
if used < tonumber(ARGV[1]) then
    redis.call('ZADD', KEYS[1], now, ARGV[2])
    redis.call('PEXPIRE', KEYS[1], ARGV[3] / 1000)
    taken, used = 1, used + 1
end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local opens = first[2] and (first[2] + ARGV[3] - now) or ARGV[3]
return string.format('%d %d %d %d', taken, used, opens, redis.call('EXISTS', KEYS[2]))
"""

log = structlog.get_logger()


def whence(host: str | None) -> str:
    """Whose window counts requests that come from an address. Of IPv6 it is that of the 64 bits which one customer of a
    network has all of: with each address a window of its own, nobody would be limited."""
    if host is None:
        return "unknown"
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv4Address):
        return host
    return str(address.ipv4_mapped or IPv6Network((int(address) >> 64 << 64, 64)))


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
    name: str = ""
    """What it is called in its window, to give it back."""

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


class _Question:
    """What Redis is asked for one request; its answer is None where Redis gave none."""

    def __init__(self, words: tuple[str, str, int, str, int]) -> None:
        self.words = words
        self.answer: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()


async def _answer_of(link: Any) -> Any:
    """The next answer; an error that is one is returned. What breaks off, or is cancelled, closes the connection."""
    try:
        return await link.read_response()
    except ResponseError as error:
        return error


class RateLimiter:
    """Takes requests out of windows. Never waits longer than a moment for Redis."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url, socket_timeout=WITHIN, socket_connect_timeout=WITHIN)
        # No time limits of its own: `_ask` has one for all that is asked together.
        pool: Any = redis.ConnectionPool.from_url(url, socket_timeout=None, socket_connect_timeout=WITHIN)
        self._link: Any = pool.make_connection()
        self._script = hashlib.sha1(_TAKE.encode(), usedforsecurity=False).hexdigest()
        self._names = (f"{os.getpid()}-{os.urandom(4).hex()}-{number}" for number in count())
        self._waiting: list[_Question] = []
        self._asking: asyncio.Task[None] | None = None
        self._local: dict[str, tuple[float, deque[float]]] = {}
        self._away_until = 0.0

    @property
    def shared(self) -> bool:
        """Whether windows are shared with the other processes now."""
        return asyncio.get_running_loop().time() >= self._away_until

    async def take(self, window: str, limit: int, *, key_id: str = "", seconds: float = MINUTE) -> Taken:
        """Count one request of a window that is so many seconds long, if it fits."""
        if self.shared:
            name = next(self._names)
            question = _Question((PREFIX + window, CHANGED + key_id, limit, name, round(seconds * 1e6)))
            self._waiting.append(question)
            if self._asking is None:
                self._asking = asyncio.create_task(self._ask())
            answer = await question.answer
            if answer is not None:
                taken, used, opens, changed = map(int, answer.split())
                return Taken(bool(taken), limit, max(0, limit - used), opens / 1e6, bool(changed), name)
        return self._take_alone(window, limit, seconds)

    async def demand(self, window: str, limit: int, *, seconds: float = MINUTE) -> None:
        """The same where nothing is done in case it does not fit. Raises `RateLimited`."""
        taken = await self.take(window, limit, seconds=seconds)
        if not taken.admitted:
            raise RateLimited(limit=limit, retry_after=taken.retry_after)

    async def give_back(self, window: str, taken: Taken) -> None:
        """Count a request of a window no more: nothing came of it. What cannot be given back leaves it in time."""
        if taken.admitted and taken.name and self.shared:
            try:
                async with asyncio.timeout(WITHIN):
                    await self._redis.zrem(PREFIX + window, taken.name)
            except REDIS_AWAY:
                self._go_alone("a request could not be given back to its window")

    async def probe(self) -> bool:
        """`shared`, asked of Redis: without requests nobody would have noticed that it is away."""
        if self.shared:
            try:
                async with asyncio.timeout(WITHIN):
                    await self._redis.ping()
            except REDIS_AWAY:
                self._go_alone("rate windows are per process: Redis is away")
        return self.shared

    async def mark_changed(self, *key_ids: str) -> None:
        """Make every process look keys up again; while Redis is away none remembers keys."""
        marks = self._redis.pipeline(transaction=False)
        for key_id in key_ids:
            marks.set(CHANGED + key_id, 1, ex=CHANGED_FOR)
        try:
            async with asyncio.timeout(WITHIN):
                await marks.execute()
        except REDIS_AWAY:
            self._go_alone("a changed key could not be told to other processes")

    async def close(self) -> None:
        """Close the connection."""
        if self._asking is not None:
            await self._asking
        await self._link.disconnect()
        await self._redis.aclose()

    async def _ask(self) -> None:
        """Ask all that has gathered in one round trip, and again what gathered meanwhile; None answers are faults."""
        while self._waiting:
            questions, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            answers: list[Any]
            try:
                async with asyncio.timeout(WITHIN):
                    answers = await self._execute(questions)
                    if any(isinstance(answer, NoScriptError) for answer in answers):  # a new or flushed Redis
                        await self._redis.script_load(_TAKE)
                        answers = await self._execute(questions)
            except REDIS_AWAY:
                answers = [None] * len(questions)
            if any(not isinstance(answer, bytes) for answer in answers):
                self._go_alone("rate windows are per process: Redis is away")
            for question, answer in zip(questions, answers, strict=True):
                if not question.answer.done():
                    question.answer.set_result(answer if isinstance(answer, bytes) else None)
        self._asking = None

    async def _execute(self, questions: list["_Question"]) -> list[Any]:
        """Over a connection that nobody else has: to take one out of a pool costs more than all that is asked."""
        link = self._link
        if link.is_connected and await link.can_read():  # its end, or what nobody asked for
            await link.disconnect(nowait=True)
        if not link.is_connected:
            await link.connect()
        asked = [("EVALSHA", self._script, 2, *question.words) for question in questions]
        await link.send_packed_command(link.pack_commands(asked))
        return [await _answer_of(link) for _ in questions]

    def _go_alone(self, why: str) -> None:
        self._away_until = asyncio.get_running_loop().time() + AWAY
        log.warning(why)

    def _take_alone(self, window: str, limit: int, seconds: float) -> Taken:
        now = time.monotonic()
        if len(self._local) > WINDOWS:
            self._local = {name: kept for name, kept in self._local.items() if kept[1] and kept[1][-1] > now - kept[0]}
        _, moments = self._local.setdefault(window, (seconds, deque()))
        while moments and moments[0] <= now - seconds:
            moments.popleft()
        admitted = len(moments) < limit
        if admitted:
            moments.append(now)
        opens = moments[0] + seconds - now if moments else seconds
        return Taken(admitted, limit, max(0, limit - len(moments)), opens, changed=True)
