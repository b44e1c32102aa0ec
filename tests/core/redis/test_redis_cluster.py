"""A Redis Cluster of three masters and a replica: every key finds its node, moved slots are followed, a dead master replaced."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from signal import Signals

import pytest
from redis.crc import key_slot

from hexar.core.cache import Caches
from hexar.core.cache.redis import RedisBackend, redis_key
from hexar.core.cache.versions import Versions
from hexar.core.redis.link import RedisDown, RedisLink
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables
from tests.core.redis.test_redis_kinds import until, use_everything
from tests.fix.kinds import KINDS
from tests.fix.ports import free_port
from tests.fix.stores.redis_kinds import FAULTS, Server

MASTERS = 3


class Cluster:
    """Three masters with a third of the slots each, and a replica of the first."""

    def __init__(self, binary: str, servers: list[Server]) -> None:
        options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no"]
        options += ["--repl-diskless-sync-delay", "0"]
        self.nodes = [Server(binary, *options) for _ in range(MASTERS + 1)]
        servers.extend(self.nodes)
        for node in self.nodes:
            node.start()
        self.ids = [str(self.ask(node, "CLUSTER", "MYID")) for node in self.nodes]
        for number, node in enumerate(self.nodes[:MASTERS]):
            first, last = number * 16384 // MASTERS, (number + 1) * 16384 // MASTERS - 1
            self.ask(node, "CLUSTER", "ADDSLOTSRANGE", first, last)
        for node in self.nodes[1:]:
            self.ask(node, "CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port)

    @staticmethod
    def ask(node: Server, *command: object) -> object:
        """One node's answer."""
        with node.client(decode_responses=True) as client:
            return client.execute_command(*command)  # type: ignore[arg-type]

    def agreed(self, size: int = MASTERS) -> bool:
        """True once every node that lives finds every slot served, and knows ``size`` masters and all nodes."""
        states = []
        for node in self.nodes:
            if node.process is not None and node.process.poll() is None:
                with node.client() as client:
                    states.append(client.cluster("info"))
        return all(
            (state["cluster_state"], state["cluster_size"], state["cluster_known_nodes"]) == ("ok", str(size), "4")
            for state in states
        )

    def replicated(self) -> bool:
        """True once the replica is in step with the first master."""
        with self.nodes[MASTERS].client() as client:
            return bool(client.info("replication").get("master_link_status") == "up")

    @property
    def url(self) -> str:
        """An address of it: a host that is nobody's, and one node."""
        return f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{self.nodes[1].port}"


@pytest.fixture
async def cluster(redis_binary: str, servers: list[Server]) -> Cluster:
    """A Cluster that works."""
    made = Cluster(redis_binary, servers)
    await until(made.agreed, 30)
    made.ask(made.nodes[MASTERS], "CLUSTER", "REPLICATE", made.ids[0])
    await until(made.replicated, 30)
    return made


async def test_everything_works_over_three_masters(cluster: Cluster, tmp_path: Path) -> None:
    """Values, running answers, bumps, breakers and rates, wherever their keys are; no node is asked for another's key."""
    for node in cluster.nodes:
        cluster.ask(node, "CONFIG", "RESETSTAT")
    await use_everything(cluster.url, tmp_path)
    for node in cluster.nodes[:MASTERS]:
        with node.client() as client:
            assert client.dbsize() > 0
            stats = client.info("commandstats")
            assert stats["cmdstat_set"]["calls"] > 0
            assert {name: row for name, row in stats.items() if row.get("rejected_calls")} == {}
            assert client.info("errorstats").get("errorstat_MOVED") is None


async def test_a_slot_that_moves_is_followed(cluster: Cluster) -> None:
    """The first caller is sent on and has its answer; after that the new node is asked at once, for writes too."""
    link = RedisLink(cluster.url, timeout=5.0)
    link.start()
    assert await link.ready(20)
    key = next(
        redis_key(bytes([number]) * 32) for number in range(256) if key_slot(redis_key(bytes([number]) * 32).encode()) < 5000
    )
    slot = key_slot(key.encode())
    assert await link.call("SET", key, b"before", "PX", 60000)
    assert cluster.ask(cluster.nodes[0], "GET", key) == "before"
    cluster.ask(cluster.nodes[0], "DEL", key)
    for node in (cluster.nodes[2], cluster.nodes[0], cluster.nodes[1]):
        cluster.ask(node, "CLUSTER", "SETSLOT", slot, "NODE", cluster.ids[2])
    assert await link.call("SET", key, b"after", "PX", 60000)
    assert cluster.ask(cluster.nodes[2], "GET", key) == "after"
    assert link.post("SET", key, b"later", size=5, limit=1000)
    await link.flush()
    assert await link.call("GET", key) == b"later"
    with cluster.nodes[0].client() as client:
        assert client.info("errorstats")["errorstat_MOVED"]["count"] == 1
    await link.close()


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_dead_master_takes_its_keys_with_it_until_its_replica_serves_them(
    cluster: Cluster, tmp_path: Path, fault: Signals
) -> None:
    """Look-ups go on, those of the other masters from Redis; after the failover all keys are served again."""
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    create_tables(database)
    link = RedisLink(cluster.url, timeout=0.5)
    caches = Caches(Versions(database), RedisBackend(link), memory_bytes=1, kinds=KINDS)
    link.start()
    assert await link.ready(20)
    keys = [number.to_bytes(32, "little") for number in range(300)]
    mine = {key for key in keys if key_slot(redis_key(key).encode()) <= 16384 // MASTERS - 1}
    waits: list[float] = []

    async def hits() -> set[bytes]:
        """Those that Redis has, after all were looked up and those that were missing put again."""
        found = set()
        for key in keys:
            began = time.perf_counter()
            value = await caches.get("query_answer", key)
            waits.append(time.perf_counter() - began)
            if value is None:
                caches.put("query_answer", key, key, {})
            else:
                found.add(key)
        assert caches.backend is not None
        await caches.backend.flush()
        return found

    give_up = time.monotonic() + 60
    while await hits() != set(keys):
        assert time.monotonic() < give_up
    cluster.nodes[0].signal(fault)
    waits.clear()
    began = time.monotonic()
    kept = await hits()
    assert kept <= set(keys) - mine
    assert link.up
    with pytest.raises(RedisDown):
        await link.call("GET", redis_key(min(mine)))
    assert len(kept) > len(keys) // 3
    while await hits() != set(keys):
        assert time.monotonic() - began < 60
        await asyncio.sleep(0.02)
    took = time.monotonic() - began
    waits.sort()
    print(f"{fault.name}: all keys again after {took:.2f} s, {len(waits)} look-ups, p99 {waits[len(waits) * 99 // 100]:.4f} s")
    await caches.close()
    database.close()
