"""What must not be lost: tables in SQLite (embedded) or PostgreSQL (configured), through SQLAlchemy Core.

Every area declares its tables on :data:`hexar.core.store.metadata` in its own module; :class:`Database` opens the engine,
creates what is missing and hands out connections. Statements are written once, in SQLAlchemy Core.
"""

from hexar.core.store.database import STORE_ERRORS, Database, metadata
from hexar.core.store.insert import insert_or

__all__ = ["STORE_ERRORS", "Database", "insert_or", "metadata"]
