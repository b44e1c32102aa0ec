"""Slots of limits on what is open at once: one process alone, several over a real Redis, and without it."""

import asyncio

import pytest

from hexar.core.redis.link import RedisLink
from hexar.core.resilience.slots import Slot, Slots
from tests.fix.stores.redis_server import RedisServer


async def test_a_slot_is_of_every_limit_or_of_none() -> None:
    """The limit that is full is named, and nothing was taken of the others."""
    slots = Slots()
    claims = [("user", 1), ("tenant", 2)]
    first = await slots.enter("acme", claims)
    assert isinstance(first, Slot)
    assert await slots.enter("acme", claims) == "user"
    assert slots.open("tenant") == 1
    second = await slots.enter("acme", [("other", 1), ("tenant", 2)])
    assert isinstance(second, Slot)
    assert await slots.enter("acme", [("third", 1), ("tenant", 2)]) == "tenant"
    slots.leave(first)
    slots.leave(second)
    assert (slots.open("user"), slots.open("tenant")) == (0, 0)
    assert isinstance(await slots.enter("acme", claims), Slot)
    await slots.close()


@pytest.mark.parametrize("stops", [False, True])
async def test_processes_share_a_limit_over_redis_and_keep_to_their_share_without(
    fragile_redis: RedisServer, stops: bool
) -> None:
    """Forty callers at two processes: ten are let in together; without Redis five at each."""
    links = [RedisLink(fragile_redis.url, timeout=5.0) for _ in range(2)]
    for link in links:
        link.start()
        assert await link.ready(20)
    both = [Slots(link, lambda: 2) for link in links]
    if stops:
        await asyncio.to_thread(fragile_redis.kill)
    taken = await asyncio.gather(*(both[at % 2].enter("acme", [("tenant", 10)]) for at in range(40)))
    held = [(at % 2, slot) for at, slot in enumerate(taken) if isinstance(slot, Slot)]
    assert len(held) == 10
    assert {slot for slot in taken if not isinstance(slot, Slot)} == {"tenant"}
    for at, slot in held:
        both[at].leave(slot)
    if not stops:
        # Given back soon after: then another process may have them all.
        async with asyncio.timeout(20):
            while not isinstance(await both[0].enter("acme", [("tenant", 10)]), Slot):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    for slots, link in zip(both, links):
        await slots.close()
        await link.close()
