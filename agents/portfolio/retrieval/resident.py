"""A portfolio in memory: its terms, its vectors and its passages, so that a search asks the store nothing.

What is in memory is of one version. A change is brought in by documents: the store is asked for the versions of all documents
of the portfolio and for the chunks of those that changed.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from hexar.agents.portfolio.retrieval.passages import Passage
from hexar.agents.portfolio.retrieval.vectors import VectorIndex
from hexar.agents.portfolio.tables import chunks, documents
from hexar.agents.text.rerank import Corpus
from hexar.core.search.postings import Postings
from hexar.core.search.similarity import WordTokens
from hexar.core.text.terms import LANGUAGES

#: Passages that are kept of a portfolio for all of whose passages there is no room: those that were found lately.
LATELY = 4096
#: Bytes that a chunk takes beside its text, terms and vector, and for each character of its text: the text and its words'
#: tokens. Measured with tracemalloc, rounded up.
CHUNK_BYTES = 1000
CHARACTER_BYTES = 3
TERM_BYTES = 14
#: Keys named in one statement.
BATCH = 500

_DOCUMENTS = sa.select(
    documents.c.key, documents.c.version, documents.c.document_id, documents.c.title, documents.c.url, documents.c.language
).where(documents.c.portfolio_key == sa.bindparam("portfolio"))
_TERMS = sa.select(chunks.c.document_key, chunks.c.key, chunks.c.terms)
_PLACES = (chunks.c.chunk_id, chunks.c.start, chunks.c.end, chunks.c.text, chunks.c.headings, chunks.c.language)
_PASSAGES = sa.select(chunks.c.document_key, chunks.c.key, chunks.c.terms, *_PLACES)
_LATE = sa.select(chunks.c.document_key, chunks.c.key, *_PLACES).where(chunks.c.key.in_(sa.bindparam("keys", expanding=True)))


@dataclass(frozen=True, slots=True)
class _Document:
    version: int
    document_id: str
    title: str
    url: str
    chunks: tuple[int, ...]


@dataclass(slots=True)
class Row:
    """A chunk as it is found, and the tokens of its words once they were needed."""

    passage: Passage
    tokens: WordTokens | None = None
    tokenised: bool = False


@dataclass(slots=True)
class Resident:
    """What is in memory of one portfolio: the vectors, and where there is room for them the terms and the passages.

    Thread-safety: hold ``lock`` while ``terms`` is searched or anything is changed.
    """

    key: int
    index: VectorIndex
    version: int = -1
    corpus: Corpus = field(default_factory=lambda: Corpus(0, 1.0))
    languages: tuple[str, ...] = ()
    terms: Postings | None = None
    rows: dict[int, Row] = field(default_factory=dict)
    characters: int = 0
    #: There is no room for the vectors either: they are searched in the store, which can do it.
    stored: bool = False
    #: All passages are in memory.
    whole: bool = False
    #: Few chunks, and all tokens are there: a search takes microseconds.
    short: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    _documents: dict[int, _Document] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """About how many bytes of memory this takes."""
        terms = self.terms.nbytes if self.terms is not None else 0
        return terms + self.index.nbytes + len(self.rows) * CHUNK_BYTES + self.characters * CHARACTER_BYTES

    @staticmethod
    def expected(total: int, term_count: int, dimension: int, *, whole: bool) -> int:
        """About how many bytes a portfolio of ``total`` chunks with so many terms will take, before it is read."""
        rows = total if whole else min(total, LATELY)
        # A term is about eight characters of text: its word, the blank, and the stop words around it.
        text = 8 * CHARACTER_BYTES * term_count // max(1, total)
        return total * dimension * 6 + term_count * TERM_BYTES + rows * (CHUNK_BYTES + text)

    def bring(self, connection: sa.Connection, *, whole: bool) -> None:
        """Read the terms and, with ``whole``, the passages of the documents that changed since the last time."""
        terms = self.terms = self.terms if self.terms is not None else Postings()
        self.short, self.whole = False, whole
        found: dict[int, Any] = {row[0]: row for row in connection.execute(_DOCUMENTS, {"portfolio": self.key})}
        self.languages = tuple(sorted({row[5] for row in found.values()} & set(LANGUAGES)))
        for gone in self._documents.keys() - found.keys():
            self._forget(terms, self._documents.pop(gone).chunks)
        changed = [key for key, row in found.items() if key not in self._documents or self._documents[key].version != row[1]]
        now: dict[int, list[int]] = {key: [] for key in changed}
        if not whole:
            self._forget_rows(list(self.rows))
        statement = _PASSAGES if whole else _TERMS
        for row in self._chunks(connection, statement, changed, len(found)):
            document, key = row[0], row[1]
            if document not in now:
                continue
            now[document].append(key)
            if key not in terms:
                terms.add(key, row[2])
            if whole:
                self._keep(key, found[document], row[3:])
        for key in changed:
            held = self._documents.get(key)
            if held is not None:
                self._forget(terms, set(held.chunks).difference(now[key]))
            _, version, document_id, title, url, _ = found[key]
            self._documents[key] = _Document(version, document_id, title, url, tuple(now[key]))
        self.corpus = Corpus(len(terms), terms.average)

    def drop_terms(self) -> None:
        """Keep the vectors only: there is no room for more."""
        self.terms = None
        self.rows.clear()
        self._documents.clear()
        self.characters = 0

    def held(self, keys: Iterable[int]) -> list[Row] | None:
        """The chunks of ``keys``; None where any is not in memory."""
        rows = self.rows
        try:
            return [rows[key] for key in keys]
        except KeyError:
            return None

    def late(self, connection: sa.Connection, keys: Sequence[int]) -> None:
        """Read the passages of ``keys`` that are not in memory."""
        if not self.whole and len(self.rows) > LATELY:
            self._forget_rows(list(self.rows)[: LATELY // 2])
        for document, key, *place in connection.execute(_LATE, {"keys": [key for key in keys if key not in self.rows]}):
            held = self._documents.get(document)
            if held is not None:
                self._keep(key, (document, held.version, held.document_id, held.title, held.url), place)

    def _chunks(
        self, connection: sa.Connection, statement: sa.Select[Any], changed: Sequence[int], total: int
    ) -> Iterable[Any]:
        if len(changed) * 2 > total:
            yield from connection.execute(statement.where(chunks.c.portfolio_key == self.key).order_by(chunks.c.key))
            return
        for at in range(0, len(changed), BATCH):
            yield from connection.execute(statement.where(chunks.c.document_key.in_(changed[at : at + BATCH])))

    def _keep(self, key: int, document: Sequence[Any], place: Sequence[Any]) -> None:
        _, version, document_id, title, url, *_ = document
        chunk_id, start, end, text, headings, language = place
        old = self.rows.get(key)
        passage = Passage(key, chunk_id, document_id, version, title, start, end, text, tuple(headings), language, url)
        if old is None:
            self.characters += len(passage.text)
            self.rows[key] = Row(passage)
        else:
            # Its text never changes, so neither do its tokens.
            self.rows[key] = Row(passage, old.tokens, old.tokenised)

    def _forget(self, terms: Postings, keys: Iterable[int]) -> None:
        for key in keys:
            terms.remove(key)
            self._forget_rows((key,))

    def _forget_rows(self, keys: Iterable[int]) -> None:
        for key in keys:
            row = self.rows.pop(key, None)
            if row is not None:
                self.characters -= len(row.passage.text)
