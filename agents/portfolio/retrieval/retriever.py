"""Passages for a query: words and vectors side by side, fused by reciprocal rank, the head reranked.

A portfolio that was searched stays in memory (``resident``), as many as there is room for: its words, vectors and passages are
then searched without asking the store. Of one that is too large only the vectors stay, and the store searches its words.
What is in memory is brought up to date by comparing versions before every search, so that a write by any process is seen by
the next search of this one.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import sqlalchemy as sa
import structlog
from numpy.typing import NDArray
from sqlalchemy.exc import OperationalError

from hexar.agents.llm.embeddings import Embeddings, StaticEmbeddings
from hexar.agents.portfolio.documents.library import Library
from hexar.agents.portfolio.retrieval import pgvector
from hexar.agents.portfolio.retrieval.lexical import LexicalHits
from hexar.agents.portfolio.retrieval.passages import Mode, Passage, SearchResult
from hexar.agents.portfolio.retrieval.refreshing import SHORT_CHUNKS, Refresher
from hexar.agents.portfolio.retrieval.resident import Resident
from hexar.agents.portfolio.retrieval.vectors import VectorIndex
from hexar.agents.portfolio.tables import chunks, documents, portfolios
from hexar.agents.text.queries import Query, parse_query, widened
from hexar.agents.text.rerank import ChunkMatch, Corpus, Features, Reranker
from hexar.core.errors import NotFound, Unavailable
from hexar.core.memo import Memo
from hexar.core.search.fusion import Fused, fuse
from hexar.core.search.hits import Hits
from hexar.core.search.postings import GROUPS
from hexar.core.store import Database
from hexar.core.text.terms import detect

log = structlog.get_logger(__name__)

#: Chunks that each side puts into the fusion, at least.
CANDIDATES = 50
#: Chunks of the fused head that are reranked, at least.
RERANKED = 20
#: The first of each side that are reranked, whatever the other side says of them.
HEADS = 10
#: The constant of reciprocal rank fusion, as in the paper that introduced it.
FUSION = 60.0
#: Portfolios that stay in memory, and bytes that they may take.
RESIDENT = 64
RESIDENT_BYTES = 512 * 1024 * 1024
#: Postings that one search of words in memory scores at most: about a millisecond.
POSTINGS = 300_000
#: Query words up to which a search takes so little time that it may run on the event loop.
SHORT_WORDS = 24
#: What a side finds that is not asked.
NOTHING = Hits()

# Built once: composing a statement costs more than running it.
_PORTFOLIO = sa.select(portfolios.c.key, portfolios.c.version).where(
    portfolios.c.tenant == sa.bindparam("tenant"), portfolios.c.portfolio_id == sa.bindparam("portfolio")
)
_CHUNKS = (
    sa.select(
        chunks.c.key, chunks.c.chunk_id, documents.c.document_id, documents.c.version, documents.c.title, chunks.c.start,
        chunks.c.end, chunks.c.text, chunks.c.headings, chunks.c.language, documents.c.url, chunks.c.terms, chunks.c.term_count,
    )
    .join(documents, documents.c.key == chunks.c.document_key)
    .where(chunks.c.key.in_(sa.bindparam("keys", expanding=True)))
)  # fmt: skip


class Retriever:
    """Searches portfolios.

    Thread-safety: all methods may be called from any thread; all block on the store.
    """

    def __init__(
        self,
        database: Database,
        library: Library,
        *,
        words: StaticEmbeddings | None = None,
        folder: Path | None = None,
        resident: int = RESIDENT,
        resident_bytes: int = RESIDENT_BYTES,
    ) -> None:
        self._database = database
        self._library = library
        self._reranker = Reranker(words)
        self._refresher = Refresher(database, library, self._reranker, folder, resident_bytes)
        self._limit = resident
        self._limit_bytes = resident_bytes
        self._resident: OrderedDict[int, Resident] = OrderedDict()
        self._names: dict[tuple[str, str], Resident] = {}
        self._remembered = Memo[int, tuple[int, Passage, Features]]("portfolio.passages")
        self._lock = threading.Lock()

    @property
    def embeddings(self) -> Embeddings | None:
        """The provider of the vectors that are searched."""
        return self._library.embeddings

    @property
    def resident_bytes(self) -> int:
        """About how many bytes the portfolios in memory take."""
        with self._lock:
            return sum(resident.nbytes for resident in self._resident.values())

    def search(
        self,
        tenant: str,
        portfolio_id: str,
        text: str,
        top_k: int,
        *,
        mode: Mode = Mode.HYBRID,
        language: str = "",
        embed: Callable[[str], NDArray[np.float32] | None] | None = None,
    ) -> SearchResult:
        """The ``top_k`` best passages; NotFound where the tenant has no such portfolio.

        ``embed`` gives the query's vector where it was asked for beside this call; else the provider is asked here.
        ``found.mode`` is LEXICAL where no provider answered. Where the store does not answer, a portfolio in memory is searched
        as it is there, and ``found.confirmed`` is False.
        """
        started = time.perf_counter()
        resident = self._known(tenant, portfolio_id)
        confirmed = True
        if resident is None:
            try:
                resident = self._asked(tenant, portfolio_id)
            except (OperationalError, Unavailable):
                # The store is away: what is in memory is better than nothing, and the answer says what it is.
                resident, confirmed = self._names.get((tenant, portfolio_id)), False
                if resident is None or resident.terms is None:
                    raise
        embedding_started = time.perf_counter()
        vectorless = not (len(resident.index) or resident.stored)
        vector = None if mode is Mode.LEXICAL or vectorless else (embed or self.embed)(text)
        embedding_seconds = time.perf_counter() - embedding_started
        query = parse_query(text, language or detect(text), resident.languages)
        with resident.lock:
            found = self._in_memory(resident, query, vector, top_k, mode)
            version = resident.version
        if found is None:
            with self._database.read() as connection:
                found = self._in_store(connection, resident, version, query, vector, top_k, mode)
        return SearchResult(*found, version, embedding_seconds, time.perf_counter() - started, confirmed=confirmed)

    def search_now(
        self,
        tenant: str,
        portfolio_id: str,
        text: str,
        top_k: int,
        *,
        mode: Mode = Mode.HYBRID,
        language: str = "",
        vector: NDArray[np.float32] | None = None,
    ) -> SearchResult | None:
        """As :meth:`search` where that takes microseconds and waits for nothing, so that it may run on the event loop; else
        None. ``vector`` is the query's."""
        started = time.perf_counter()
        resident = self._known(tenant, portfolio_id)
        if resident is None or resident.corpus.total > SHORT_CHUNKS or (vector is None and mode is not Mode.LEXICAL):
            return None
        query = parse_query(text, language or detect(text), resident.languages)
        if len(query.surface) > SHORT_WORDS or not resident.lock.acquire(blocking=False):
            return None
        try:
            if not resident.short:
                return None
            found = self._in_memory(resident, query, vector if len(resident.index) else None, top_k, mode)
            return SearchResult(*found, resident.version, 0.0, time.perf_counter() - started) if found is not None else None
        finally:
            resident.lock.release()

    def _in_memory(
        self, resident: Resident, query: Query, vector: NDArray[np.float32] | None, top_k: int, mode: Mode
    ) -> tuple[list[Passage], Mode] | None:
        """The passages, and which indexes answered; None where the words are not in memory. Hold the portfolio's lock."""
        terms = resident.terms
        if terms is None:
            return None
        query = widened(query, resident.languages, terms.frequency)
        width = max(CANDIDATES, 2 * top_k)
        answered = Mode.LEXICAL if vector is None else mode
        by_words = terms.search(query.terms, width, POSTINGS) if mode is not Mode.VECTOR else NOTHING
        nearest = resident.index.search(vector, width) if vector is not None else NOTHING
        fused = _heads(fuse(by_words, nearest, FUSION, 2 * width), top_k)
        keys = fused.keys
        rows = resident.held(keys)
        if rows is None:
            with self._database.read() as connection:
                resident.late(connection, keys)
            fused = fused.only(resident.rows)
            keys = fused.keys
            rows = [resident.rows[key] for key in keys]
        cosines = fused.second_scores
        if vector is not None and (lacking := fused.lacking):
            far = resident.index.similarities(vector, lacking)
            cosines = [far.get(key, cosine) for key, cosine in zip(keys, cosines, strict=True)]
        scores: list[float] = []
        if answered is Mode.HYBRID and keys:
            lexical, window, rarity = terms.weigh(keys, query.groups[:GROUPS])
            tokens = [row.tokens if row.tokenised else self._refresher.tokens(row) for row in rows]
            scores = self._reranker.combined(query, lexical, window, cosines, tokens, rarity)
        best = fused.best(scores, top_k)
        return [rows[at].passage.found(score, first, second, cosines[at]) for at, score, first, second in best], answered

    def _in_store(
        self,
        connection: sa.Connection,
        resident: Resident,
        version: int,
        query: Query,
        vector: NDArray[np.float32] | None,
        top_k: int,
        mode: Mode,
    ) -> tuple[list[Passage], Mode]:
        """As `_in_memory` where words are searched, and passages read, in the store."""
        key = resident.key
        width = max(CANDIDATES, 2 * top_k)
        lexical = LexicalHits([], {})
        if mode is not Mode.VECTOR or query.surface:
            index = self._library.lexical
            held = index.frequencies(connection, key, query.terms)

            def frequency(term: str) -> int:
                if term not in held:
                    held.update(index.frequencies(connection, key, (term,)))
                return held.get(term, 0)

            query = widened(query, resident.languages, frequency)
            lexical = index.search(connection, key, {term: held.get(term, 0) for term in query.terms}, width)
        nearest: list[int] = []
        if vector is not None and resident.stored and self.embeddings is not None:
            identity, total = self.embeddings.identity, resident.corpus.total
            nearest = pgvector.nearest(connection, key, identity, vector, width, total)[0]
        elif vector is not None:
            nearest = resident.index.search(vector, width).keys
        answered = Mode.LEXICAL if vector is None else mode
        by_words = Hits(lexical.keys) if mode is not Mode.VECTOR else NOTHING
        fused = _heads(fuse(by_words, Hits(nearest), FUSION, 2 * width), top_k)
        passages = self._passages(connection, version, fused.keys)
        places = {"lexical": _places(lexical.keys), "vector": _places(nearest)}
        cosines: dict[int, float] = {}
        if vector is not None and resident.stored and self.embeddings is not None:
            cosines = pgvector.similarities(connection, self.embeddings.identity, vector, [p.key for p, _ in passages])
        elif vector is not None:
            cosines = resident.index.similarities(vector, [p.key for p, _ in passages])
        order = [p.key for p, _ in passages]
        scores = {found: 1.0 / (FUSION + place) for place, found in enumerate(order, 1)}
        if answered is Mode.HYBRID:
            scores |= self._reranked(query, passages, cosines, lexical, resident.corpus)
            order.sort(key=lambda k: (-scores[k], k))
        by_key = {p.key: p for p, _ in passages}
        kept = [
            by_key[k].found(scores[k], places["lexical"].get(k, 0), places["vector"].get(k, 0), cosines.get(k, 0.0))
            for k in order[:top_k]
        ]
        return kept, answered

    def embed(self, text: str, timeout: float = 5.0) -> NDArray[np.float32] | None:
        """The vector of a query, or None where there is no provider or it does not answer."""
        provider = self._library.embeddings
        if provider is None:
            return None
        try:
            row: NDArray[np.float32] = provider.embed([text], timeout=timeout)[0]
        except Unavailable:
            return None
        return row if row.any() else None

    def resident_index(self, tenant: str, portfolio_id: str) -> VectorIndex:
        """The vectors of a portfolio in memory, brought up to date; NotFound."""
        with self._database.read() as connection:
            key = self._library.key(connection, tenant, portfolio_id)
            version = connection.execute(sa.select(portfolios.c.version).where(portfolios.c.key == key)).scalar_one()
            return self._up_to_date(connection, key, int(version)).index

    def close(self) -> None:
        """Wait for a graph that is being built."""
        self._refresher.close()

    def _reranked(
        self,
        query: Query,
        head: Sequence[tuple[Passage, Features]],
        cosines: dict[int, float],
        lexical: LexicalHits,
        corpus: Corpus,
    ) -> dict[int, float]:
        candidates = [ChunkMatch(features, cosines.get(passage.key, 0.0)) for passage, features in head]
        scores = self._reranker.scores(query, candidates, lexical.frequencies, corpus)
        # Reranked passages stay in front of the others: their scores are moved above every fused score.
        lowest = min(scores, default=0.0)
        return {passage.key: 1.0 + score - lowest for (passage, _), score in zip(head, scores, strict=True)}

    def _passages(self, connection: sa.Connection, version: int, keys: Sequence[int]) -> list[tuple[Passage, Features]]:
        """Passages with their features in the order of ``keys``. A chunk's place and document change with the portfolio's
        version, so what is remembered of it is of one version; its features never change."""
        known = {key: kept for key in keys if (kept := self._remembered.get(key)) is not None}
        missing = [key for key in keys if key not in known or known[key][0] != version]
        if missing:
            for row in connection.execute(_CHUNKS, {"keys": missing}):
                passage = Passage(*row[:8], tuple(row[8]), *row[9:11])
                old = known.get(passage.key)
                text = "\n".join((*passage.headings, passage.text))
                features = old[2] if old is not None else self._reranker.features(row[11], row[12], text)
                known[passage.key] = (version, passage, features)
            for key in missing:
                if key in known:
                    self._remembered.put(key, known[key])
        return [known[key][1:] for key in keys if key in known and known[key][0] == version]

    # ---------------------------------------------------------------------------------------------- what is in memory

    def _up_to_date(self, connection: sa.Connection, key: int, version: int) -> Resident:
        with self._lock:
            resident = self._resident.get(key)
            if resident is None:
                resident = self._refresher.empty(key)
                self._resident[key] = resident
            self._resident.move_to_end(key)
        if resident.version != version:
            with resident.lock:
                # A reader whose snapshot is older than what is in memory searches the newer vectors.
                if resident.version < version:
                    self._refresher.refresh(connection, key, resident)
                    resident.version = version
            self._make_room()
        self._refresher.build_graph(resident)
        return resident

    def _known(self, tenant: str, portfolio_id: str) -> Resident | None:
        """The portfolio where it is in memory at the version that is known to hold, without asking the store."""
        resident = self._names.get((tenant, portfolio_id))
        if resident is None or resident.terms is None or not self._library.current(tenant, portfolio_id, resident.version):
            return None
        with self._lock:
            if resident.key in self._resident:
                self._resident.move_to_end(resident.key)
        return resident

    def _asked(self, tenant: str, portfolio_id: str) -> Resident:
        """The portfolio at the version that the store has; NotFound."""
        with self._database.read() as connection:
            row = connection.execute(_PORTFOLIO, {"tenant": tenant, "portfolio": portfolio_id}).first()
            if row is None:
                with self._lock:
                    self._names.pop((tenant, portfolio_id), None)
                raise NotFound("portfolio", portfolio_id)
            resident = self._up_to_date(connection, int(row[0]), int(row[1]))
        with self._lock:
            if self._resident.get(resident.key) is resident:
                self._names[(tenant, portfolio_id)] = resident
        return resident

    def _make_room(self) -> None:
        """Forget the portfolios that were searched longest ago, where there are too many or they take too much."""
        with self._lock:
            used = sum(resident.nbytes for resident in self._resident.values())
            while len(self._resident) > 1 and (len(self._resident) > self._limit or used > self._limit_bytes):
                _, gone = self._resident.popitem(last=False)
                used -= gone.nbytes
            held = set(map(id, self._resident.values()))
            self._names = {name: resident for name, resident in self._names.items() if id(resident) in held}


def _heads(fused: Fused, top_k: int) -> Fused:
    """The best of the fusion, and the head of each side.

    A sum of two places favours what both sides find somewhere over what one finds first; of a question about several things
    each chunk answers a part, which the other side may not see at all.
    """
    most = max(top_k, RERANKED)
    places = fused.places
    if len(places) <= most:
        return fused
    kept = {
        key
        for at, (key, (first, second)) in enumerate(zip(fused.keys, places, strict=True))
        if at < most or 0 < first <= HEADS or 0 < second <= HEADS
    }
    return fused.only(kept)


def _places(keys: Sequence[int]) -> dict[int, int]:
    return {key: place for place, key in enumerate(keys, 1)}
