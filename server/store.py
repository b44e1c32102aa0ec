"""The configured store: where it is, and whether it can be served from."""

from __future__ import annotations

from hexar.core.errors import StoreUnavailable
from hexar.core.store import Database
from hexar.core.store.migrations import prepare
from hexar.core.store.schema import SchemaMismatch
from hexar.server.config import Settings


class StoreNotReady(OSError):
    """The store cannot be served from: it does not answer, or its schema is not that of this release."""


def open_database(settings: Settings) -> Database:
    """The store of ``settings``: PostgreSQL where one is configured, else SQLite in the data folder. Nothing is asked yet."""
    if settings.database_url is not None:
        return Database(settings.database_url.get_secret_value(), threads=8, connections=settings.database_connections)
    return Database(f"sqlite:///{settings.data_dir / 'store.db'}")


def prepare_database(settings: Settings, database: Database) -> None:
    """Migrate SQLite, or see that PostgreSQL is migrated, waiting for it as configured; with every system's tables imported.

    Raises StoreNotReady.
    """
    import hexar.server.servicers  # noqa: F401  # the tables of all systems

    try:
        prepare(database, wait=settings.database_wait_seconds)
    except StoreUnavailable as error:
        raise StoreNotReady(f"{error.message}: {database.where}") from error
    except SchemaMismatch as error:
        raise StoreNotReady(error.message) from error
