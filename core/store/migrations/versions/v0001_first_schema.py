"""The first schema: versions, jobs, ledger, portfolios, conversations, agents, parts catalogues.

A SQLite store that was made before there were revisions has these tables, or some of them.

Revision: 0001
"""

import sqlalchemy as sa
from alembic import op

from hexar.core.store.halfvec import half_vector
from hexar.core.store.schema import SchemaMismatch

revision = "0001"
down_revision = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
UNFINISHED = sa.text("dedupe_key IS NOT NULL AND state IN ('queued', 'running')")


def upgrade() -> None:
    """Make what is missing."""
    postgres = op.get_bind().dialect.name == "postgresql"
    if postgres:
        _make_extension()
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
        "jobs",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("tenant", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("dedupe_key", sa.String(length=256), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.Double(), nullable=False),
        sa.Column("run_at", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("result", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        if_not_exists=True,
    )
    op.create_index("ix_jobs_claim", "jobs", ["state", "run_at"], if_not_exists=True)
    op.create_index("ix_jobs_created", "jobs", ["created_at", "id"], if_not_exists=True)
    op.create_index(
        "uq_jobs_dedupe",
        "jobs",
        ["tenant", "kind", "dedupe_key"],
        unique=True,
        if_not_exists=True,
        sqlite_where=UNFINISHED,
        postgresql_where=UNFINISHED,
    )
    op.create_table(
        "ledger_budgets",
        sa.Column("tenant", sa.String(length=255), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("limit_micros", sa.BigInteger(), nullable=False),
        sa.Column("period", sa.String(length=8), nullable=False),
        sa.Column("window", sa.Integer(), nullable=False),
        sa.Column("spent_micros", sa.BigInteger(), nullable=False),
        sa.Column("held_micros", sa.BigInteger(), nullable=False),
        sa.Column("wanted_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name="pk_ledger_budgets"),
        if_not_exists=True,
    )
    op.create_table(
        "ledger_charges",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("tenant", sa.String(length=255), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("window", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=255), nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger(), nullable=False),
        sa.Column("completion_tokens", sa.BigInteger(), nullable=False),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column("cost_micros", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_charges"),
        if_not_exists=True,
    )
    op.create_index("ix_ledger_charges_tenant_at", "ledger_charges", ["tenant", "at"], if_not_exists=True)
    op.create_table(
        "ledger_leases",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("tenant", sa.String(length=255), nullable=False),
        sa.Column("window", sa.Integer(), nullable=False),
        sa.Column("amount_micros", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_leases"),
        if_not_exists=True,
    )
    op.create_index("ix_ledger_leases_tenant", "ledger_leases", ["tenant"], if_not_exists=True)
    op.create_table(
        "parts_articles",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("part_number", sa.Text(), server_default="", nullable=False),
        sa.Column("brand", sa.Text(), server_default="", nullable=False),
        sa.Column("supplier_id", sa.Text(), server_default="", nullable=False),
        sa.Column("products_id", sa.Text(), server_default="", nullable=False),
        sa.Column("side", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("steering", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("year_from", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("year_to", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("image_url", sa.Text(), server_default="", nullable=False),
        sa.Column("details", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("generation", "key", name="pk_parts_articles"),
        if_not_exists=True,
    )
    op.create_index("ix_parts_articles_id", "parts_articles", ["generation", "id"], unique=True, if_not_exists=True)
    op.create_index("ix_parts_articles_name", "parts_articles", ["generation", "name"], if_not_exists=True)
    op.create_table(
        "parts_catalogues",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("imported_at", sa.Float(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_parts_catalogues"),
        if_not_exists=True,
    )
    op.create_table(
        "parts_categories",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("generation", "key", name="pk_parts_categories"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "parts_fitments",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("variant_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("group_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("category_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("article_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint(
            "generation", "variant_key", "group_key", "category_key", "article_key", name="pk_parts_fitments"
        ),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "parts_generations",
        sa.Column("generation", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("catalogue", sa.String(length=100), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("process", sa.Integer(), nullable=False),
        sa.Column("touched_at", sa.Float(), nullable=False),
        sa.Column("published_at", sa.Float(), nullable=True),
        sa.Column("retired_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("generation", name="pk_parts_generations"),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )
    op.create_table(
        "parts_group_articles",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("group_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("article_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("category_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("generation", "group_key", "article_key", "category_key", name="pk_parts_group_articles"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "parts_group_names",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("group_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("category_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=400), nullable=False),
        sa.Column("articles", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("generation", "group_key", "category_key", "name", name="pk_parts_group_names"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "parts_groups",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("generation", "key", name="pk_parts_groups"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "parts_manufacturers",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("generation", "key", name="pk_parts_manufacturers"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "parts_models",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("manufacturer_key", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("year_from", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("year_to", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("generation", "key", name="pk_parts_models"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "parts_trees",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("variant_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("category_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("group_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("generation", "variant_key", "category_key", "group_key", name="pk_parts_trees"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "parts_variants",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("model_key", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("manufacturer_key", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("year_from", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("year_to", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("engine_codes", sa.Text(), server_default="", nullable=False),
        sa.Column("fuel", sa.Text(), server_default="", nullable=False),
        sa.Column("capacity_cc", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("power_kw", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cylinders", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("body", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("generation", "key", name="pk_parts_variants"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
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
        "versions",
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_versions"),
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
    if postgres:
        op.execute("CREATE INDEX IF NOT EXISTS ix_chunks_terms ON chunks USING gin (to_tsvector('simple', terms))")


def _make_extension() -> None:
    bind = op.get_bind()
    if bind.execute(sa.text("SELECT 1 FROM pg_extension WHERE extname = 'vector'")).first() is not None:
        return
    if bind.execute(sa.text("SELECT 1 FROM pg_available_extensions WHERE name = 'vector'")).first() is None:
        raise SchemaMismatch("this PostgreSQL has no pgvector: install its package on the server (0.7 or later)")
    try:
        op.execute("CREATE EXTENSION vector")
    except sa.exc.DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != "42501":
            raise
        raise SchemaMismatch(
            "this user may not create the extension: have an administrator run `CREATE EXTENSION vector` in the database"
        ) from error
