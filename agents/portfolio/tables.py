"""Tables of the portfolio system. Every row that a caller can name carries its tenant.

``key`` columns are internal numbers: they never leave the process, and a chunk's key is also its row in the lexical index
and its label in the vector index. A chunk row is immutable but for its place in the document, so whatever is kept under a
chunk's key stays right.
"""

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hexar.core.store import NAMING, Tables
from hexar.core.store.halfvec import half_vector


def made_key(result: sa.CursorResult[Any]) -> int:
    """The key of the row that an INSERT made."""
    made = result.inserted_primary_key
    assert made is not None
    return int(made[0])


metadata = sa.MetaData(naming_convention=NAMING)
#: FTS5 keeps an index in tables of its own. Vector indexes come with their provider.
TABLES = Tables(metadata, Path(__file__).parent / "migrations", made=("fts_", "ftsv_", "ix_vectors_hnsw_"))

#: SQLite gives autoincrement only to INTEGER; PostgreSQL gets the 8 bytes.
KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

portfolios = sa.Table(
    "portfolios",
    metadata,
    sa.Column("key", KEY, primary_key=True, autoincrement=True),
    sa.Column("tenant", sa.String(200), nullable=False),
    sa.Column("portfolio_id", sa.String(100), nullable=False),
    sa.Column("title", sa.String(200), nullable=False, default=""),
    sa.Column("version", sa.BigInteger, nullable=False, default=0),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("updated_at", sa.Float, nullable=False),
    sa.UniqueConstraint("tenant", "portfolio_id"),
    sqlite_autoincrement=True,
)

documents = sa.Table(
    "documents",
    metadata,
    sa.Column("key", KEY, primary_key=True, autoincrement=True),
    sa.Column("portfolio_key", KEY, sa.ForeignKey("portfolios.key", ondelete="CASCADE"), nullable=False),
    sa.Column("document_id", sa.String(200), nullable=False),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("format", sa.String(20), nullable=False),
    sa.Column("language", sa.String(10), nullable=False),
    sa.Column("byte_count", sa.BigInteger, nullable=False),
    sa.Column("character_count", sa.BigInteger, nullable=False),
    sa.Column("chunk_count", sa.Integer, nullable=False),
    sa.Column("checksum", sa.String(64), nullable=False),
    sa.Column("url", sa.String(2000), nullable=False),
    sa.Column("updated_at", sa.Float, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.UniqueConstraint("portfolio_key", "document_id"),
    sqlite_autoincrement=True,
)

chunks = sa.Table(
    "chunks",
    metadata,
    sa.Column("key", KEY, primary_key=True, autoincrement=True),
    sa.Column("portfolio_key", KEY, sa.ForeignKey("portfolios.key", ondelete="CASCADE"), nullable=False),
    sa.Column("document_key", KEY, sa.ForeignKey("documents.key", ondelete="CASCADE"), nullable=False),
    sa.Column("chunk_id", sa.String(40), nullable=False),
    sa.Column("ordinal", sa.Integer, nullable=False),
    sa.Column("start", sa.BigInteger, nullable=False),
    sa.Column("end", sa.BigInteger, nullable=False),
    sa.Column("language", sa.String(10), nullable=False),
    sa.Column("checksum", sa.String(64), nullable=False),
    sa.Column("headings", sa.JSON, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    #: Index terms, one line a sentence: what the lexical index holds, and what reranking reads.
    sa.Column("terms", sa.Text, nullable=False),
    sa.Column("term_count", sa.Integer, nullable=False),
    sa.Index("ix_chunks_portfolio", "portfolio_key", "term_count", "key"),
    sa.Index("ix_chunks_document", "document_key"),
    sqlite_autoincrement=True,
)
#: What SQLite searches words in, and its count of chunks by word.
INDEX, VOCABULARY = "fts_chunks", "ftsv_chunks"
_FTS = (
    f"CREATE VIRTUAL TABLE IF NOT EXISTS {INDEX} USING fts5(terms, tokenize=\"unicode61 tokenchars '_'\")",
    f"CREATE VIRTUAL TABLE IF NOT EXISTS {VOCABULARY} USING fts5vocab({INDEX}, 'row')",
)


@sa.event.listens_for(chunks, "after_create")
def _index_words(_table: sa.Table, connection: sa.Connection, **_: object) -> None:
    if connection.dialect.name == "sqlite":
        for statement in _FTS:
            connection.exec_driver_sql(statement)


#: What PostgreSQL searches words in.
sa.Index("ix_chunks_terms", sa.func.to_tsvector(sa.text("'simple'"), chunks.c.terms), postgresql_using="gin").ddl_if(
    dialect="postgresql"
)

vectors = sa.Table(
    "vectors",
    metadata,
    sa.Column("chunk_key", KEY, sa.ForeignKey("chunks.key", ondelete="CASCADE"), primary_key=True),
    #: The embedding provider's identity: vectors of several providers may lie side by side while one replaces another.
    sa.Column("identity", sa.String(200), primary_key=True),
    sa.Column("portfolio_key", KEY, nullable=False),
    #: float16, little-endian, unit length.
    sa.Column("vector", half_vector(), nullable=False),
    sa.Index("ix_vectors_portfolio", "portfolio_key", "identity"),
)

agents = sa.Table(
    "agents",
    metadata,
    sa.Column("tenant", sa.String(200), primary_key=True),
    sa.Column("agent_id", sa.String(100), primary_key=True),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("model", sa.String(200), nullable=False),
    sa.Column("temperature", sa.Float),
    sa.Column("top_k_cap", sa.Integer, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("updated_at", sa.Float, nullable=False),
)

conversations = sa.Table(
    "conversations",
    metadata,
    sa.Column("key", KEY, primary_key=True, autoincrement=True),
    sa.Column("tenant", sa.String(200), nullable=False),
    sa.Column("conversation_id", sa.String(40), nullable=False),
    sa.Column("portfolio_id", sa.String(100), nullable=False),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("turn_count", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("updated_at", sa.Float, nullable=False),
    sa.UniqueConstraint("tenant", "conversation_id"),
    sa.Index("ix_conversations_latest", "tenant", "updated_at"),
    sqlite_autoincrement=True,
)

turns = sa.Table(
    "turns",
    metadata,
    sa.Column("conversation_key", KEY, sa.ForeignKey("conversations.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    #: The run of the answer and a random part: a turn is not kept twice when its caller comes back for the rest.
    sa.Column("turn_id", sa.String(64), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("answer", sa.Text, nullable=False),
    #: A serialized hexar.v1.ConversationTurn without message, answer, number and time.
    sa.Column("details", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)
