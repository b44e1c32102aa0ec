"""What the market system caches, and for how long."""

from hexar.core.cache.kinds import HOUR, Kind

#: Whole analyses.
MARKET_TOOL = Kind("market_tool", HOUR)

KINDS = (MARKET_TOOL,)
