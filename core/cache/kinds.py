"""What a kind of cached value is. Each system declares its own."""

from dataclasses import dataclass
from enum import StrEnum

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Tier(StrEnum):
    """Where a value was read from."""

    SOURCE = "source"
    MEMORY = "memory"
    DISK = "disk"
    REDIS = "redis"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of cached value. Times in seconds, absolute: a hit never extends them.

    ``ttl`` is how long a value is fresh (``cache.ttl.<name>`` in the configuration changes it); up to ``stale_for`` longer it
    is kept for callers whose source fails, marked stale.
    """

    name: str
    ttl: float
    stale_for: float = 0.0
