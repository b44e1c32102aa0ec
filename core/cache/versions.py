"""Versions of what answers depend on. Bumping one makes every dependent cache entry unreachable at once.

A name is free text ("portfolio:ID", "static:VENDOR"); its version starts at 0. Versions live in the store, because the
caches outlive a restart; a process reads them from memory. Where several processes share the caches, a :class:`Guard` keeps
their memories alike.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Protocol

import sqlalchemy as sa

from hexar.core.store import Database, insert_or, metadata

versions_table = sa.Table(
    "versions",
    metadata,
    sa.Column("name", sa.String(512), primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
)


class Guard(Protocol):
    """What makes the versions of several processes agree (:mod:`hexar.core.cache.invalidation`)."""

    def current(self) -> bool:
        """True while the versions in memory can be trusted without asking anyone."""
        ...

    async def confirm(self) -> bool:
        """Catch up now; False where that cannot be done, so that nothing cached may be served."""
        ...

    def announce(self, name: str, version: int) -> None:
        """Tell the other processes of a committed version, and wait for them off the event loop."""
        ...


class Versions:
    """The versions of all names. Without a ``guard`` this process is the only one that bumps.

    Thread-safety: all methods may be called from any thread. :meth:`bump` blocks on the store.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._current: dict[str, int] = {}
        self._total = 0
        self.guard: Guard | None = None
        # A bump whose commit was not confirmed may have happened.
        database.recovered.append(self.load)

    def load(self) -> None:
        """Read all versions from the store (at start, and to catch up with other processes)."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(versions_table.c.name, versions_table.c.version)).all()
        for name, version in rows:
            self.learn(name, version)

    def refresh(self) -> None:
        """Catch up with the store: one small statement where nothing has changed.

        A bump raises the sum of all versions by one, and no version here is ahead of the store: equal sums are equal versions.
        """
        with self._database.read() as connection:
            total = connection.execute(sa.select(sa.func.coalesce(sa.func.sum(versions_table.c.version), 0))).scalar_one()
        if int(total) != self._total:
            self.load()

    def get(self, name: str) -> int:
        """The version of ``name`` now."""
        return self._current.get(name, 0)

    def trusted(self) -> bool:
        """True while the versions in memory hold without asking anyone."""
        return self.guard is None or self.guard.current()

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
        """Raise the version inside the caller's transaction; call :meth:`published` after its commit.

        The name is locked until then: transactions that bump it first run one after the other.
        """
        statement = insert_or(connection, versions_table).values(name=name, version=1)
        raised = statement.on_conflict_do_update(
            index_elements=["name"], set_={"version": versions_table.c.version + 1}
        ).returning(versions_table.c.version)
        return int(connection.execute(raised).scalar_one())

    def published(self, name: str, version: int) -> None:
        """Make a committed version known to this process and, off the event loop, to every other before it returns."""
        self.learn(name, version)
        if self.guard is not None:
            self.guard.announce(name, version)

    def learn(self, name: str, version: int) -> None:
        """Make a committed version known to this process only."""
        with self._lock:
            known = self._current.get(name, 0)
            if version > known:
                self._current[name] = version
                self._total += version - known
