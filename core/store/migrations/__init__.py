"""Migrations of the store's schema, with Alembic: ``hexar db upgrade`` on PostgreSQL, by itself on SQLite.

A revision is a file in ``versions``. One that is released is never edited; what changes afterwards is another revision, and
:data:`hexar.core.store.schema.HEAD` names the last one. A revision runs whole or not at all, on both databases.
"""

from __future__ import annotations

import time
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from hexar.core.errors import StoreUnavailable
from hexar.core.store.database import Database, metadata
from hexar.core.store.schema import HEAD, SchemaMismatch, create, revision

#: Key of the advisory lock that lets one process migrate at a time: "hexar" as a number.
_LOCK = 0x6865786172
#: Pause between two looks at a PostgreSQL that does not answer yet, seconds.
_PAUSE = 0.25


def upgrade(database: Database) -> tuple[str | None, str]:
    """Bring the schema to :data:`HEAD`: (revision before, revision now).

    Others who upgrade meanwhile wait, and find it done. Raises SchemaMismatch where the database is ahead of this release, or
    where it may not be migrated by this user.
    """
    with database.write() as connection:
        if not database.is_sqlite:
            # An index over many rows takes its time, and so may whoever migrates now.
            connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        before = revision(connection)
        if before != HEAD:
            _check_known(before)
            config = _config()
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, HEAD)
            except sa.exc.DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) == _INSUFFICIENT_PRIVILEGE:
                    raise SchemaMismatch(f"this user may not change the schema: {_first_line(error)}") from error
                raise
    return before, HEAD


def current(database: Database) -> str | None:
    """The revision that the schema is at; None where it was never migrated."""
    with database.read() as connection:
        return revision(connection)


def prepare(database: Database, *, wait: float = 0.0) -> None:
    """Make a store ready to be served from: SQLite is migrated, PostgreSQL must have been.

    Waits ``wait`` seconds for a PostgreSQL that does not answer, then raises StoreUnavailable; SchemaMismatch where the schema
    is at another revision.
    """
    until = time.monotonic() + wait
    while True:
        try:
            found = _prepared(database)
        except StoreUnavailable:
            if time.monotonic() >= until:
                raise
            time.sleep(_PAUSE)
            continue
        break
    if found != HEAD:
        _check_known(found)
        raise SchemaMismatch(
            f"the schema of the store is {'at revision ' + found if found else 'missing'}, this release needs {HEAD}: "
            "run `hexar db upgrade` first"
        )


def _prepared(database: Database) -> str | None:
    if not database.is_sqlite:
        return current(database)
    with database.write() as connection:
        found = revision(connection)
        if found == HEAD or (found is None and not sa.inspect(connection).get_table_names()):
            create(connection, metadata)
            return HEAD
    return upgrade(database)[1]


def _check_known(found: str | None) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found is not None and found not in known:
        raise SchemaMismatch(f"the schema of the store is at revision {found}, which this release does not know: it is older")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


_INSUFFICIENT_PRIVILEGE = "42501"


def _first_line(error: sa.exc.DBAPIError) -> str:
    return str(error.orig).partition("\n")[0]
