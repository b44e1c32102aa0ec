"""The configured store: where it is, and whether it can be served from."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from hexar.core.errors import StoreDamaged, StoreUnavailable
from hexar.core.store import Database, Tables
from hexar.core.store.migrations import prepare
from hexar.core.store.schema import SchemaMismatch
from hexar.server.settings.config import Settings


class StoreNotReady(OSError):
    """The store cannot be served from: it does not answer, is damaged, or its schema is not that of this release."""


def open_database(settings: Settings) -> Database:
    """The store of ``settings``: PostgreSQL where one is configured, else SQLite in the data folder. Nothing is asked yet."""
    if settings.database_url is not None:
        return Database(settings.database_url.get_secret_value(), threads=8, connections=settings.database_connections)
    return Database(f"sqlite:///{settings.data_dir / 'store.db'}")


def prepare_database(settings: Settings, database: Database, tables: Iterable[Tables]) -> None:
    """Migrate SQLite to the engine's and to ``tables``, or see that PostgreSQL is migrated, waiting for it as configured.

    Raises StoreNotReady.
    """
    try:
        database.check()
        prepare(database, tables, wait=settings.database_wait_seconds)
    except StoreDamaged as error:
        found = error.message if error.__cause__ is None else getattr(error.__cause__, "orig", error.message)
        raise StoreNotReady(
            f"{database.where} cannot be read as a store ({found}): restore a backup, or move it away to begin empty"
        ) from None
    except StoreUnavailable as error:
        raise StoreNotReady(f"{error.message}: {database.where}") from error
    except SchemaMismatch as error:
        raise StoreNotReady(error.message) from error
    except sa.exc.DatabaseError as error:
        if not database.is_sqlite:
            raise
        raise StoreNotReady(
            f"{database.where} cannot be read as a store ({error.orig}): restore a backup, or move it away to begin empty"
        ) from None
