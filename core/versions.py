"""Versions of what answers depend on. Bumping one makes every dependent cache entry unreachable at once.

A name is free text ("portfolio:ID", "static:VENDOR"); its version starts at 0. Versions live in the store, because the
caches outlive a restart; a process reads them from memory.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from hexar.core.store import Database, metadata

versions_table = sa.Table(
    "versions",
    metadata,
    sa.Column("name", sa.String(512), primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
)


class Versions:
    """The versions of all names.

    Thread-safety: all methods may be called from any thread. :meth:`bump` blocks on the store.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._current: dict[str, int] = {}

    def load(self) -> None:
        """Read all versions from the store (at start, and to catch up with other processes)."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(versions_table.c.name, versions_table.c.version)).all()
        with self._lock:
            for name, version in rows:
                self._current[name] = max(version, self._current.get(name, 0))

    def get(self, name: str) -> int:
        """The version of ``name`` now."""
        return self._current.get(name, 0)

    def snapshot(self, names: Iterable[str]) -> dict[str, int]:
        """The versions of ``names``, to be taken *before* the things themselves are read: what changes in between counts."""
        current = self._current
        return {name: current.get(name, 0) for name in names}

    def holds(self, snapshot: Mapping[str, int]) -> bool:
        """True where nothing in ``snapshot`` has changed since."""
        current = self._current
        return all(current.get(name, 0) == version for name, version in snapshot.items())

    def bump(self, name: str) -> int:
        """Raise the version of ``name`` and return it. When this returns, no dependent entry is served."""
        with self._database.write() as connection:
            version = self.bump_in(connection, name)
        self.published(name, version)
        return version

    def bump_in(self, connection: sa.Connection, name: str) -> int:
        """Raise the version inside the caller's transaction; call :meth:`published` after its commit."""
        found = connection.execute(sa.select(versions_table.c.version).where(versions_table.c.name == name)).scalar()
        version = (found or 0) + 1
        if found is None:
            connection.execute(sa.insert(versions_table).values(name=name, version=version))
        else:
            connection.execute(sa.update(versions_table).where(versions_table.c.name == name).values(version=version))
        return version

    def published(self, name: str, version: int) -> None:
        """Make a committed version known to this process."""
        with self._lock:
            self._current[name] = max(version, self._current.get(name, 0))
