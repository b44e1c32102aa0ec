"""What a tenant keeps: portfolios, their documents, and the chunks and vectors made of them.

Every method blocks on the store: call it on the store's threads. A write and the bump of the portfolio's version are one
transaction, so an answer drawn from the old documents is unreachable from the moment the new ones can be read. The bump
comes first: it makes the writers of a portfolio wait for each other, in every process.
"""

import hashlib
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import sqlalchemy as sa

from hexar.agents.llm.embeddings import Embeddings
from hexar.agents.portfolio.documents import chunking
from hexar.agents.portfolio.documents.blocks import ParsedDocument
from hexar.agents.portfolio.retrieval.lexical import lexical_for
from hexar.agents.portfolio.tables import chunks, documents, made_key, portfolios, vectors
from hexar.core.errors import AlreadyExists, NotFound, ResourceExhausted, Unavailable
from hexar.core.store import Database
from hexar.core.text.terms import detect, terms

#: Keys named in one statement.
BATCH = 500


class VersionBook(Protocol):
    """What the library asks of the versions of what answers depend on."""

    def get(self, name: str) -> int:
        """The version of ``name`` as this process knows it."""
        ...

    def trusted(self) -> bool:
        """Whether what this process knows holds now."""
        ...

    def bump_in(self, connection: sa.Connection, name: str) -> int:
        """Raise the version of ``name`` inside the caller's transaction."""
        ...

    def published(self, name: str, version: int) -> None:
        """Make a committed version known to this process."""
        ...


@dataclass(frozen=True, slots=True)
class PortfolioRow:
    """A portfolio; times are Unix seconds."""

    key: int
    tenant: str
    portfolio_id: str
    title: str
    version: int
    document_count: int
    chunk_count: int
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A kept document without its text."""

    key: int
    document_id: str
    title: str
    version: int
    format: str
    language: str
    byte_count: int
    character_count: int
    chunk_count: int
    checksum: str
    url: str
    updated_at: float


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one upserted document. ``embedded`` chunks were new; ``vectors`` says whether they have vectors."""

    outcome: str
    version: int
    chunk_count: int
    embedded: int
    vectors: bool
    portfolio_version: int


def dependency(tenant: str, portfolio_id: str) -> str:
    """The name under which a portfolio's version is kept; answers depend on it."""
    return f"portfolio:{tenant}/{portfolio_id}"


_DOCUMENT_COLUMNS = [documents.c[name] for name in DocumentRow.__slots__]


class Library:
    """The portfolios of all tenants; ``limit`` is the most that one may have.

    Thread-safety: all methods may be called from any thread.
    """

    def __init__(
        self, database: Database, versions: VersionBook, embeddings: Embeddings | None, *, limit: int | None = None
    ) -> None:
        self._database = database
        self._versions = versions
        self._limit = limit
        self.embeddings = embeddings
        self.lexical = lexical_for(database.is_sqlite)

    # ------------------------------------------------------------------------------------------------ portfolios

    def create(self, tenant: str, portfolio_id: str, title: str = "") -> PortfolioRow:
        """Make a portfolio; an empty identifier is replaced by a made one. AlreadyExists, ResourceExhausted."""
        name = portfolio_id or f"p-{secrets.token_hex(8)}"
        now = time.time()
        try:
            with self._database.write() as connection:
                if self._limit is not None:
                    own = sa.select(sa.func.count()).select_from(portfolios).where(portfolios.c.tenant == tenant)
                    if connection.execute(own).scalar_one() >= self._limit:
                        raise ResourceExhausted(
                            f"a tenant has at most {self._limit} portfolios", 0.0, limit="tenant portfolios"
                        )
                version = self._versions.bump_in(connection, dependency(tenant, name))
                row = {"tenant": tenant, "portfolio_id": name, "title": title, "version": version}
                made = connection.execute(sa.insert(portfolios).values(**row, created_at=now, updated_at=now))
                key = made_key(made)
        except sa.exc.IntegrityError:
            raise AlreadyExists(f"portfolio {name!r} exists") from None
        self._versions.published(dependency(tenant, name), version)
        return PortfolioRow(key, tenant, name, title, version, 0, 0, now, now)

    def get(self, tenant: str, portfolio_id: str) -> PortfolioRow:
        """One portfolio with its counts; NotFound."""
        with self._database.read() as connection:
            found = self._rows(connection, tenant, portfolios.c.portfolio_id == portfolio_id)
        if not found:
            raise NotFound("portfolio", portfolio_id)
        return found[0]

    def page(self, tenant: str, after: str, limit: int) -> tuple[list[PortfolioRow], int]:
        """Portfolios by identifier past ``after``, and how many there are in all."""
        with self._database.read() as connection:
            count = sa.select(sa.func.count()).select_from(portfolios).where(portfolios.c.tenant == tenant)
            total = int(connection.execute(count).scalar_one())
            return self._rows(connection, tenant, portfolios.c.portfolio_id > after, limit), total

    def _rows(
        self, connection: sa.Connection, tenant: str, condition: sa.ColumnElement[bool], limit: int = 1
    ) -> list[PortfolioRow]:
        counts = [
            sa.select(sa.func.count()).where(table.c.portfolio_key == portfolios.c.key).scalar_subquery()
            for table in (documents, chunks)
        ]
        statement = (
            sa.select(portfolios, counts[0].label("document_count"), counts[1].label("chunk_count"))
            .where(portfolios.c.tenant == tenant, condition)
            .order_by(portfolios.c.portfolio_id)
            .limit(limit)
        )
        names = PortfolioRow.__slots__
        return [PortfolioRow(**{name: row[name] for name in names}) for row in connection.execute(statement).mappings()]

    def delete(self, tenant: str, portfolio_id: str) -> tuple[int, int]:
        """Remove a portfolio; how many documents and chunks went with it. NotFound."""
        name = dependency(tenant, portfolio_id)
        with self._database.write() as connection:
            version = self._versions.bump_in(connection, name)
            key = self.key(connection, tenant, portfolio_id)
            counts = [
                int(connection.execute(sa.select(sa.func.count()).where(table.c.portfolio_key == key)).scalar_one())
                for table in (documents, chunks)
            ]
            self.lexical.drop(connection, key)
            for table in (vectors, chunks, documents):
                connection.execute(sa.delete(table).where(table.c.portfolio_key == key))
            connection.execute(sa.delete(portfolios).where(portfolios.c.key == key))
        self._versions.published(name, version)
        return counts[0], counts[1]

    def key(self, connection: sa.Connection, tenant: str, portfolio_id: str) -> int:
        """The internal number of a portfolio; NotFound."""
        statement = sa.select(portfolios.c.key).where(portfolios.c.tenant == tenant, portfolios.c.portfolio_id == portfolio_id)
        found = connection.execute(statement).scalar()
        if found is None:
            raise NotFound("portfolio", portfolio_id)
        return int(found)

    # ------------------------------------------------------------------------------------------------ documents

    def current(self, tenant: str, portfolio_id: str, version: int) -> bool:
        """Whether ``version`` of a portfolio is known to hold without asking the store. Never blocks."""
        return self._versions.trusted() and self._versions.get(dependency(tenant, portfolio_id)) == version

    def document(self, tenant: str, portfolio_id: str, document_id: str) -> tuple[DocumentRow, str]:
        """A document and its text; NotFound."""
        with self._database.read() as connection:
            key = self.key(connection, tenant, portfolio_id)
            statement = sa.select(*_DOCUMENT_COLUMNS, documents.c.text).where(
                documents.c.portfolio_key == key, documents.c.document_id == document_id
            )
            row = connection.execute(statement).first()
        if row is None:
            raise NotFound("document", document_id)
        return DocumentRow(*row[:-1]), row[-1]

    def document_page(self, tenant: str, portfolio_id: str, after: str, limit: int) -> tuple[list[DocumentRow], int]:
        """Documents by identifier past ``after``, and how many there are in all; NotFound."""
        with self._database.read() as connection:
            mine = documents.c.portfolio_key == self.key(connection, tenant, portfolio_id)
            total = int(connection.execute(sa.select(sa.func.count()).where(mine)).scalar_one())
            statement = sa.select(*_DOCUMENT_COLUMNS).where(mine, documents.c.document_id > after)
            rows = connection.execute(statement.order_by(documents.c.document_id).limit(limit))
            return [DocumentRow(*row) for row in rows], total

    def upsert(
        self, tenant: str, portfolio_id: str, document_id: str, parsed: ParsedDocument, data: bytes, *, title: str, url: str
    ) -> Written:
        """Keep a document. Chunks whose text is already there keep their rows and vectors; NotFound for the portfolio.

        Text is cut and embedded before the write lock is taken. Where the embedding provider does not answer, the chunks
        are kept without vectors and found by their words.
        """
        checksum = hashlib.sha256(data).hexdigest()
        label = (title or parsed.title or document_id)[:200]
        with self._database.read() as connection:
            key = self.key(connection, tenant, portfolio_id)
            old = self._held(connection, key, document_id)
            known = set(self._chunk_checksums(connection, old.key)) if old else set()
            row = connection.execute(sa.select(portfolios.c.version).where(portfolios.c.key == key)).scalar_one()
        if old and (old.checksum, old.title, old.url, old.format) == (checksum, label, url, parsed.format.value):
            return Written("unchanged", old.version, old.chunk_count, 0, True, int(row))
        made = chunking.chunks(parsed)
        fresh = [chunk for chunk in made if chunk.checksum not in known]
        rows = self._embed(label, fresh)
        by_checksum = {chunk.checksum: i for i, chunk in enumerate(fresh)}
        name = dependency(tenant, portfolio_id)
        now = time.time()
        with self._database.write() as connection:
            portfolio_version = self._versions.bump_in(connection, name)
            key = self.key(connection, tenant, portfolio_id)
            old = self._held(connection, key, document_id)
            version = old.version + 1 if old else 1
            values: dict[str, Any] = {
                "title": label,
                "version": version,
                "format": parsed.format.value,
                "language": parsed.language,
                "byte_count": len(data),
                "character_count": len(parsed.text),
                "chunk_count": len(made),
                "checksum": checksum,
                "url": url,
                "updated_at": now,
                "text": parsed.text,
            }
            if old:
                document_key = old.key
                connection.execute(sa.update(documents).where(documents.c.key == old.key).values(**values))
            else:
                inserted = connection.execute(sa.insert(documents).values(portfolio_key=key, document_id=document_id, **values))
                document_key = made_key(inserted)
            self._replace_chunks(connection, key, document_key, document_id, made, by_checksum, rows)
            connection.execute(
                sa.update(portfolios).where(portfolios.c.key == key).values(version=portfolio_version, updated_at=now)
            )
        self._versions.published(name, portfolio_version)
        outcome = "replaced" if old else "added"
        return Written(outcome, version, len(made), len(fresh), rows is not None or not fresh, portfolio_version)

    def delete_document(self, tenant: str, portfolio_id: str, document_id: str) -> tuple[int, int]:
        """Remove a document; how many chunks went, and the portfolio's version now. NotFound."""
        name = dependency(tenant, portfolio_id)
        with self._database.write() as connection:
            version = self._versions.bump_in(connection, name)
            key = self.key(connection, tenant, portfolio_id)
            old = self._held(connection, key, document_id)
            if old is None:
                raise NotFound("document", document_id)
            keys = list(connection.execute(sa.select(chunks.c.key).where(chunks.c.document_key == old.key)).scalars())
            self._drop_chunks(connection, keys)
            connection.execute(sa.delete(documents).where(documents.c.key == old.key))
            connection.execute(
                sa.update(portfolios).where(portfolios.c.key == key).values(version=version, updated_at=time.time())
            )
        self._versions.published(name, version)
        return len(keys), version

    # ------------------------------------------------------------------------------------------------ chunks

    @staticmethod
    def _held(connection: sa.Connection, portfolio: int, document_id: str) -> DocumentRow | None:
        statement = sa.select(*_DOCUMENT_COLUMNS).where(
            documents.c.portfolio_key == portfolio, documents.c.document_id == document_id
        )
        row = connection.execute(statement).first()
        return DocumentRow(*row) if row is not None else None

    @staticmethod
    def _chunk_checksums(connection: sa.Connection, document: int) -> Iterable[str]:
        return connection.execute(sa.select(chunks.c.checksum).where(chunks.c.document_key == document)).scalars()

    def _embed(self, title: str, fresh: Sequence[chunking.Chunk]) -> np.ndarray[Any, np.dtype[np.float16]] | None:
        if self.embeddings is None or not fresh:
            return None
        try:
            rows = self.embeddings.embed([embedding_text(title, chunk.headings, chunk.text) for chunk in fresh])
        except Unavailable:
            return None
        return rows.astype(np.float16)

    def _replace_chunks(
        self,
        connection: sa.Connection,
        portfolio: int,
        document: int,
        document_id: str,
        made: Sequence[chunking.Chunk],
        by_checksum: dict[str, int],
        rows: np.ndarray[Any, np.dtype[np.float16]] | None,
    ) -> None:
        held: dict[str, list[int]] = {}
        statement = sa.select(chunks.c.checksum, chunks.c.key).where(chunks.c.document_key == document)
        for checksum, key in connection.execute(statement.order_by(chunks.c.ordinal)):
            held.setdefault(checksum, []).append(key)
        indexed: list[tuple[int, str]] = []
        copies: dict[str, int] = {}
        for ordinal, chunk in enumerate(made):
            place = {"ordinal": ordinal, "start": chunk.start, "end": chunk.end}
            copy = copies.get(chunk.checksum, 0)
            copies[chunk.checksum] = copy + 1
            if held.get(chunk.checksum):
                key = held[chunk.checksum].pop(0)
                connection.execute(sa.update(chunks).where(chunks.c.key == key).values(**place))
                continue
            lines, count = index_terms(chunk)
            digest = hashlib.sha256(f"{document_id}\x1f{chunk.checksum}\x1f{copy}".encode()).hexdigest()
            inserted = connection.execute(
                sa.insert(chunks).values(
                    portfolio_key=portfolio,
                    document_key=document,
                    chunk_id=f"c-{digest[:24]}",
                    language=chunk.language,
                    checksum=chunk.checksum,
                    headings=list(chunk.headings),
                    text=chunk.text,
                    terms=lines,
                    term_count=count,
                    **place,
                )
            )
            key = made_key(inserted)
            indexed.append((key, lines))
            row = by_checksum.get(chunk.checksum)
            if rows is not None and self.embeddings is not None and row is not None:
                vector = {"chunk_key": key, "identity": self.embeddings.identity, "portfolio_key": portfolio}
                connection.execute(sa.insert(vectors).values(**vector, vector=rows[row].tobytes()))
        self._drop_chunks(connection, [key for keys in held.values() for key in keys])
        if indexed:
            self.lexical.add(connection, portfolio, indexed)

    def _drop_chunks(self, connection: sa.Connection, keys: Sequence[int]) -> None:
        if not keys:
            return
        self.lexical.remove(connection, keys)
        for at in range(0, len(keys), BATCH):
            part = keys[at : at + BATCH]
            connection.execute(sa.delete(vectors).where(vectors.c.chunk_key.in_(part)))
            connection.execute(sa.delete(chunks).where(chunks.c.key.in_(part)))


def embedding_text(title: str, headings: Sequence[str], text: str) -> str:
    """What is embedded of a chunk: its headings give a short passage its subject."""
    return "\n".join((*headings, text)) if headings else text


def index_terms(chunk: chunking.Chunk) -> tuple[str, int]:
    """The index terms of a chunk, one line a sentence with the headings first, and how many they are."""
    language = chunk.language or detect(" ".join(chunk.headings))
    lines = [" ".join(terms(" ".join(chunk.headings), language))]
    lines += [" ".join(terms(chunk.text[start:end], language)) for start, end in chunking.sentences(chunk.text)]
    return "\n".join(lines), sum(line.count(" ") + 1 for line in lines if line)
