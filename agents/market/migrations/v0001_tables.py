"""Sales tables of market, and the copies of those that were uploaded.

Revision: market_0001
"""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "market_0001", None
branch_labels, depends_on = ("market",), "0001"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "market_tables",
        sa.Column("tenant", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("copy", sa.String(length=100), nullable=False),
        sa.Column("options", sa.LargeBinary(), nullable=False),
        sa.Column("description", sa.LargeBinary(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("paths", sa.Text(), nullable=False),
        sa.Column("stamps", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name", name="pk_market_tables"),
    )
    op.create_table(
        "market_pieces",
        sa.Column("copy", sa.String(length=100), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("copy", "number", name="pk_market_pieces"),
    )
