"""A shop that hangs holds a thread no longer than somebody waits for it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from hexar.agents.gear.kinds import KINDS
from hexar.agents.gear.products.offers import LiveOffers
from hexar.agents.vendors.base import LightRequest
from hexar.agents.vendors.registry import build_agents, load_vendors
from hexar.core.cache import Caches
from hexar.core.cache.versions import Versions
from hexar.core.deadline import Deadline
from hexar.core.resilience import NO_RETRY
from hexar.core.resilience.dispatch import Dispatcher
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables
from hexar.server.demo import DemoShops


async def test_the_thread_of_a_hanging_shop_is_free_soon_after_the_caller_left(tmp_path: Path) -> None:
    """The reading's socket is cut when the last caller goes, long before the deadline that it carries."""
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    create_tables(database)
    dispatcher = Dispatcher()
    with DemoShops(hang=("alpine", "boardroom", "summit")) as shops:
        (tmp_path / "vendors.yaml").write_text(shops.vendors_yaml())
        agents = build_agents(load_vendors(tmp_path / "vendors.yaml"))
        offers = LiveOffers(Caches(Versions(database), None, kinds=KINDS), dispatcher, NO_RETRY)
        request, deadline = LightRequest("tent"), Deadline.after(60)
        asking = [
            asyncio.create_task(offers.fetch("t", agent, request, offers.key("t", agent, request), deadline))
            for agent in agents
        ]

        async def busy(count: int) -> None:
            until = time.monotonic() + 60
            while sum(bulkhead.busy for bulkhead in dispatcher.status()) != count:
                assert time.monotonic() < until
                await asyncio.sleep(0.02)

        await busy(3)
        until = time.monotonic() + 60
        while shops.total() < 3:
            assert time.monotonic() < until
            await asyncio.sleep(0.02)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await busy(0)
        for agent in agents:
            agent.close()
    dispatcher.close()
    database.close()
