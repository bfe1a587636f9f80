"""The bus: Redis pub/sub with one connection that listens and others that publish.

Redis keeps nothing for absent listeners. So subscribing waits for Redis's word, publishing says how many heard it,
and after a loss of the connection everything is subscribed to again before the bus calls itself connected.
"""

import asyncio
import contextlib
import math
import secrets
from collections.abc import Callable
from typing import Any, Final

import structlog
from google.protobuf.message import Message
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import RedisError

from pocket.psrpc import wire
from pocket.psrpc.errors import RpcError

WITHIN: Final = 3.0
"""Seconds Redis may take to accept a connection or answer a command."""
START_WITHIN: Final = 5.0
"""Seconds until the first connection must stand."""
QUIET: Final = 10.0
"""Seconds without a word after which Redis is asked whether it is there; as long again and it is not."""
PAUSES: Final = (0.05, 1.0)
"""Seconds between attempts to connect: the first pause, doubled up to the last."""
ATTEMPT: Final = 0.5
"""Seconds that publishing has at least, however little time is left."""
UNHEARD: Final = 0.05
"""Seconds until a message that nobody heard is published again."""

Listener = Callable[[bytes], None]

log = structlog.get_logger()


class Bus:
    """Publishes and hears messages; connects again by itself, for as long as it is not closed.

    One Redis server is meant: in a Redis cluster the number of those who heard a message is not the whole number.
    """

    def __init__(self, url: str) -> None:
        # Without retries of the library: what is tried again, and how often, is decided here.
        self._redis = Redis.from_url(
            url,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=WITHIN,
            socket_connect_timeout=WITHIN,
        )
        # A connection without any subscription would be an ordinary one.
        self._listeners: dict[bytes, list[Listener]] = {wire.channel("pocket", wire.new_id("BUS_")).encode(): []}
        self._confirmations: dict[bytes, asyncio.Future[None]] = {}
        self._pubsub: PubSub | None = None
        self._writing = asyncio.Lock()
        self._connected = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether Redis is there and all subscriptions stand."""
        return self._connected.is_set()

    async def start(self, *, within: float = START_WITHIN) -> None:
        """Connect. Raise `RpcError` "unavailable" when Redis cannot be reached `within` so many seconds."""
        self._listening = asyncio.create_task(self._listen())
        if not await self.wait_connected(within):
            await self.close()
            raise RpcError("unavailable", "Redis cannot be reached")

    async def close(self) -> None:
        """Disconnect; nothing is heard or published any more."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait([self._listening])
            self._listening = None
        await self._redis.aclose()

    async def wait_connected(self, timeout: float) -> bool:
        """Wait until the bus is connected; False when it is not after `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._connected.wait()
        return self.connected

    async def subscribe(self, channel: str, listener: Listener) -> None:
        """Have everything that is published in a channel given to a listener, in the event loop.

        Returns when Redis has confirmed it; while Redis is away at once, to take effect when it is back.
        """
        name = channel.encode()
        listeners = self._listeners.setdefault(name, [])
        listeners.append(listener)
        if len(listeners) > 1 and name not in self._confirmations:
            return
        confirmation = self._confirmations.setdefault(name, asyncio.get_running_loop().create_future())
        if await self._send("subscribe", name):
            await asyncio.wait([confirmation], timeout=WITHIN)

    async def unsubscribe(self, channel: str, listener: Listener) -> None:
        """Take a subscription back; one that is not there is no error."""
        name = channel.encode()
        listeners = self._listeners.get(name, [])
        if listener in listeners:
            listeners.remove(listener)
            if not listeners:
                del self._listeners[name]
                await self._send("unsubscribe", name)

    async def publish(self, channel: str, message: Message, *, within: float, unheard: float = math.inf) -> bool:
        """Publish a message until somebody hears it, at least once and for `within` seconds; tell whether one did.

        Nobody may hear it because Redis is away, or because listeners have not found back to it yet: that is waited
        for `unheard` seconds after the first attempt, however long Redis took to answer that.
        """
        data = wire.wrap(message)
        loop = asyncio.get_running_loop()
        end, found_out = loop.time() + within, 0.0
        while True:
            with contextlib.suppress(RedisError, OSError):
                async with asyncio.timeout(min(WITHIN, max(ATTEMPT, end - loop.time()))):
                    if await self._redis.publish(channel, data) > 0:
                        return True
            found_out = found_out or loop.time()
            if loop.time() + UNHEARD > min(end, found_out + unheard):
                return False
            await asyncio.sleep(UNHEARD)

    async def lock(self, data: bytes) -> bool:
        """Tell whether this is the first to ask for a published message; false also while Redis is away."""
        try:
            return bool(await self._redis.set(wire.lock_key(data), secrets.randbits(62), nx=True, ex=wire.LOCKED_FOR))
        except (RedisError, OSError):
            return False

    async def _send(self, command: str, name: bytes) -> bool:
        """Write a command to the listening connection; false when there is none."""
        async with self._writing:
            wanted = name in self._listeners  # it may have changed while another command was written
            if self._pubsub is None or wanted != (command == "subscribe"):
                return False
            try:
                await getattr(self._pubsub, command)(name)
            except (RedisError, OSError):
                self._pubsub = None  # whoever reads from it starts afresh
                return False
            return True

    async def _listen(self) -> None:
        pause = PAUSES[0]
        while True:
            pubsub = self._redis.pubsub()
            try:
                async with self._writing:
                    await pubsub.subscribe(*self._listeners)
                    await pubsub.ping()  # the answer comes after all confirmations
                    self._pubsub = pubsub
                await self._read(pubsub)
            except (RedisError, OSError) as error:
                pause = PAUSES[0] if self.connected else pause
                if pause == PAUSES[0]:
                    log.warning("the bus is without Redis", error=type(error).__name__)
            except Exception:
                log.exception("the bus starts afresh")
            finally:
                self._connected.clear()
                for name in tuple(self._confirmations):
                    self._confirm(name)  # nobody waits for a connection that is gone
                async with self._writing:
                    self._pubsub = None
                    with contextlib.suppress(RedisError, OSError):
                        await pubsub.aclose()  # type: ignore[no-untyped-call]
            await asyncio.sleep(pause)
            pause = min(pause * 2, PAUSES[1])

    async def _read(self, pubsub: PubSub) -> None:
        asked = False
        while self._pubsub is pubsub:
            message: dict[str, Any] | None = await pubsub.get_message(timeout=QUIET)
            if message is None:
                if asked:
                    break
                async with self._writing:
                    await pubsub.ping()
                asked = True
                continue
            asked = False
            if message["type"] == "message":
                self._deliver(message["channel"], message["data"])
            elif message["type"] == "subscribe":
                self._confirm(message["channel"])
            elif message["type"] == "pong" and not self.connected:
                self._connected.set()
                log.info("the bus is connected")
        raise LostConnection("nothing is heard of Redis")

    def _confirm(self, name: bytes) -> None:
        confirmation = self._confirmations.pop(name, None)
        if confirmation is not None and not confirmation.done():
            confirmation.set_result(None)

    def _deliver(self, name: bytes, data: bytes) -> None:
        for listener in tuple(self._listeners.get(name, ())):
            try:
                listener(data)
            except Exception:
                log.exception("a message of the bus was not understood")
