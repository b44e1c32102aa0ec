"""Fixtures of the engine's tests: a store, versions and caches on real files."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hexar.core.cache import Caches
from hexar.core.cache.backend import CacheBackend
from hexar.core.cache.redis import RedisBackend
from hexar.core.cache.sqlite import SqliteBackend
from hexar.core.cache.versions import Versions
from hexar.core.redis.link import RedisLink
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables
from tests.fix.kinds import KINDS


@pytest.fixture
def database(store_url: str) -> Iterator[Database]:
    made = Database(store_url)
    create_tables(made)
    yield made
    made.close()


@pytest.fixture
def versions(database: Database) -> Versions:
    return Versions(database)


@pytest.fixture(params=["disk", "redis"])
async def caches(request: pytest.FixtureRequest, versions: Versions, tmp_path: Path) -> AsyncIterator[Caches]:
    backend: CacheBackend
    if request.param == "redis":
        # A busy machine is no outage: what these tests are about is not how fast the server answers.
        link = RedisLink(request.getfixturevalue("redis_server").url, timeout=5.0)
        link.start()
        assert await link.ready(20)
        backend = RedisBackend(link)
    else:
        backend = SqliteBackend(tmp_path / "cache.db", 1 << 24)
    made = Caches(versions, backend, memory_bytes=1 << 20, kinds=KINDS)
    yield made
    await made.close()
