"""Which revision of the schema a database is at. The migrations themselves are in :mod:`hexar.core.store.migrations`.

PostgreSQL is migrated by ``hexar db upgrade``, and a server refuses to start on another revision than its own. SQLite is
migrated by whoever opens it.
"""

from __future__ import annotations

import sqlalchemy as sa

from hexar.core.errors import FailedPrecondition

#: The revision that this release is written for: the last file in migrations/versions.
HEAD = "0002"

#: Alembic's own table, as it makes it.
version_table = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


class SchemaMismatch(FailedPrecondition):
    """The database is at another revision than this release needs."""


def revision(connection: sa.Connection) -> str | None:
    """The revision of a database; None where it has none, which an empty one has not."""
    if not sa.inspect(connection).has_table(version_table.name):
        return None
    found = connection.execute(sa.select(version_table.c.version_num)).scalar()
    return None if found is None else str(found)


def create(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Make the tables that are missing; an empty database is at :data:`HEAD` then."""
    empty = not sa.inspect(connection).get_table_names()
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS vector"))
    metadata.create_all(connection)
    if empty:
        version_table.create(connection)
        connection.execute(sa.insert(version_table).values(version_num=HEAD))
