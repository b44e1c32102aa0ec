"""What a tier behind memory must do."""

from dataclasses import dataclass
from typing import Protocol

from hexar.core.cache.kinds import Tier


@dataclass(frozen=True, slots=True)
class Held:
    """What a tier holds, and what it has dropped for want of room. ``limit_bytes`` 0: its server decides."""

    bytes: int = 0
    limit_bytes: int = 0
    entries: int = 0
    evictions: int = 0


class CacheBackend(Protocol):
    """Framed values by key. A backend that fails answers with a miss and counts it; it never raises into a request."""

    tier: Tier

    async def get(self, key: bytes) -> bytes | None:
        """The framed value under ``key``, or None."""
        ...

    def put(self, key: bytes, data: bytes, expires_at: float) -> None:
        """Keep ``data`` until ``expires_at`` (Unix seconds); returns at once, the write happens behind the caller."""
        ...

    def forget(self, key: bytes) -> None:
        """Drop the value under ``key``; returns at once, the write happens behind the caller."""
        ...

    def held(self) -> Held:
        """What it holds, as it was seen last; without waiting."""
        ...

    async def flush(self) -> None:
        """Wait until what was put before is written."""
        ...

    async def close(self) -> None:
        """Write what is pending, then release everything."""
        ...

    @property
    def failures(self) -> int:
        """Operations that failed since the start."""
        ...
