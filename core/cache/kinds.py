"""What is cached, and for how long."""

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

    ``ttl`` is how long a value is fresh; up to ``stale_for`` longer it is kept for callers whose source fails, marked stale.
    """

    name: str
    ttl: float
    stale_for: float = 0.0


#: Every kind by name, with the default times; ``cache.ttl.<kind>`` in the configuration changes one.
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("static_analysis", 30 * DAY, 30 * DAY),
        Kind("live_offers", 15 * MINUTE, DAY),
        Kind("user_context", 7 * DAY),
        Kind("query_answer", HOUR),
        Kind("chat_answer", HOUR),
        Kind("rag_chunks", 30 * MINUTE),
        Kind("legal_research", HOUR),
        Kind("parts_lookup", HOUR),
        Kind("market_tool", HOUR),
    )
}
