"""Cache kinds for tests of the engine alone."""

from hexar.core.cache.kinds import DAY, HOUR, MINUTE, Kind

KINDS = (
    Kind("live_offers", 15 * MINUTE, DAY),
    Kind("query_answer", HOUR),
    Kind("chat_answer", HOUR),
    Kind("rag_chunks", 30 * MINUTE),
)
