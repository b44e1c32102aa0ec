"""Passages for a query: from the cache of found passages, else by a search; on the event loop where that takes microseconds."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from hexar.agents.portfolio import messages
from hexar.agents.portfolio.chat.scheduling import QuietScheduler
from hexar.agents.portfolio.documents.library import dependency
from hexar.agents.portfolio.kinds import RAG_CHUNKS
from hexar.agents.portfolio.retrieval.passages import Mode, SearchResult
from hexar.agents.portfolio.retrieval.retriever import Retriever
from hexar.core.cache import Caches
from hexar.core.cachekey import cache_key, normalize_text
from hexar.core.deadline import Deadline
from hexar.core.resilience import BreakerOpen, BulkheadFull
from hexar.core.store import Database
from hexar.v1 import portfolio_pb2

T = TypeVar("T")
Vector = NDArray[np.float32]

#: The cache kind of found passages.
PASSAGES_KIND = RAG_CHUNKS.name
#: The embedding provider's name on the pools.
EMBEDDING_LANE = "embeddings"
#: Seconds that retrieval may take of the whole deadline.
RETRIEVAL_SECONDS = 10.0


class Pool(Protocol):
    """The part of :class:`hexar.core.resilience.dispatch.Dispatcher` that is used here."""

    async def call(self, agent: str, function: Callable[..., T], *args: object, deadline: Deadline | None = None) -> T:
        """Run ``function(*args)`` on a thread of ``agent``."""
        ...


@dataclass(frozen=True, slots=True)
class PassageQuery:
    """What is searched for: the ``top_k`` best passages for ``text``.

    ``vector`` is the text's, where it is known. ``read``: passages that were found before will do. ``hurry``: what is found is
    put into the cache in the next quiet moment.
    """

    text: str
    top_k: int
    mode: Mode = Mode.HYBRID
    language: str = ""
    vector: Vector | None = None
    read: bool = True
    hurry: bool = False


class Finder:
    """Finds passages for one process.

    Thread-safety: everything belongs to the event loop; what blocks runs on the store's threads and on the pool.
    """

    def __init__(self, database: Database, retriever: Retriever, caches: Caches, pool: Pool, lull: QuietScheduler) -> None:
        self.database = database
        self.retriever = retriever
        self.caches = caches
        self.pool = pool
        self._lull = lull

    async def vector(self, text: str, deadline: Deadline) -> Vector | None:
        """The vector of a query, or None where there is no provider or it does not answer."""
        provider = self.retriever.embeddings
        if provider is None:
            return None
        if not provider.blocking:
            return self.retriever.embed(text, 0.0)
        timeout = deadline.bounded(RETRIEVAL_SECONDS)
        try:
            return await self.pool.call(EMBEDDING_LANE, self.retriever.embed, text, timeout, deadline=deadline)
        except (BreakerOpen, BulkheadFull):
            return None

    async def search(self, tenant: str, portfolio_id: str, query: PassageQuery, deadline: Deadline) -> SearchResult:
        """Passages from the cache of found passages, else by a search; NotFound for the portfolio."""
        provider = self.retriever.embeddings
        far = provider is not None and provider.blocking
        fields: dict[str, object] = {
            "portfolio": portfolio_id,
            "query": normalize_text(query.text),
            "top_k": query.top_k,
            "mode": query.mode.value,
            "language": query.language,
            "identity": provider.identity if provider is not None else "",
        }
        key = cache_key(tenant, PASSAGES_KIND, fields)
        if query.read and (kept := await self._kept(key, far)) is not None:
            return kept
        depends = self.caches.snapshot(tenant, PASSAGES_KIND, dependency(tenant, portfolio_id))
        found = await self._found(tenant, portfolio_id, query, deadline, far)
        if found.confirmed and (found.mode is query.mode or provider is None):
            keep = partial(self._keep, key, found, depends, far)
            if query.hurry:
                self._lull.later(keep)
            else:
                keep()
        return found

    async def _kept(self, key: bytes, far: bool) -> SearchResult | None:
        # Where no network is asked for vectors, a search costs no more than a read from the second tier.
        entry = await self.caches.get(PASSAGES_KIND, key) if far else self.caches.peek(PASSAGES_KIND, key)
        if entry is None:
            return None
        kept: SearchResult | None = entry.view
        if kept is not None:
            return replace(kept, tier=entry.tier, embedding_seconds=0.0, seconds=0.0)
        return messages.found_of(portfolio_pb2.SearchResponse.FromString(entry.value), entry.tier)

    async def _found(self, tenant: str, portfolio_id: str, query: PassageQuery, deadline: Deadline, far: bool) -> SearchResult:
        """Passages by a search: at once where the portfolio is in memory, else on a thread of the store."""
        text, mode, given = query.text, query.mode, query.vector
        started = time.perf_counter()
        if given is None and far and mode is not Mode.LEXICAL:
            given = await self.vector(text, deadline)
        embedding = time.perf_counter() - started
        wanted = mode if given is not None or not far else Mode.LEXICAL
        found: SearchResult | None = None
        if wanted is mode:
            if given is None and self.retriever.embeddings is not None and mode is not Mode.LEXICAL:
                given = self.retriever.embed(text, 0.0)
            found = self.retriever.search_now(
                tenant, portfolio_id, text, query.top_k, mode=mode, language=query.language, vector=given
            )
        if found is None:
            timeout = deadline.bounded(RETRIEVAL_SECONDS)
            embed = (lambda _: given) if given is not None else partial(self.retriever.embed, timeout=timeout)
            found = await self.database.run(
                self.retriever.search,
                tenant,
                portfolio_id,
                text,
                query.top_k,
                mode=wanted,
                language=query.language,
                embed=embed,
            )
        if given is not query.vector and embedding > found.embedding_seconds:
            found = replace(found, embedding_seconds=embedding)
        return found

    def _keep(self, key: bytes, found: SearchResult, depends: Mapping[str, int], far: bool) -> None:
        if far:
            self.caches.put(PASSAGES_KIND, key, messages.search_response(found).SerializeToString(), depends, view=found)
        else:
            # The second tier is not asked for it.
            self.caches.hold(PASSAGES_KIND, key, found, depends, size=found.nbytes)
