"""Tiered caches: memory in front of a shared or embedded backend. Everything here may vanish at any moment.

``kinds`` says what a kind of value is, ``codec`` is the form of a value outside memory, ``memory`` and ``sqlite``
are the tiers, and :class:`Caches` is what callers use.
"""

from hexar.core.cache.caches import Caches
from hexar.core.cache.codec import Entry
from hexar.core.cache.kinds import Kind, Tier

__all__ = ["Caches", "Entry", "Kind", "Tier"]
