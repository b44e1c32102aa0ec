"""The first tables: corpora, their passages, imported document types, kept drafts.

Revision: legal_0001
"""

import sqlalchemy as sa
from alembic import op

revision = "legal_0001"
down_revision = None
branch_labels = ("legal",)
depends_on = "0001"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "legal_corpora",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant", sa.String(128), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("imported_at", sa.Float(), nullable=False),
        sa.Column("coverage", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_legal_corpora"),
        sa.UniqueConstraint("tenant", "name", "version", name="uq_legal_corpora_tenant"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "legal_passages",
        sa.Column("corpus_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("corpus_key", "number", name="pk_legal_passages"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "legal_document_types",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", "language", name="pk_legal_document_types"),
    )
    op.create_table(
        "legal_drafts",
        sa.Column("draft_id", sa.String(32), nullable=False),
        sa.Column("tenant", sa.String(128), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("draft_id", name="pk_legal_drafts"),
    )
    op.create_index("ix_legal_drafts_created", "legal_drafts", ["created_at"])
