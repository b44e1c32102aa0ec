"""What must not be lost: tables in SQLite (embedded) or PostgreSQL (configured), through SQLAlchemy Core.

The engine's parts declare their tables on :data:`metadata`, every other area on one of its own (:class:`Tables`);
:class:`Database` hands out connections, :mod:`hexar.core.store.migrations` makes the tables. Statements are written once, in
SQLAlchemy Core.
"""

from hexar.core.store.database import STORE_ERRORS, Database
from hexar.core.store.insert import insert_or
from hexar.core.store.schema import NAMING, Tables, metadata

__all__ = ["NAMING", "STORE_ERRORS", "Database", "Tables", "insert_or", "metadata"]
