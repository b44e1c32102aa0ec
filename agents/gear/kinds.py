"""What gear caches, and for how long."""

from hexar.core.cache.kinds import DAY, HOUR, MINUTE, Kind

STATIC_ANALYSIS = Kind("static_analysis", 30 * DAY, 30 * DAY)
LIVE_OFFERS = Kind("live_offers", 15 * MINUTE, DAY)
USER_CONTEXT = Kind("user_context", 7 * DAY)
QUERY_ANSWER = Kind("query_answer", HOUR)

KINDS = (STATIC_ANALYSIS, LIVE_OFFERS, USER_CONTEXT, QUERY_ANSWER)
