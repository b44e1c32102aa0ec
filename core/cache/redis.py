"""The shared backend: values in Redis, read within 50 ms or not at all, written behind the caller.

A key is ``hexar:{<tag>}:v<schema>:c:<hex>``. The tag is the first three digits of the key's own digest: it spreads values over
the slots of a Cluster evenly, and tells nothing of a tenant. A new schema has new keys; nothing is ever flushed.
"""

from __future__ import annotations

import time

from redis.exceptions import ResponseError

from hexar.core.cache.backend import Held
from hexar.core.cache.codec import SCHEMA_VERSION
from hexar.core.cache.kinds import Tier
from hexar.core.redis.link import RedisDown, RedisLink

#: Bytes of values that may wait to be written; beyond it new values stay in memory only.
PENDING_LIMIT = 64 * 1024 * 1024
#: A larger value stays in memory: it would hold up the values behind it.
VALUE_LIMIT = 8 * 1024 * 1024


def redis_key(key: bytes) -> str:
    """The name of the value under ``key`` (32 bytes)."""
    digits = key.hex()
    return f"hexar:{{{digits[:3]}}}:v{SCHEMA_VERSION}:c:{digits}"


class RedisBackend:
    """Values in the Redis of ``link``; one GET a read, one SET a write.

    Thread-safety: :meth:`put` may be called from any thread, the rest belongs to the event loop.
    """

    tier = Tier.REDIS

    def __init__(self, link: RedisLink) -> None:
        self.link = link
        self.failures = 0

    async def get(self, key: bytes) -> bytes | None:
        """The framed value under ``key``; None also where Redis is gone or does not answer in time."""
        try:
            data = await self.link.call("GET", redis_key(key))
        except (RedisDown, ResponseError):
            self.failures += 1
            return None
        return data if isinstance(data, bytes) else None

    def put(self, key: bytes, data: bytes, expires_at: float) -> None:
        """Queue a write; dropped (and counted as a failure) when Redis is gone or too much waits."""
        left = int((expires_at - time.time()) * 1000)
        if left <= 0:
            return
        if len(data) > VALUE_LIMIT or not self.link.post(
            "SET", redis_key(key), data, "PX", left, size=len(data), limit=PENDING_LIMIT
        ):
            self.failures += 1

    def forget(self, key: bytes) -> None:
        """Queue a deletion."""
        if not self.link.post("DEL", redis_key(key), size=len(key), limit=PENDING_LIMIT):
            self.failures += 1

    def held(self) -> Held:
        """Nothing that is known here: the server is shared with others, and has figures of its own."""
        return Held()

    async def flush(self) -> None:
        """Wait until what was put before is written, or given up."""
        await self.link.flush()

    async def close(self) -> None:
        """Write what is pending, then close the link."""
        await self.link.close()
