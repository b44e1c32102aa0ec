"""Migrations of the store's schema, with Alembic: ``hexar db upgrade`` on PostgreSQL, by itself on SQLite.

A revision is a file in ``versions``, or in the folder that an area names for its tables: each folder is a branch with one
last revision. One that is released is never edited; what changes afterwards is another revision. Revisions run all or not
at all, on both databases.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from hexar.core.errors import StoreUnavailable
from hexar.core.store.database import Database
from hexar.core.store.schema import ENGINE, SchemaMismatch, Tables, create, declared, is_empty, revisions, stamp

#: Key of the advisory lock that lets one process migrate at a time: "hexar" as a number.
_LOCK = 0x6865786172
#: Pause between two looks at a PostgreSQL that does not answer yet, seconds.
_PAUSE = 0.25


def heads(tables: Iterable[Tables] = ()) -> tuple[str, ...]:
    """The revisions that a store with ``tables`` beside the engine's must be at, one a branch."""
    return tuple(sorted(ScriptDirectory.from_config(_config(tables)).get_heads()))


def upgrade(database: Database, tables: Iterable[Tables] | None = None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Bring the schema to :func:`heads`: (revisions before, revisions now). Without ``tables``, of all that are declared.

    Others who upgrade meanwhile wait, and find it done. Raises SchemaMismatch where the database is ahead of this release, or
    where it may not be migrated by this user.
    """
    config = _config(declared if tables is None else tables)
    scripts = ScriptDirectory.from_config(config)
    needed = tuple(sorted(scripts.get_heads()))
    with database.write() as connection:
        if not database.is_sqlite:
            # An index over many rows takes its time, and so may whoever migrates now.
            connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        before = revisions(connection)
        if before != needed:
            _check_known(before, scripts)
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "heads")
            except sa.exc.DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) == _INSUFFICIENT_PRIVILEGE:
                    raise SchemaMismatch(f"this user may not change the schema: {_first_line(error)}") from error
                raise
    return before, needed


def create_tables(database: Database, tables: Iterable[Tables] = ()) -> None:
    """Create the tables that are missing, without migrating: for tests and tools with a store of their own."""
    tables = tuple(tables)
    with database.write() as connection:
        _create(connection, tables, heads(tables))


def current(database: Database) -> tuple[str, ...]:
    """The revisions that the schema is at; none where it was never migrated."""
    with database.read() as connection:
        return revisions(connection)


def prepare(database: Database, tables: Iterable[Tables] = (), *, wait: float = 0.0) -> None:
    """Make a store ready to be served from: SQLite is migrated, PostgreSQL must have been.

    Waits ``wait`` seconds for a PostgreSQL that does not answer, then raises StoreUnavailable; SchemaMismatch where the schema
    is at other revisions.
    """
    tables = tuple(tables)
    needed = heads(tables)
    until = time.monotonic() + wait
    while True:
        try:
            found = _prepared(database, tables, needed)
        except StoreUnavailable:
            if time.monotonic() >= until:
                raise
            time.sleep(_PAUSE)
            continue
        break
    if found != needed:
        _check_known(found, ScriptDirectory.from_config(_config(tables)))
        raise SchemaMismatch(
            f"the schema of the store is {'at revision ' + named(found) if found else 'missing'}, this release needs "
            f"{named(needed)}: run `hexar db upgrade` first"
        )


def named(found: tuple[str, ...]) -> str:
    """Revisions as a person reads them."""
    return ", ".join(found)


def _prepared(database: Database, tables: tuple[Tables, ...], needed: tuple[str, ...]) -> tuple[str, ...]:
    if not database.is_sqlite:
        return current(database)
    with database.write() as connection:
        found = revisions(connection)
        if found == needed or (not found and is_empty(connection)):
            _create(connection, tables, needed)
            return needed
    return upgrade(database, tables)[1]


def _create(connection: sa.Connection, tables: Iterable[Tables], needed: tuple[str, ...]) -> None:
    empty = is_empty(connection)
    create(connection, tables)
    if empty:
        stamp(connection, needed)


def _check_known(found: Iterable[str], scripts: ScriptDirectory) -> None:
    known = {script.revision for script in scripts.walk_revisions()}
    for revision in sorted(set(found) - known):
        raise SchemaMismatch(
            f"the schema of the store is at revision {revision}, which this release does not know: it is older"
        )


def _config(tables: Iterable[Tables]) -> Config:
    config = Config()
    folders = list(dict.fromkeys(str(each.revisions) for each in (ENGINE, *tables)))
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", os.pathsep.join(folders).replace("%", "%%"))
    return config


_INSUFFICIENT_PRIVILEGE = "42501"


def _first_line(error: sa.exc.DBAPIError) -> str:
    return str(error.orig).partition("\n")[0]
