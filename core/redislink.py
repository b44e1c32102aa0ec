"""The link to Redis by the name that programs around the engine import: :mod:`hexar.core.redis.link`."""

from hexar.core.redis.link import RedisDown, RedisLink, check_address

__all__ = ["RedisDown", "RedisLink", "check_address"]
