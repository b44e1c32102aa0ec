"""Bringing a portfolio in memory to the version that the store has: its terms, passages and vectors.

What is done for the searches after it, embedding chunks that have no vector and building an index or a graph, is done behind
them on a thread of its own.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import sqlalchemy as sa
import structlog

from hexar.agents.llm.embeddings import Embeddings
from hexar.agents.portfolio.documents.library import Library, embedding_text
from hexar.agents.portfolio.retrieval import pgvector
from hexar.agents.portfolio.retrieval.resident import Resident, Row
from hexar.agents.portfolio.retrieval.vectors import EXACT_LIMIT, VectorIndex
from hexar.agents.portfolio.tables import chunks, documents, vectors
from hexar.agents.text.rerank import Corpus, Reranker
from hexar.core.errors import Unavailable
from hexar.core.search.similarity import WordTokens
from hexar.core.store import STORE_ERRORS, Database
from hexar.core.text.terms import LANGUAGES

log = structlog.get_logger(__name__)

#: Chunks up to which a search takes so little time that it may run on the event loop.
SHORT_CHUNKS = 2000
#: Chunks that are embedded after the fact in one step, where they were kept without vectors.
BACKFILL = 256


class Refresher:
    """Reads portfolios into memory. ``room``: bytes that one portfolio may take there. ``folder``: where graphs are kept.

    Thread-safety: :meth:`refresh` of one portfolio must not run twice at once; hold its lock.
    """

    def __init__(self, database: Database, library: Library, reranker: Reranker, folder: Path | None, room: int) -> None:
        self._database = database
        self._library = library
        self._reranker = reranker
        self._folder = folder
        self._room = room
        self._closed = False
        self._builder = ThreadPoolExecutor(1, thread_name_prefix="vectors")

    def empty(self, key: int) -> Resident:
        """A portfolio of which nothing is in memory yet."""
        provider = self._library.embeddings
        path = self._folder / f"{key}-{provider.identity}.usearch" if self._folder and provider else None
        return Resident(key, VectorIndex(provider.dimension if provider else 1, path=path))

    def build_graph(self, resident: Resident) -> None:
        """Build the graph of its vectors behind this call, where there are so many that it wants one."""
        if resident.index.wants_graph:
            self._later(resident.index.build_graph)

    def close(self) -> None:
        """Wait for what is being built."""
        self._closed = True
        self._builder.shutdown(wait=True)

    def _later(self, work: Callable[..., None], *arguments: object) -> None:
        if not self._closed:
            self._builder.submit(work, *arguments)

    def tokens(self, row: Row) -> WordTokens | None:
        """The tokens of a chunk's words, made when they are first needed."""
        if not row.tokenised:
            row.tokens = self._reranker.tokens("\n".join((*row.passage.headings, row.passage.text)))
            row.tokenised = True
        return row.tokens

    def refresh(self, connection: sa.Connection, key: int, resident: Resident) -> None:
        mine = chunks.c.portfolio_key == key
        total, length = connection.execute(sa.select(sa.func.count(), sa.func.sum(chunks.c.term_count)).where(mine)).one()
        resident.corpus = Corpus(int(total), float(length or 0) / max(1, int(total)))
        provider = self._library.embeddings
        dimension = provider.dimension if provider is not None else 0
        sizes = {whole: resident.expected(int(total), int(length or 0), dimension, whole=whole) for whole in (True, False)}
        if sizes[False] <= self._room:
            resident.bring(connection, whole=sizes[True] <= self._room)
            resident.stored = False
        else:
            resident.drop_terms()
            # SQLite cannot search vectors: there they stay in memory, whatever they take.
            resident.stored = not self._database.is_sqlite and provider is not None
            spoken = connection.execute(sa.select(documents.c.language).where(documents.c.portfolio_key == key).distinct())
            resident.languages = tuple(sorted(language for language in spoken.scalars() if language in LANGUAGES))
        self._vectors(connection, key, resident)
        if resident.whole and resident.terms is not None and resident.corpus.total <= SHORT_CHUNKS:
            for row in resident.rows.values():
                self.tokens(row)
            resident.short = True

    def _vectors(self, connection: sa.Connection, key: int, resident: Resident) -> None:
        mine = chunks.c.portfolio_key == key
        total = resident.corpus.total
        provider = self._library.embeddings
        if provider is None:
            return
        condition = sa.and_(vectors.c.portfolio_key == key, vectors.c.identity == provider.identity)
        held = resident.index.keys()
        if resident.stored:
            resident.index.change(held, np.zeros(0, np.int64), np.zeros((0, provider.dimension), np.float32))
            without = chunks.c.key.not_in(sa.select(vectors.c.chunk_key).where(condition))
            lacking = list(connection.execute(sa.select(chunks.c.key).where(mine, without)).scalars())
            if lacking:
                self._later(self._backfill, key, resident, lacking)
            if total > EXACT_LIMIT:
                self._later(self._index_in_store, provider)
            return
        wanted = set(connection.execute(sa.select(vectors.c.chunk_key).where(condition)).scalars())
        added = sorted(wanted - held)
        rows = np.zeros((len(added), provider.dimension), np.float32)
        place = {chunk: i for i, chunk in enumerate(added)}
        statement = sa.select(vectors.c.chunk_key, vectors.c.vector).where(condition)
        if len(added) < len(wanted) // 2:
            statement = statement.where(vectors.c.chunk_key >= (added[0] if added else 0))
        if added:
            for chunk, data in connection.execute(statement):
                if chunk in place:
                    rows[place[chunk]] = np.frombuffer(data, np.float16)
        missing: list[int] = []
        if total > len(wanted):
            without = chunks.c.key.not_in(sa.select(vectors.c.chunk_key).where(condition))
            missing = list(connection.execute(sa.select(chunks.c.key).where(mine, without)).scalars())
        if added or held - wanted:
            resident.index.change(held - wanted, np.asarray(added, np.int64), rows)
        if missing:
            self._later(self._backfill, key, resident, missing)

    def _index_in_store(self, provider: Embeddings) -> None:
        """Have the store index the vectors of ``provider``; until it has, every vector is compared."""
        try:
            pgvector.build_index(self._database, provider.identity, provider.dimension)
        except STORE_ERRORS as error:
            log.warning("vectors_not_indexed", error=type(error).__name__)

    def _backfill(self, key: int, resident: Resident, missing: Sequence[int]) -> None:
        """Embed chunks that were kept while no provider answered, or under another provider."""
        provider = self._library.embeddings
        if provider is None:
            return
        for at in range(0, len(missing), BACKFILL):
            part = missing[at : at + BACKFILL]
            with self._database.read() as connection:
                statement = sa.select(chunks.c.key, chunks.c.headings, chunks.c.text).where(chunks.c.key.in_(part))
                found = connection.execute(statement).all()
            try:
                rows = provider.embed([embedding_text("", headings, text) for _, headings, text in found])
            except Unavailable:
                return  # the next change of the portfolio, or the next start, tries again
            with self._database.write() as connection:
                alive = set(connection.execute(sa.select(chunks.c.key).where(chunks.c.key.in_(part))).scalars())
                named = sa.and_(vectors.c.identity == provider.identity, vectors.c.chunk_key.in_(part))
                alive -= set(connection.execute(sa.select(vectors.c.chunk_key).where(named)).scalars())
                values = [
                    {"chunk_key": row[0], "identity": provider.identity, "portfolio_key": key, "vector": data.tobytes()}
                    for row, data in zip(found, rows.astype(np.float16), strict=True)
                    if row[0] in alive
                ]
                if values:
                    connection.execute(sa.insert(vectors), values)
            with resident.lock:
                if resident.stored:
                    continue
                held = resident.index.keys()
                kept = [i for i, row in enumerate(found) if row[0] in alive - held]
                resident.index.change((), np.asarray([found[i][0] for i in kept], np.int64), rows[kept])
