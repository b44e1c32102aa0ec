"""The meanings of terms.

Revision: glossary_0001
"""

import sqlalchemy as sa
from alembic import op

revision = "glossary_0001"
down_revision = None
branch_labels = ("glossary",)
depends_on = "0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "meanings",
        sa.Column("term", sa.String(100), nullable=False),
        sa.Column("meaning", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("term", "meaning", name="pk_meanings"),
    )
