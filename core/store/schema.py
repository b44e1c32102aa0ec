"""What a store holds, and which revision of it a database is at. The migrations are in :mod:`hexar.core.store.migrations`.

An area declares its tables on a ``MetaData`` of its own and says where their revisions are (:class:`Tables`). Each folder of
revisions is a branch: a database is at as many revisions as there are branches.

PostgreSQL is migrated by ``hexar db upgrade``, and a server refuses to start on another schema than its own. SQLite is
migrated by whoever opens it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from hexar.core.errors import FailedPrecondition

#: How constraints are named: migrations must be able to address them.
NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

#: The engine's own tables.
metadata = sa.MetaData(naming_convention=NAMING)


#: Every declaration of tables that was imported, in that order.
declared: list[Tables] = []


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of one area, and the folder of the Alembic revisions that make them.

    The first revision in ``revisions`` begins a branch: ``down_revision = None``, ``branch_labels = ("<area>",)``, and
    ``depends_on = "0001"`` where it needs the ``vector`` extension. ``made``: how the names begin of what the area creates and
    drops by itself at run time, which is no part of the schema.
    """

    metadata: sa.MetaData
    revisions: Path
    made: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        declared.append(self)


#: What every store holds.
ENGINE = Tables(metadata, Path(__file__).parent / "migrations" / "versions")

#: Alembic's own table, as it makes it.
version_table = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


class SchemaMismatch(FailedPrecondition):
    """The database is at other revisions than this release needs."""


def revisions(connection: sa.Connection) -> tuple[str, ...]:
    """The revisions that a database is at, one a branch; none where it was never migrated."""
    if not sa.inspect(connection).has_table(version_table.name):
        return ()
    return tuple(sorted(connection.execute(sa.select(version_table.c.version_num)).scalars()))


def is_empty(connection: sa.Connection) -> bool:
    """True for a database without any table."""
    return not sa.inspect(connection).get_table_names()


def create(connection: sa.Connection, tables: Iterable[Tables]) -> None:
    """Make the tables of :data:`ENGINE` and of ``tables`` that are missing."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS vector"))
    for each in (ENGINE, *tables):
        each.metadata.create_all(connection)


def stamp(connection: sa.Connection, heads: Iterable[str]) -> None:
    """Say of a database that was just created that it is at ``heads``."""
    version_table.create(connection)
    connection.execute(sa.insert(version_table), [{"version_num": head} for head in heads])
