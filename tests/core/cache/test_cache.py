"""Caches: tiers, times to live, versions, and values that cannot be trusted."""

import asyncio
import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.core.cache import Caches, Entry, Tier
from hexar.core.cache.codec import decode, encode
from hexar.core.cache.memory import ENTRY_OVERHEAD, MemoryTier
from hexar.core.cache.sqlite import SqliteBackend
from hexar.core.cache.versions import Versions
from tests.fix.kinds import KINDS

KEY = bytes(range(32))
OTHER = bytes(32)


def entry(value: bytes, depends: dict[str, int] | None = None) -> Entry:
    return Entry(value, 1.0, 2.0, 3.0, depends or {})


@given(st.binary(), st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.integers(0, 2**63)))
def test_a_framed_value_reads_back(value: bytes, depends: dict[str, int]) -> None:
    """Encoding and decoding give the same value, times and versions."""
    read = decode(KEY, encode(KEY, entry(value, depends)), Tier.DISK)
    assert read == Entry(value, 1.0, 2.0, 3.0, depends, Tier.DISK)


@given(st.binary(max_size=64), st.data())
def test_a_damaged_or_foreign_value_is_a_miss(value: bytes, data: st.DataObject) -> None:
    """One flipped bit, a cut, or another key: nothing is served."""
    framed = encode(KEY, entry(value, {"a": 1}))
    assert decode(OTHER, framed, Tier.DISK) is None
    cut = data.draw(st.integers(0, len(framed) - 1))
    assert decode(KEY, framed[:cut], Tier.DISK) is None
    at = data.draw(st.integers(0, len(framed) - 1))
    flipped = framed[:at] + bytes([framed[at] ^ 1 << data.draw(st.integers(0, 7))]) + framed[at + 1 :]
    assert decode(KEY, flipped, Tier.DISK) is None


async def test_a_value_comes_from_memory_then_from_the_backend(caches: Caches) -> None:
    """The first tier that has a value answers and is counted."""
    caches.put("query_answer", KEY, b"value", {})
    found = await caches.get("query_answer", KEY)
    assert found is not None
    assert (found.value, found.tier) == (b"value", Tier.MEMORY)
    assert caches.backend is not None
    await caches.backend.flush()
    caches.memory.clear()
    found = await caches.get("query_answer", KEY)
    assert found is not None
    assert (found.value, found.tier) == (b"value", caches.backend.tier)
    assert (await caches.get("query_answer", OTHER)) is None
    assert caches.stats.hits["query_answer", Tier.MEMORY] == 1
    assert caches.stats.hits["query_answer", caches.backend.tier] == 1
    assert caches.stats.misses["query_answer"] == 1


async def test_what_is_only_held_never_leaves_memory(caches: Caches) -> None:
    """A held view is served while its versions hold, counts as many bytes as it says, and the backend does not get it."""
    view = object()
    caches.hold("rag_chunks", KEY, view, caches.snapshot("t", "rag_chunks", "portfolio:p"), size=700)
    assert caches.memory.used_bytes == 700 + ENTRY_OVERHEAD
    found = caches.peek("rag_chunks", KEY)
    assert found is not None and found.view is view and found.tier is Tier.MEMORY
    caches.versions.bump("portfolio:p")
    assert caches.peek("rag_chunks", KEY) is None and not caches.memory.used_bytes
    assert caches.backend is not None
    await caches.backend.flush()
    assert await caches.backend.get(KEY) is None


async def test_values_survive_a_restart(versions: Versions, tmp_path: Path) -> None:
    """What was put before the close is read by the next process."""
    first = Caches(versions, SqliteBackend(tmp_path / "c.db", 1 << 20), kinds=KINDS)
    first.put("chat_answer", KEY, b"kept", {})
    await first.close()
    second = Caches(versions, SqliteBackend(tmp_path / "c.db", 1 << 20), kinds=KINDS)
    found = await second.get("chat_answer", KEY)
    await second.close()
    assert found is not None
    assert found.value == b"kept"


@pytest.mark.parametrize("forget_memory", [False, True])
async def test_a_bumped_version_makes_dependants_unreachable(caches: Caches, versions: Versions, forget_memory: bool) -> None:
    """After a bump no tier serves what depends on the old version; what does not depend on it stays."""
    caches.put("query_answer", KEY, b"old", caches.snapshot("t", "query_answer", "static:alpine"))
    caches.put("query_answer", OTHER, b"stays", caches.snapshot("t", "query_answer", "static:other"))
    versions.bump("static:alpine")
    if forget_memory:
        assert caches.backend is not None
        await caches.backend.flush()
        caches.memory.clear()
    assert await caches.get("query_answer", KEY, allow_stale=True) is None
    kept = await caches.get("query_answer", OTHER)
    assert kept is not None
    assert kept.value == b"stays"


async def test_a_change_while_an_answer_forms_makes_it_unreachable(caches: Caches, versions: Versions) -> None:
    """Versions are taken before the sources are read, so a bump in between is not lost."""
    before = caches.snapshot("t", "query_answer", "portfolio:p")
    versions.bump("portfolio:p")
    caches.put("query_answer", KEY, b"made of old documents", before)
    assert await caches.get("query_answer", KEY) is None


def test_versions_survive_a_restart(versions: Versions, database: object) -> None:
    """A new process starts from the versions that were acknowledged."""
    assert [versions.bump("a"), versions.bump("a"), versions.bump("b")] == [1, 2, 1]
    again = Versions(database)  # type: ignore[arg-type]
    assert again.get("a") == 0
    again.load()
    assert (again.get("a"), again.get("b"), again.get("c")) == (2, 1, 0)


@pytest.fixture
def clocked(versions: Versions) -> tuple[Caches, Callable[[float], None]]:
    now = [1000.0]
    caches = Caches(versions, clock=lambda: now[0], kinds=KINDS)

    def advance(seconds: float) -> None:
        now[0] += seconds

    return caches, advance


async def test_times_to_live_are_absolute(clocked: tuple[Caches, Callable[[float], None]]) -> None:
    """A hit does not extend a life, and no value is fresh beyond its time to live."""
    caches, advance = clocked
    caches.put("live_offers", KEY, b"offer", {})
    for _ in range(13):
        advance(60)
        assert await caches.get("live_offers", KEY) is not None
    advance(120)
    assert await caches.get("live_offers", KEY) is None


async def test_a_stale_value_is_served_only_where_asked_and_says_so(clocked: tuple[Caches, Callable[[float], None]]) -> None:
    """Past its time a value is kept for callers whose source fails, until that time is over as well."""
    caches, advance = clocked
    caches.put("live_offers", KEY, b"offer", {})
    advance(KINDS[0].ttl)
    assert await caches.get("live_offers", KEY) is None
    stale = await caches.get("live_offers", KEY, allow_stale=True)
    assert stale is not None
    assert stale.stale
    assert caches.stats.stale["live_offers"] == 1
    advance(KINDS[0].stale_for)
    assert await caches.get("live_offers", KEY, allow_stale=True) is None


async def test_a_damaged_cache_file_costs_misses_and_nothing_else(versions: Versions, tmp_path: Path) -> None:
    """A file that is no database is begun anew; requests see a miss, then the cache works again."""
    path = tmp_path / "broken.db"
    path.write_bytes(b"this is not a database" * 1000)
    caches = Caches(versions, SqliteBackend(path, 1 << 20), memory_bytes=1, kinds=KINDS)
    assert await caches.get("query_answer", KEY) is None
    caches.put("query_answer", KEY, b"value", {})
    found = await caches.get("query_answer", KEY)
    assert found is not None
    assert found.value == b"value"
    assert caches.backend is not None
    assert caches.backend.failures >= 1
    await caches.close()


async def test_the_disk_tier_stays_within_its_limit(tmp_path: Path) -> None:
    """What expires first is dropped when the file holds more than it may."""
    backend = SqliteBackend(tmp_path / "c.db", 100_000)
    for number in range(2000):
        backend.put(number.to_bytes(32, "big"), bytes(1000), 1e12 + number)
        if number % 100 == 99:
            await backend.flush()
    await backend.close()
    connection = sqlite3.connect(tmp_path / "c.db")
    (used,) = connection.execute("SELECT sum(size) FROM cache").fetchone()
    connection.close()
    assert used <= 100_000 + 600 * 1000


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3000)), max_size=60))
def test_the_memory_tier_never_exceeds_its_limit(operations: list[tuple[int, int]]) -> None:
    """However entries come, the bytes held stay within the limit and are those of the entries."""
    tier = MemoryTier(8192)
    for name, size in operations:
        tier.put(bytes([name]), entry(bytes(size)))
        assert tier.used_bytes <= 8192
    held = [tier.get(bytes([name])) for name in range(21)]
    assert tier.used_bytes == sum(2 * len(found.value) + ENTRY_OVERHEAD for found in held if found is not None)


async def test_a_miss_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    """Once the keys of the file are known, a key that is not there is a miss at once; what another run kept is still found."""
    path = tmp_path / "c.db"
    before = SqliteBackend(path, 1 << 20)
    before.put(KEY, b"kept", time.time() + 60)
    await before.close()
    backend = SqliteBackend(path, 1 << 20)
    assert await backend.get(OTHER) is None  # reads the keys
    free = threading.Event()
    blocked = asyncio.get_running_loop().run_in_executor(backend._thread, free.wait)
    async with asyncio.timeout(10):
        for number in range(500):
            assert await backend.get(hashlib.sha256(str(number).encode()).digest()) is None
    backend.put(OTHER, b"new", time.time() + 60)
    found = asyncio.gather(backend.get(KEY), backend.get(OTHER))
    free.set()
    assert await found == [b"kept", b"new"]
    await blocked
    await backend.close()
