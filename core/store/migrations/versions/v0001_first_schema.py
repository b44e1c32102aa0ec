"""The first schema: versions, jobs, ledger; and the extension that keeps vectors.

A SQLite store that was made before there were revisions has these tables, or some of them.

Revision: 0001
"""

import sqlalchemy as sa
from alembic import op

from hexar.core.store.schema import SchemaMismatch

revision = "0001"
down_revision = None

UNFINISHED = sa.text("dedupe_key IS NOT NULL AND state IN ('queued', 'running')")


def upgrade() -> None:
    """Make what is missing."""
    if op.get_bind().dialect.name == "postgresql":
        _make_extension()
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
        "versions",
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_versions"),
        if_not_exists=True,
    )


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
