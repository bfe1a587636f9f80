"""What may be lost: interim lines and commands that a heartbeat repeats. Redis pub/sub, no ids, nothing kept.

A command that nothing repeats is passed on by `command`, whose caller learns where it cannot be.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Self

import structlog
from redis import asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from control_plane.errors import Unavailable
from control_plane.events.lanes import Lanes
from guard.outages import REDIS_AWAY

PREFIX = "parley:live:"
NOTHING = "nothing"
"""The channel on which nothing is said: whether anybody listens is all that is asked."""
RETRY = 1.0
TIMEOUT = 2.0
PUBLISH_WITHIN = 0.2
AWAY = 3.0
"""Seconds for which nothing is tried after Redis did not take a message: reports must not queue behind it."""
HANDLED_WITHIN = 20.0
"""Seconds for one message; longer than a database that is away takes to be given up."""
ABOUT = ("session_id", "room", "room_name")
"""What a message is about, by the first of these that it has."""

Handler = Callable[[dict[str, Any]], Awaitable[None] | None]

log = structlog.get_logger()


class LiveBus:
    """Publishes to and hears from every control-plane process. Without Redis nothing is sent, and nothing waits."""

    def __init__(self, url: str) -> None:
        # Without the library's repeats: an answer that is lost would have keys pressed twice.
        once = Retry(NoBackoff(), 0)
        self._redis = redis.Redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, retry=once)
        self._url = url
        self._away_until = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def publish(self, channel: str, message: dict[str, Any]) -> bool:
        """Send, or drop it when Redis is away; whether any process heard it."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._away_until:
            return False
        try:
            return await self._send(channel, message, within=PUBLISH_WITHIN)
        except REDIS_AWAY:
            self._away_until = loop.time() + AWAY
            log.warning("live message dropped", channel=channel)
            return False

    async def command(self, channel: str, message: dict[str, Any]) -> None:
        """Send what somebody asked for and nothing repeats. Raises `Unavailable` where no process hears it."""
        try:
            heard = await self._send(channel, message, within=TIMEOUT)
        except REDIS_AWAY as error:
            raise Unavailable("Commands cannot be passed on now; try again") from error
        if not heard:  # Redis has begun anew, and those who listen are coming back
            raise Unavailable("Commands cannot be passed on now; try again")

    async def demand(self) -> None:
        """Raise `Unavailable` where a `command` would: before something is done that goes with it."""
        await self.command(NOTHING, {})

    async def _send(self, channel: str, message: dict[str, Any], *, within: float) -> bool:
        async with asyncio.timeout(within):
            return bool(await self._redis.publish(PREFIX + channel, json.dumps(message)))

    async def hear(self, *groups: dict[str, Handler]) -> None:
        """Give each channel's messages to its handler until cancelled; connects again after a fault.

        What is told in the channels of a group of the same session or room is handled in its order, each message within
        `HANDLED_WITHIN` seconds; nothing else waits for that.
        """
        found = {channel: (group, handlers[channel]) for group, handlers in enumerate(groups) for channel in handlers}
        async with Lanes() as lanes:
            while True:
                listener = redis.Redis.from_url(self._url, socket_connect_timeout=TIMEOUT, health_check_interval=10)
                try:
                    async with listener.pubsub() as subscription:
                        await subscription.subscribe(*(PREFIX + channel for channel in (*found, NOTHING)))
                        while True:
                            # A time limit lets the health check notice a peer that went silent.
                            message = await subscription.get_message(ignore_subscribe_messages=True, timeout=5)
                            if message is not None:
                                _hand_on(lanes, found, message)
                except REDIS_AWAY:
                    log.warning("live channel interrupted")
                    await asyncio.sleep(RETRY)
                finally:
                    await listener.aclose()

    async def close(self) -> None:
        """Close the publishing connection."""
        await self._redis.aclose()


def _hand_on(lanes: Lanes, found: dict[str, tuple[int, Handler]], message: dict[str, Any]) -> None:
    try:
        channel = message["channel"].decode().removeprefix(PREFIX)
        if channel == NOTHING:
            return
        group, handler = found[channel]
        told = json.loads(message["data"])
        about = next((told[name] for name in ABOUT if name in told), None)
        if not lanes.put((group, about), partial(_handle, channel, handler, told)):
            log.warning("live message dropped: too many wait", channel=channel)
    except Exception:  # what may be lost must not end those who listen
        log.exception("live message not understood")


async def _handle(channel: str, handler: Handler, told: dict[str, Any]) -> None:
    try:
        async with asyncio.timeout(HANDLED_WITHIN):
            done = handler(told)
            if done is not None:
                await done
    except Exception:
        log.exception("live message not handled", channel=channel)
