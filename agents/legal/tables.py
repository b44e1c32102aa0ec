"""The tables of corpora and kept drafts.

A corpus is kept by version: an import writes a whole new one in one transaction, and older ones stay as long as a request may
pin them. ``tenant`` is empty where a corpus belongs to the server and all tenants see it.
"""

from pathlib import Path

import sqlalchemy as sa

from hexar.core.store import NAMING, Tables

metadata = sa.MetaData(naming_convention=NAMING)
TABLES = Tables(metadata, Path(__file__).parent / "migrations")

corpora = sa.Table(
    "legal_corpora",
    metadata,
    sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("tenant", sa.String(128), nullable=False),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("imported_at", sa.Float, nullable=False),
    sa.Column("coverage", sa.Text, nullable=False),
    sa.UniqueConstraint("tenant", "name", "version"),
    sqlite_autoincrement=True,
)

#: ``record`` is the passage as JSON.
passages = sa.Table(
    "legal_passages",
    metadata,
    sa.Column("corpus_key", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("record", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)

#: Document types that were imported; ``record`` is the type as JSON.
document_types = sa.Table(
    "legal_document_types",
    metadata,
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("language", sa.String(8), primary_key=True),
    sa.Column("record", sa.Text, nullable=False),
)

#: Drafts that Revise goes on from; ``state`` is the state after the last layer as JSON, ``request`` the DraftRequest.
drafts = sa.Table(
    "legal_drafts",
    metadata,
    sa.Column("draft_id", sa.String(32), primary_key=True),
    sa.Column("tenant", sa.String(128), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("request", sa.LargeBinary, nullable=False),
    sa.Column("state", sa.LargeBinary, nullable=False),
    sa.Index("ix_legal_drafts_created", "created_at"),
)
