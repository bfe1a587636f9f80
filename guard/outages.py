"""What a client raises of a server that is away."""

from typing import Final

from redis.exceptions import RedisError

REDIS_AWAY: Final = (RedisError, OSError, TimeoutError, RuntimeError)
"""Of Redis: uvloop says `RuntimeError` of a connection that was closed while it was written to, and redis-py passes it
on."""
