"""Two engines on one store and one Valkey: what one analyses, the other shows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from hexar.agents.gear.config import GearConfig
from hexar.agents.gear.fold import fold
from hexar.agents.gear.kinds import KINDS
from hexar.core.cache import Caches
from hexar.core.cache.invalidation import Invalidation
from hexar.core.cache.redis import RedisBackend
from hexar.core.cache.versions import Versions
from hexar.core.jobs import Jobs
from hexar.core.jobs.worker import WorkerConfig
from hexar.core.redis.link import RedisLink
from hexar.core.resilience.dispatch import BulkheadConfig, Dispatcher
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables
from hexar.v1 import common_pb2, query_pb2
from tests.agents.gear.conftest import Answered, Ask, Engine, Shelf
from tests.fix.fleet import until
from tests.fix.stores.redis_server import RedisServer

NOTHING_HOLDS = GearConfig(refresh_age=0.0)
REFRESH = common_pb2.CACHE_POLICY_REFRESH
WAIT = Duration(seconds=20)


@pytest.fixture
async def engines(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[list[Engine]]:
    """One that answers only, and one that runs the jobs."""
    url = f"sqlite:///{tmp_path / 'store.db'}"
    made: list[Engine] = []
    async with AsyncExitStack() as stack:
        for _ in range(2):
            database = Database(url)
            stack.callback(database.close)
            create_tables(database)
            link = RedisLink(redis_server.url, timeout=5.0)
            versions = Versions(database)
            versions.load()
            invalidation = Invalidation(versions, link)
            link.start()
            invalidation.start()
            assert await link.ready(20)
            caches = Caches(versions, RedisBackend(link), kinds=KINDS)
            stack.push_async_callback(caches.close)
            stack.push_async_callback(invalidation.close)
            dispatcher = Dispatcher(BulkheadConfig(threads=4))
            stack.callback(dispatcher.close)
            jobs = Jobs(database, WorkerConfig(poll=0.05, retry_base=0.05))
            stack.push_async_callback(jobs.close)
            made.append(Engine(database, caches, dispatcher, jobs))
        yield made


def ripcord(answered: Answered) -> query_pb2.Product:
    (product,) = [shown.product for shown in fold(answered.events) if "Ripcord" in shown.product.name]
    return product


async def told(engine: Engine, version: int) -> None:
    """Wait until the engine knows of so many changes of a vendor's knowledge."""
    await asyncio.to_thread(until, lambda: engine.caches.versions.get("static:alpha") == version)


async def test_knowledge_that_another_process_renewed_is_shown_by_all(engines: list[Engine], boards: list[Shelf], ask: Ask):
    """What lies in a process's memory is read anew once another has changed it, whether or not this one waited for the job."""
    here, there = engines
    answering = here.pipeline(*boards, config=NOTHING_HOLDS)
    working = there.pipeline(*boards, config=NOTHING_HOLDS)
    there.jobs.start()
    first = await ask(answering, text="snowboard", wait_for_analysis=WAIT)
    assert ripcord(first).rating.value == 4.5
    boards[0].knowledge["A1"]["rating"] = 2.5
    assert ripcord(await ask(answering, text="snowboard")).rating.value == 4.5
    await ask(working, text="snowboard", wait_for_analysis=WAIT, cache_policy=REFRESH)
    await told(here, 2)
    assert ripcord(await ask(answering, text="snowboard")).rating.value == 2.5
    boards[0].knowledge["A1"]["rating"] = 3.5
    waited = await ask(answering, text="snowboard", wait_for_analysis=WAIT, cache_policy=REFRESH)
    assert ripcord(waited).rating.value == 3.5
    await told(there, 3)
    assert ripcord(await ask(working, text="snowboard")).rating.value == 3.5


async def test_what_a_process_learns_itself_stays_in_its_memory(engines: list[Engine], boards: list[Shelf], ask: Ask):
    """A bump of this process's own makes it read nothing again; one of another process makes it read each entry once."""
    here, there = engines
    answering, working = here.pipeline(*boards, config=NOTHING_HOLDS), there.pipeline(*boards, config=NOTHING_HOLDS)
    there.jobs.start()
    await ask(working, text="snowboard", wait_for_analysis=WAIT)
    reads = there.caches.stats.hits["static_analysis", RedisBackend.tier]
    await told(there, 1)
    await ask(working, text="snowboard")
    assert there.caches.stats.hits["static_analysis", RedisBackend.tier] == reads
    await ask(answering, text="snowboard")
    reads = here.caches.stats.hits["static_analysis", RedisBackend.tier]
    assert reads > 0
    await ask(answering, text="snowboard")
    assert here.caches.stats.hits["static_analysis", RedisBackend.tier] == reads
