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

Handler = Callable[[dict[str, Any]], Awaitable[None] | None]

log = structlog.get_logger()


class LiveBus:
    """Publishes to and hears from every control-plane process. Without Redis nothing is sent, and nothing waits."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)
        self._url = url

    async def publish(self, channel: str, message: dict[str, Any]) -> None:
        """Send, or drop it when Redis is away."""
        try:
            await self._redis.publish(PREFIX + channel, json.dumps(message))
        except RedisError:
            log.warning("live message dropped", channel=channel)

    async def hear(self, handlers: dict[str, Handler]) -> None:
        """Give each channel's messages to its handler until cancelled; connects again after a fault."""
        while True:
            # A subscription waits without limit; its own connection tells a dead peer by keep-alive pings.
            listener = redis.Redis.from_url(self._url, socket_connect_timeout=TIMEOUT, health_check_interval=10)
            try:
                async with listener.pubsub() as subscription:
                    await subscription.subscribe(*(PREFIX + channel for channel in handlers))
                    async for message in subscription.listen():
                        if message["type"] == "message":
                            channel = message["channel"].decode().removeprefix(PREFIX)
                            done = handlers[channel](json.loads(message["data"]))
                            if done is not None:
                                await done
            except RedisError:
                log.warning("live channel interrupted")
                await asyncio.sleep(RETRY)
            finally:
                await listener.aclose()

    async def close(self) -> None:
        """Close the publishing connection."""
        await self._redis.aclose()
