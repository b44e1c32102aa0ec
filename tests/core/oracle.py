"""The oracles: what each kernel must do, written slowly and plainly. Hypothesis compares; none of this is shipped.

One module a kernel: ``oracle.cachekey``, ``oracle.fusion``, ``oracle.fuzzy``, ``oracle.memo``, ``oracle.merge``,
``oracle.normalization``, ``oracle.postings``, ``oracle.ranking``, ``oracle.similarity``.
"""

from tests.core.cachekey import oracle_cachekey as cachekey
from tests.core.fuzzy import oracle_fuzzy as fuzzy
from tests.core.memo import oracle_memo as memo
from tests.core.merge import oracle_merge as merge
from tests.core.ranking import oracle_ranking as ranking
from tests.core.search import oracle_fusion as fusion
from tests.core.search import oracle_postings as postings
from tests.core.search import oracle_similarity as similarity
from tests.core.text import oracle_normalization as normalization

__all__ = ["cachekey", "fusion", "fuzzy", "memo", "merge", "normalization", "postings", "ranking", "similarity"]
