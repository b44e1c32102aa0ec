"""What a tier behind memory must do."""

from typing import Protocol

from hexar.core.cache.kinds import Tier


class CacheBackend(Protocol):
    """Framed values by key. A backend that fails answers with a miss and counts it; it never raises into a request."""

    tier: Tier

    async def get(self, key: bytes) -> bytes | None:
        """The framed value under ``key``, or None."""
        ...

    def put(self, key: bytes, data: bytes, expires_at: float) -> None:
        """Keep ``data`` until ``expires_at`` (Unix seconds); returns at once, the write happens behind the caller."""
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
