"""One Redis server by the name that programs around the engine import: :mod:`hexar.core.redis.node`."""

from hexar.core.redis.node import RedisDown, RedisNode

__all__ = ["RedisDown", "RedisNode"]
