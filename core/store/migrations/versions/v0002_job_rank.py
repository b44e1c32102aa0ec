"""Jobs are claimed by an index in the order of urgency; a running job's lease ends at ``run_at``.

Revision: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

#: Seconds of waiting that weigh as much as one step of priority, as the rank is made of them.
AGEING_SECONDS = 30
UNFINISHED = sa.text("state IN ('queued', 'running')")


def upgrade() -> None:
    """Give every job its rank."""
    op.add_column("jobs", sa.Column("rank", sa.Double(), nullable=False, server_default="0"))
    op.execute(f"UPDATE jobs SET rank = created_at - {AGEING_SECONDS} * priority")
    op.execute("UPDATE jobs SET run_at = lease_until WHERE state = 'running'")
    op.drop_index("ix_jobs_claim", "jobs")
    op.drop_column("jobs", "lease_until")
    op.create_index(
        "ix_jobs_claim",
        "jobs",
        ["rank", "kind", "run_at", "state", "created_at"],
        sqlite_where=UNFINISHED,
        postgresql_where=UNFINISHED,
    )
