"""Redis killed, stopped or black-holed under load: look-ups go on, cost next to nothing more, and recover."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hexar.core.cache import Caches
from hexar.core.cache.invalidation import Invalidation
from hexar.core.cache.redis import RedisBackend
from hexar.core.cache.versions import Versions
from hexar.core.deadline import Deadline
from hexar.core.eventlog import Answers, AnswerSpec, Completion, EventLog
from hexar.core.eventlog.redis import RedisRuns
from hexar.core.redis.link import RedisLink
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables
from tests.fix.chaos import seeded
from tests.fix.kinds import KINDS
from tests.fix.pace import Pace
from tests.fix.stores.redis_server import RedisServer
from tests.fix.wire import Wire

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]

#: Seconds of each fault.
OUTAGE = float(os.environ.get("HEXAR_OUTAGE", "4"))


@pytest.fixture
async def wire(fragile_redis: RedisServer) -> AsyncIterator[Wire]:
    made = Wire(fragile_redis.port)
    await made.start()
    yield made
    await made.close()


@pytest.mark.parametrize("fault", ["kill", *(pytest.param(name, marks=pytest.mark.chaos) for name in ("freeze", "silence"))])
async def test_lookups_go_on_without_redis(
    fragile_redis: RedisServer, wire: Wire, tmp_path: Path, pace: Pace, fault: str
) -> None:
    """Under load no look-up fails; the fault adds at most 60 ms to the 99th percentile; values come from Redis again in 5 s."""
    rng = seeded()
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    create_tables(database)
    versions = Versions(database)
    link = RedisLink(f"redis://127.0.0.1:{wire.port}/0")
    caches = Caches(versions, RedisBackend(link), memory_bytes=40_000, kinds=KINDS)
    invalidation = Invalidation(versions, link)
    link.start()
    invalidation.start()
    assert await link.ready(20)
    phases: dict[str, list[float]] = {"before": [], "fault": []}
    phase = "before"
    running = True

    async def caller() -> None:
        while running:
            key = rng.randrange(200).to_bytes(32, "big")
            began, at = time.perf_counter(), phase
            found = await caches.get("query_answer", key)
            assert found is None or found.value == key
            if found is None:
                caches.put("query_answer", key, key, caches.snapshot("t", "query_answer"))
            phases[at].append(time.perf_counter() - began)
            await asyncio.sleep(0.005)

    callers = [asyncio.create_task(caller()) for _ in range(20)]
    await asyncio.sleep(2)
    pace.slack()
    phase = "fault"
    if fault == "kill":
        fragile_redis.kill()
    elif fault == "freeze":
        fragile_redis.freeze()
    else:
        wire.silent = True
    await asyncio.sleep(OUTAGE)
    assert not link.up
    slack = pace.slack()
    if fault == "kill":
        await asyncio.to_thread(fragile_redis.start)
    elif fault == "freeze":
        fragile_redis.thaw()
    else:
        wire.silent = False
    began = time.monotonic()
    while not (link.up and invalidation.current()):
        assert time.monotonic() - began < 20
        await asyncio.sleep(0.02)
    recovered = time.monotonic() - began
    running = False
    await asyncio.gather(*callers)
    p99 = {name: sorted(times)[int(len(times) * 0.99)] for name, times in phases.items()}
    worst = max(phases["fault"])
    print(
        fault,
        {name: len(times) for name, times in phases.items()},
        p99,
        "worst",
        worst,
        "recovered in",
        recovered,
        "slack",
        slack,
    )
    assert recovered < 5 + slack
    # What the machine adds is in both phases, but never the same.
    assert p99["fault"] - p99["before"] < 0.06 + slack
    assert worst < 0.3 + slack
    await invalidation.close()
    await caches.close()
    database.close()


async def test_a_process_that_is_cut_off_asks_the_store(
    fragile_redis: RedisServer, wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without word from Redis for a lease a process trusts nothing in memory: each look-up sees what was committed before it."""
    # A store that a busy machine makes late is asked all the same: what this is about is not how fast it answers.
    monkeypatch.setattr("hexar.core.cache.invalidation.TIMEOUT", 10.0)
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    create_tables(database)
    versions, elsewhere = Versions(database), Versions(database)
    link = RedisLink(f"redis://127.0.0.1:{wire.port}/0")
    caches = Caches(versions, RedisBackend(link), kinds=KINDS)
    invalidation = Invalidation(versions, link)
    link.start()
    invalidation.start()
    give_up = time.monotonic() + 20
    while not invalidation.current():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.01)
    wire.silent = True
    give_up = time.monotonic() + 20
    while invalidation.current():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.01)
    for number in range(20):
        key = number.to_bytes(32, "big")
        caches.put("query_answer", key, b"old", caches.snapshot("t", "query_answer", "a"))
        assert caches.peek("query_answer", key) is None
        found = await caches.get("query_answer", key)
        assert found is not None
        assert found.value == b"old"
        # Committed by a process that nobody heard of.
        await asyncio.to_thread(elsewhere.bump, "a")
        assert await caches.get("query_answer", key) is None
    wire.silent = False
    give_up = time.monotonic() + 20
    while not invalidation.current():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.01)
    await invalidation.close()
    await caches.close()
    database.close()


async def test_what_a_leader_showed_while_redis_was_silent_is_written_when_it_is_back(
    fragile_redis: RedisServer, wire: Wire, tmp_path: Path
) -> None:
    """Events that went to the leader's own callers alone can be resumed in another process once Redis answers."""
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    create_tables(database)
    made: list[tuple[Caches, Answers, RedisLink]] = []
    # Only the wire makes Redis silent here, not a busy machine.
    for port, timeout in ((wire.port, 0.5), (fragile_redis.port, 5.0)):
        link = RedisLink(f"redis://127.0.0.1:{port}/0", timeout=timeout)
        link.start()
        assert await link.ready(20)
        caches = Caches(Versions(database), RedisBackend(link), kinds=KINDS)
        made.append((caches, Answers(caches, RedisRuns(link)), link))
    (caches, leader, link), (_, other, _) = made
    steps: asyncio.Queue[bytes] = asyncio.Queue()

    async def produce(events: EventLog) -> Completion:
        while step := await steps.get():
            events.append(step)
        return Completion()

    spec = AnswerSpec("query_answer", bytes(32), produce, {})
    answer = await leader.open(spec, Deadline.after(60))
    shown: list[bytes] = []

    async def read() -> None:
        async for batch in answer.batches():
            shown.extend(batch)

    reading = asyncio.create_task(read())

    async def step(text: bytes) -> None:
        count = len(shown) + 1
        steps.put_nowait(text)
        for _ in range(1000):
            if len(shown) == count:
                return
            await asyncio.sleep(0.005)
        raise AssertionError(f"{text!r} was not shown")

    await step(b"one")
    wire.silent = True
    await step(b"two")
    assert not link.up
    await step(b"three")
    wire.silent = False
    assert await link.ready(20)
    await step(b"four")
    found = await other.find(answer.answer_id, spec, Deadline.after(60))
    assert found is not None
    async for batch in found.batches(1):
        assert batch == shown[1:4]
        break
    steps.put_nowait(b"")
    await reading
    assert [event async for batch in found.batches(1) for event in batch] == shown[1:]
    for one in (answer, found):
        one.close()
    for caches, answers, _ in made:
        await answers.close(0)
        await caches.close()
    database.close()
