"""What must not be lost: tables in SQLite (embedded) or PostgreSQL (configured), through SQLAlchemy Core.

Every area declares its tables on :data:`hexar.core.store.metadata` in its own module; :class:`Database` opens the engine,
creates what is missing and hands out connections. Statements are written once, in SQLAlchemy Core.
"""

from hexar.core.store.database import Database, metadata

__all__ = ["Database", "metadata"]
