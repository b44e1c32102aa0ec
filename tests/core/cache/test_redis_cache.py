"""The Redis tier: what it keeps, what it asks of the server, and what it costs where the server is gone."""

from __future__ import annotations

import asyncio
import random
import time

import pytest
import redis.asyncio

from hexar.core.cache import Caches, Tier
from hexar.core.cache.redis import RedisBackend, redis_key
from hexar.core.cache.versions import Versions
from hexar.core.redis.link import RedisDown, RedisLink, connection_pool
from hexar.core.redis.node import RedisNode
from tests.fix.kinds import KINDS
from tests.fix.stores.redis_server import RedisServer

KEY = bytes(range(32))


@pytest.fixture
def shared(versions: Versions, link: RedisLink) -> Caches:
    return Caches(versions, RedisBackend(link), kinds=KINDS)


async def test_a_hit_in_memory_asks_redis_nothing_and_one_in_redis_asks_once(shared: Caches, redis_server: RedisServer) -> None:
    """The server counts: no command for a hit in memory, one for a hit in Redis, one for a value that is put."""
    before = redis_server.commands()
    shared.put("query_answer", KEY, b"value", {})
    assert shared.backend is not None
    await shared.backend.flush()
    assert redis_server.commands() - before == 1
    before = redis_server.commands()
    for _ in range(10):
        assert await shared.get("query_answer", KEY) is not None
    assert redis_server.commands() == before
    shared.memory.clear()
    found = await shared.get("query_answer", KEY)
    assert found is not None
    assert (found.value, found.tier) == (b"value", Tier.REDIS)
    assert redis_server.commands() - before == 1


async def test_values_expire_in_redis(shared: Caches, redis_server: RedisServer) -> None:
    """No key lives in Redis longer than its value, stale time included."""
    shared.put("query_answer", KEY, b"value", {})
    shared.put("live_offers", bytes(32), b"value", {})
    assert shared.backend is not None
    await shared.backend.flush()
    with redis_server.client() as client:
        left = client.pttl(redis_key(KEY))
        offers = client.pttl(redis_key(bytes(32)))
    assert 3600_000 * 0.9 - 5000 <= left <= 3600_000
    assert 86_400_000 < offers <= 86_400_000 + 900_000


@pytest.mark.parametrize("damage", ["flip", "foreign", "schema", "type"])
async def test_a_value_that_cannot_be_trusted_is_a_miss(shared: Caches, redis_server: RedisServer, damage: str) -> None:
    """A flipped bit, another key's value, another schema, or a key of another type: nothing is served, nothing raises."""
    for key in (KEY, bytes(32)):
        shared.put("query_answer", key, key * 3, {})
    assert shared.backend is not None
    await shared.backend.flush()
    with redis_server.client() as client:
        name = redis_key(KEY)
        data = client.get(name)
        assert isinstance(data, bytes)
        if damage == "flip":
            client.set(name, data[:60] + bytes([data[60] ^ 1]) + data[61:])
        elif damage == "foreign":
            client.copy(redis_key(bytes(32)), name, replace=True)
        elif damage == "schema":
            client.set(name, data[:3] + b"\xff" + data[4:])
        else:
            client.delete(name)
            client.lpush(name, data)
    shared.memory.clear()
    assert await shared.get("query_answer", KEY) is None
    assert await shared.get("query_answer", bytes(32)) is not None


def test_keys_spread_over_a_cluster_and_name_nobody() -> None:
    """A key carries its schema and a tag made of its own digest: one slot a key, evenly many."""
    names = [redis_key(random.Random(number).randbytes(32)) for number in range(4000)]
    tags = {name.split("{")[1].split("}")[0] for name in names}
    assert len(tags) > 2000
    assert all(name.startswith("hexar:{") and ":v1:c:" in name for name in names)


async def test_callers_who_leave_never_mix_up_replies(link: RedisLink) -> None:
    """Callers cancelled at any instant leave no half-read reply: everyone else gets the reply to their own command."""
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)

    async def ask(number: int) -> None:
        assert await link.call("ECHO", str(number)) == str(number).encode()

    done = cancelled = 0
    for number in range(3000):
        task = asyncio.create_task(ask(number))
        for _ in range(rng.randrange(6)):
            await asyncio.sleep(0)
        if rng.random() < 0.5:
            task.cancel()
        try:
            await task
            done += 1
        except asyncio.CancelledError:
            cancelled += 1
        except RedisDown:
            assert await link.ready(20)
    assert min(done, cancelled) > 100
    assert link.outages == 0


async def test_many_commands_travel_together(link: RedisLink) -> None:
    """What many callers ask at once goes out in few pipelines over one connection."""
    before = link.pipelines
    replies = await asyncio.gather(*(link.call("ECHO", str(number)) for number in range(320)))
    assert replies == [str(number).encode() for number in range(320)]
    assert link.pipelines - before <= 10


async def test_puts_come_from_any_thread_and_do_not_grow_without_bound(link: RedisLink, redis_server: RedisServer) -> None:
    """Values put from threads arrive; those beyond the bound of what waits are dropped and counted."""
    backend = RedisBackend(link)
    expires = time.time() + 60

    def fill(first: int) -> None:
        for number in range(first, first + 50):
            backend.put(number.to_bytes(32, "big"), b"x", expires)

    await asyncio.gather(*(asyncio.to_thread(fill, first) for first in range(0, 400, 50)))
    await backend.flush()
    with redis_server.client() as client:
        assert client.dbsize() == 400
    assert backend.failures == 0
    for number in range(400, 420):
        backend.put(number.to_bytes(32, "big"), bytes(7 << 20), expires)
    assert backend.failures > 0
    backend.put(KEY, bytes(9 << 20), expires)
    assert await backend.get(KEY) is None


async def test_a_server_that_was_never_there_costs_nothing(versions: Versions) -> None:
    """Where nobody listens every read is a miss at once and every put is kept in memory."""
    link = RedisLink("redis://127.0.0.1:1/0")
    link.start()
    caches = Caches(versions, RedisBackend(link), kinds=KINDS)
    await asyncio.sleep(0.1)
    # Waiting for each as for a server that is silent would be ten seconds.
    began = time.monotonic()
    for number in range(200):
        assert await caches.get("query_answer", number.to_bytes(32, "big")) is None
    assert time.monotonic() - began < 200 * link.timeout / 4
    caches.put("query_answer", KEY, b"value", {})
    assert await caches.get("query_answer", KEY) is not None
    assert not link.up
    await caches.close()


async def test_a_user_of_the_server_is_named_in_the_address(fragile_redis: RedisServer) -> None:
    """An ACL user and password in the address open the server; a wrong password is an unreachable Redis."""
    with fragile_redis.client() as client:
        client.acl_setuser("hexar", enabled=True, passwords=["+p@ss/word"], keys=["hexar:*"], commands=["+@all"])
        client.acl_setuser("default", enabled=False)
    allowed = RedisLink(f"redis://hexar:p%40ss%2Fword@127.0.0.1:{fragile_redis.port}/0", timeout=5.0)
    refused = RedisLink(f"redis://hexar:wrong@127.0.0.1:{fragile_redis.port}/0")
    for link in (allowed, refused):
        link.start()
    assert await allowed.ready(20)
    backend = RedisBackend(allowed)
    backend.put(KEY, b"value", time.time() + 9)
    await backend.flush()
    assert await backend.get(KEY) == b"value"
    assert not await refused.ready(0.3)
    for link in (allowed, refused):
        await link.close()


def test_addresses_name_tls_sockets_and_sentinels() -> None:
    """Each form of address gives the connections that it asks for."""
    tls = connection_pool("rediss://user:pass@redis.example:6380/2")
    assert (tls.connection_class.__name__, tls.connection_kwargs["host"]) == ("SSLConnection", "redis.example")
    assert tls.connection_kwargs["username"] == "user"
    unix = connection_pool("unix:///run/redis.sock?db=1")
    assert unix.connection_kwargs["path"] == "/run/redis.sock"
    sentinel = connection_pool("redis+sentinel://user:pass@a.example:26379,b.example/mymaster/3")
    assert type(sentinel).__name__ == "SentinelConnectionPool"
    assert (sentinel.connection_kwargs["db"], sentinel.connection_kwargs["username"]) == (3, "user")
    for wrong in ("http://redis.example", "redis+sentinel://a.example:26379"):
        with pytest.raises(ValueError):
            connection_pool(wrong)


async def test_a_busy_event_loop_is_no_silence_of_redis(redis_server: RedisServer) -> None:
    """A loop that is blocked for longer than the timeout reads the reply that came meanwhile."""
    link = RedisLink(redis_server.url)
    link.start()
    assert await link.ready(20)
    for _ in range(5):
        asking = asyncio.create_task(link.call("PING"))
        await asyncio.sleep(0)
        time.sleep(3 * link.timeout)  # noqa: ASYNC251
        assert await asking in (b"PONG", "PONG", True)
    assert link.up
    assert link.outages == 0
    await link.close()


class Forgetful(redis.asyncio.Connection):
    """A connection that is never made, and takes its cancellation for a failure, as libraries do at times."""

    making: asyncio.Event

    async def connect(self) -> None:
        self.making.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise redis.exceptions.ConnectionError("cancelled") from None


async def test_a_link_is_closed_although_a_connection_loses_the_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing ends the tasks that send, also the one whose connection is just being made and swallows that it was cancelled."""
    monkeypatch.setattr(Forgetful, "making", asyncio.Event(), raising=False)
    node = RedisNode(redis.asyncio.ConnectionPool(connection_class=Forgetful), timeout=0.05)
    node.start()
    await Forgetful.making.wait()
    async with asyncio.timeout(10):
        await node.close()
    assert all(bulkhead.task is not None and bulkhead.task.done() for bulkhead in (node._reads, node._writes))
