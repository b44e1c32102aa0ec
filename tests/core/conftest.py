"""Fixtures of the engine's tests: a store, versions and caches on real files."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hexar.core.cache import Caches
from hexar.core.cache.sqlite import SqliteBackend
from hexar.core.store import Database
from hexar.core.versions import Versions


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'store.db'}")
    made.create_tables()
    yield made
    made.close()


@pytest.fixture
def versions(database: Database) -> Versions:
    return Versions(database)


@pytest.fixture
async def caches(versions: Versions, tmp_path: Path) -> AsyncIterator[Caches]:
    made = Caches(versions, SqliteBackend(tmp_path / "cache.db", 1 << 24), memory_bytes=1 << 20)
    yield made
    await made.close()
