"""The server over a real Redis: what one process made, another serves; what one forgot, all forgot."""

from __future__ import annotations

import pytest

from hexar.server.engine import build_engine
from hexar.server.engine.system import kinds
from hexar.server.systems import SYSTEMS, make_settings
from tests.fix.stores.redis_server import RedisServer


async def test_two_engines_share_what_they_cache_and_what_they_forget(
    redis_server: RedisServer, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With HEXAR_REDIS_URL set, engines on one store read each other's values, and a bump in one is a miss in the other."""
    monkeypatch.setenv("HEXAR_REDIS_URL", redis_server.url)
    engines = [build_engine(make_settings(data_dir=tmp_path, redis_timeout=5.0), kinds=kinds(SYSTEMS)) for _ in range(2)]
    for engine in engines:
        engine.open()
        assert engine.redis is not None
        assert await engine.redis.ready(20)
    one, other = engines
    key = bytes(32)
    one.caches.put("query_answer", key, b"value", one.caches.snapshot("t", "query_answer", "portfolio:p"))
    assert one.caches.backend is not None
    await one.caches.backend.flush()
    found = await other.caches.get("query_answer", key)
    assert found is not None
    assert found.value == b"value"
    assert await other.caches.get("query_answer", key) is not None
    assert await one.database.run(one.versions.bump, "portfolio:p") == 1
    assert other.versions.get("portfolio:p") == 1
    assert await other.caches.get("query_answer", key) is None
    assert not list((make_settings(data_dir=tmp_path).data_dir).glob("cache.db*"))
    for engine in engines:
        await engine.close()
