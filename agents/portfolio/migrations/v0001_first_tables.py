"""The first tables: portfolios, documents, chunks, vectors, conversations, agents.

A database that was made before the areas had revisions of their own has these tables, or some of them.

Revision: portfolio_0001
"""

import sqlalchemy as sa
from alembic import op

from hexar.core.store.halfvec import half_vector

revision = "portfolio_0001"
down_revision = None
branch_labels = ("portfolio",)
depends_on = "0001"

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make what is missing."""
    op.create_table(
        "agents",
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("agent_id", sa.String(length=100), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("temperature", sa.Float(), nullable=True),
        sa.Column("top_k_cap", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "agent_id", name="pk_agents"),
        if_not_exists=True,
    )
    op.create_table(
        "conversations",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("conversation_id", sa.String(length=40), nullable=False),
        sa.Column("portfolio_id", sa.String(length=100), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("turn_count", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_conversations"),
        sa.UniqueConstraint("tenant", "conversation_id", name="uq_conversations_tenant"),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )
    op.create_index("ix_conversations_latest", "conversations", ["tenant", "updated_at"], if_not_exists=True)
    op.create_table(
        "portfolios",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("portfolio_id", sa.String(length=100), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_portfolios"),
        sa.UniqueConstraint("tenant", "portfolio_id", name="uq_portfolios_tenant"),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )
    op.create_table(
        "documents",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("portfolio_key", KEY, nullable=False),
        sa.Column("document_id", sa.String(length=200), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("format", sa.String(length=20), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("byte_count", sa.BigInteger(), nullable=False),
        sa.Column("character_count", sa.BigInteger(), nullable=False),
        sa.Column("chunk_count", sa.Integer(), nullable=False),
        sa.Column("checksum", sa.String(length=64), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["portfolio_key"], ["portfolios.key"], name="fk_documents_portfolio_key_portfolios", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", name="pk_documents"),
        sa.UniqueConstraint("portfolio_key", "document_id", name="uq_documents_portfolio_key"),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )
    op.create_table(
        "turns",
        sa.Column("conversation_key", KEY, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("turn_id", sa.String(length=64), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("details", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_key"], ["conversations.key"], name="fk_turns_conversation_key_conversations", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("conversation_key", "number", name="pk_turns"),
        if_not_exists=True,
    )
    op.create_table(
        "chunks",
        sa.Column("key", KEY, autoincrement=True, nullable=False),
        sa.Column("portfolio_key", KEY, nullable=False),
        sa.Column("document_key", KEY, nullable=False),
        sa.Column("chunk_id", sa.String(length=40), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("checksum", sa.String(length=64), nullable=False),
        sa.Column("headings", sa.JSON(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=False),
        sa.Column("term_count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_key"], ["documents.key"], name="fk_chunks_document_key_documents", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["portfolio_key"], ["portfolios.key"], name="fk_chunks_portfolio_key_portfolios", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", name="pk_chunks"),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )
    op.create_index("ix_chunks_document", "chunks", ["document_key"], if_not_exists=True)
    op.create_index("ix_chunks_portfolio", "chunks", ["portfolio_key", "term_count", "key"], if_not_exists=True)
    op.create_table(
        "vectors",
        sa.Column("chunk_key", KEY, nullable=False),
        sa.Column("identity", sa.String(length=200), nullable=False),
        sa.Column("portfolio_key", KEY, nullable=False),
        sa.Column("vector", half_vector(), nullable=False),
        sa.ForeignKeyConstraint(["chunk_key"], ["chunks.key"], name="fk_vectors_chunk_key_chunks", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("chunk_key", "identity", name="pk_vectors"),
        if_not_exists=True,
    )
    op.create_index("ix_vectors_portfolio", "vectors", ["portfolio_key", "identity"], if_not_exists=True)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE INDEX IF NOT EXISTS ix_chunks_terms ON chunks USING gin (to_tsvector('simple', terms))")
