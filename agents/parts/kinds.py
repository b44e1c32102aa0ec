"""What the parts system caches, and for how long."""

from hexar.core.cache.kinds import HOUR, Kind

PARTS_LOOKUP = Kind("parts_lookup", HOUR)

KINDS = (PARTS_LOOKUP,)
