"""What may be lost: interim lines and commands that a heartbeat repeats. Redis pub/sub, no ids, nothing kept."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from redis import asyncio as redis
from redis.exceptions import RedisError

PREFIX = "parley:live:"
RETRY = 1.0
TIMEOUT = 2.0
PUBLISH_WITHIN = 0.2
AWAY = 3.0
"""Seconds for which nothing is tried after Redis did not take a message: reports must not queue behind it."""

Handler = Callable[[dict[str, Any]], Awaitable[None] | None]

log = structlog.get_logger()


class LiveBus:
    """Publishes to and hears from every control-plane process. Without Redis nothing is sent, and nothing waits."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)
        self._url = url
        self._away_until = 0.0

    async def publish(self, channel: str, message: dict[str, Any]) -> bool:
        """Send, or drop it when Redis is away; whether it was sent."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._away_until:
            return False
        try:
            async with asyncio.timeout(PUBLISH_WITHIN):
                await self._redis.publish(PREFIX + channel, json.dumps(message))
        except (RedisError, TimeoutError):
            self._away_until = loop.time() + AWAY
            log.warning("live message dropped", channel=channel)
            return False
        return True

    async def hear(self, handlers: dict[str, Handler]) -> None:
        """Give each channel's messages to its handler until cancelled; connects again after a fault."""
        while True:
            listener = redis.Redis.from_url(self._url, socket_connect_timeout=TIMEOUT, health_check_interval=10)
            try:
                async with listener.pubsub() as subscription:
                    await subscription.subscribe(*(PREFIX + channel for channel in handlers))
                    while True:
                        # A time limit lets the health check notice a peer that went silent.
                        message = await subscription.get_message(ignore_subscribe_messages=True, timeout=5)
                        if message is not None:
                            await self._handle(handlers, message)
            except RedisError:
                log.warning("live channel interrupted")
                await asyncio.sleep(RETRY)
            finally:
                await listener.aclose()

    async def _handle(self, handlers: dict[str, Handler], message: dict[str, Any]) -> None:
        try:
            channel = message["channel"].decode().removeprefix(PREFIX)
            done = handlers[channel](json.loads(message["data"]))
            if done is not None:
                await done
        except Exception:  # what may be lost must not end those who listen
            log.exception("live message not handled")

    async def close(self) -> None:
        """Close the publishing connection."""
        await self._redis.aclose()
