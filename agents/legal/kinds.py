"""What the legal system caches, and for how long."""

from hexar.core.cache.kinds import HOUR, MINUTE, Kind

#: Found authorities, whole documents, and cited texts.
RESEARCH = Kind("legal_research", HOUR)
DRAFT = Kind("legal_draft", 5 * MINUTE)
CITATIONS = Kind("legal_citations", 6 * HOUR)
KINDS = (RESEARCH, DRAFT, CITATIONS)
