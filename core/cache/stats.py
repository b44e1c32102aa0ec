"""Hits and misses by kind and tier."""

from __future__ import annotations

from collections import Counter

from hexar.core.cache.kinds import Tier


class CacheStats:
    """Counts since the start. Increments may come from several threads; a lost one in a million does not matter here."""

    def __init__(self) -> None:
        self.hits: Counter[tuple[str, Tier]] = Counter()
        self.misses: Counter[str] = Counter()
        self.stale: Counter[str] = Counter()

    def hit(self, kind: str, tier: Tier, stale: bool = False) -> None:
        """Count a value that was served from ``tier``."""
        self.hits[kind, tier] += 1
        if stale:
            self.stale[kind] += 1

    def miss(self, kind: str) -> None:
        """Count a look-up that no tier answered."""
        self.misses[kind] += 1
