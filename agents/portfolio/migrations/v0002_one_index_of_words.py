"""One FTS5 table for all portfolios in place of one each, on SQLite; nothing on PostgreSQL.

A database of thousands of tables is slow to open and to change. Each term is indexed under its portfolio's key.

Revision: portfolio_0002
"""

import re

from alembic import op

revision = "portfolio_0002"
down_revision = "portfolio_0001"
branch_labels = None
depends_on = None

#: Chunks that are indexed at a time.
BATCH = 1000


def upgrade() -> None:
    """Index all chunks anew, and drop the tables of before."""
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return
    connection.exec_driver_sql(
        "CREATE VIRTUAL TABLE IF NOT EXISTS fts_chunks USING fts5(terms, tokenize=\"unicode61 tokenchars '_'\")"
    )
    connection.exec_driver_sql("CREATE VIRTUAL TABLE IF NOT EXISTS ftsv_chunks USING fts5vocab(fts_chunks, 'row')")
    after = 0
    while True:
        rows = connection.exec_driver_sql(
            "SELECT key, portfolio_key, terms FROM chunks WHERE key > ? ORDER BY key LIMIT ?", (after, BATCH)
        ).all()
        if not rows:
            break
        made = [(key, " ".join(f"{portfolio}_{term}" for term in terms.split())) for key, portfolio, terms in rows]
        connection.exec_driver_sql("INSERT INTO fts_chunks(rowid, terms) VALUES (?, ?)", made)
        after = rows[-1][0]
    tables = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'fts%'").scalars()
    # The vocabularies first: each leans on the index of its portfolio.
    for name in sorted((name for name in tables if re.fullmatch(r"ftsv?_[0-9]+", name)), reverse=True):
        connection.exec_driver_sql(f'DROP TABLE "{name}"')
