"""What the portfolio system caches, and for how long."""

from hexar.core.cache.kinds import HOUR, MINUTE, Kind

CHAT_ANSWER = Kind("chat_answer", HOUR)
RAG_CHUNKS = Kind("rag_chunks", 30 * MINUTE)

KINDS = (CHAT_ANSWER, RAG_CHUNKS)
