"""A failover behind one address: the old server lives on as a replica, new connections reach the new one."""

from __future__ import annotations

import asyncio

from redis.exceptions import ResponseError

from hexar.core.redis.link import RedisDown, RedisLink
from tests.fix.stores.redis_server import RedisServer
from tests.fix.wire import Wire


async def test_a_server_that_became_a_replica_is_left_for_the_one_that_leads(fragile_redis: RedisServer) -> None:
    """A refused write makes the link connect anew, for its posted writes too; nobody has to restart anything."""
    other = RedisServer()
    wire = Wire(fragile_redis.port)
    await wire.start()
    link = RedisLink(f"redis://127.0.0.1:{wire.port}/0", timeout=5.0)
    link.start()
    try:
        assert await link.ready(20)
        await link.call("SET", "a", "1")
        link.post("SET", "b", "1", size=10, limit=1000)
        await link.flush()
        wire.to = other.port
        with fragile_redis.client() as client:
            client.execute_command("REPLICAOF", "127.0.0.1", other.port)
        refusals = 0
        while True:
            try:
                await link.call("SET", "a", "2")
                break
            except (ResponseError, RedisDown):
                refusals += 1
                assert refusals < 20
                await asyncio.sleep(0.05)
        link.post("SET", "b", "2", size=10, limit=1000)
        await link.flush()
        with other.client() as client:
            assert (client.get("a"), client.get("b")) == (b"2", b"2")
    finally:
        await link.close()
        await wire.close()
        other.close()
