"""Tiered caches: memory in front of a shared or embedded backend. Everything here may vanish at any moment.

``kinds`` names what is cached and for how long, ``codec`` is the form of a value outside memory, ``memory`` and ``sqlite``
are the tiers, and :class:`Caches` is what callers use.
"""

from hexar.core.cache.caches import Caches
from hexar.core.cache.codec import Entry
from hexar.core.cache.kinds import KINDS, Kind, Tier

__all__ = ["KINDS", "Caches", "Entry", "Kind", "Tier"]
