"""The nodes of a Redis Cluster: which one serves a key, and who takes over where one is gone.

The map of slots is asked of any node that is up, every :data:`REFRESH_EVERY` seconds, and at once where a node refuses a key as
not its own or a master is down. A key's slot is its CRC16 modulo 16384, of the part in braces where there is one.

Source: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import structlog
from redis.asyncio import ConnectionPool
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import MovedError, ResponseError

from hexar.core.redis.node import RedisDown, RedisNode

log = structlog.get_logger(__name__)

#: Seconds between two looks at the map while all is well, and while a master is down.
REFRESH_EVERY = 10.0
REFRESH_DOWN = 0.25

Address = tuple[str, int]


class ClusterNodes:
    """The masters of the Cluster that ``seeds`` belong to; ``make`` gives the connections to an address.

    Thread-safety: :meth:`node_for` may be called from any thread, the rest belongs to the event loop that called :meth:`start`.
    """

    def __init__(self, seeds: Sequence[Address], make: Callable[[Address], ConnectionPool], timeout: float) -> None:
        self._seeds = list(seeds)
        self._make = make
        self._timeout = timeout
        self._nodes = {address: self._new(address) for address in self._seeds}
        self._slots: list[RedisNode | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        self._masters: list[RedisNode] = []
        #: What nodes that are gone have counted.
        self._before = [0, 0, 0]
        self._refresh_now = asyncio.Event()
        self._mapped = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def up(self) -> bool:
        """True while some of the masters answer."""
        return any(node.up for node in self._masters)

    @property
    def commands(self) -> int:
        """Commands sent, to all nodes."""
        return self._before[0] + sum(node.commands for node in self._nodes.values())

    @property
    def pipelines(self) -> int:
        """Pipelines they went in."""
        return self._before[1] + sum(node.pipelines for node in self._nodes.values())

    @property
    def outages(self) -> int:
        """Times that a node went down."""
        return self._before[2] + sum(node.outages for node in self._nodes.values())

    @property
    def parts(self) -> int:
        """Masters that share the keys."""
        return max(1, len(self._masters))

    def start(self) -> None:
        """Begin to connect, without waiting for it; on the event loop."""
        if self._task is None:
            for node in self._nodes.values():
                node.start()
            self._task = asyncio.create_task(self._watch(), name="redis-cluster")

    async def ready(self, seconds: float) -> bool:
        """Wait until every slot has a master that is up, ``seconds`` at most; whether it is so."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._mapped.wait()
                for node in self._masters:
                    await node.ready(seconds)
        return self._complete()

    def connection(self) -> Any:
        """A connection to one of the nodes: what is published reaches subscribers at each of them."""
        up = [node for node in self._masters if node.up]
        return random.choice(up or self._masters or list(self._nodes.values())).connection()

    def node_for(self, command: tuple[Any, ...]) -> RedisNode | None:
        """The master of the command's key; None where nobody serves it."""
        if command[0] in ("EVAL", "EVALSHA"):
            key = command[3] if command[2] else None
        else:
            key = command[1] if len(command) > 1 else None
        if key is None:
            return next((node for node in self._masters if node.up), None)
        return self._slots[key_slot(key.encode() if isinstance(key, str) else key)]

    def moved(self, error: MovedError) -> RedisNode | None:
        """The node that a refusal names, from now on the master of the slot."""
        self._refresh_now.set()
        if self._task is None or not error.host:
            return None
        node = self._slots[error.slot_id] = self._node((error.host, error.port))
        return node

    async def flush(self) -> None:
        """Wait until what was posted is sent, or given up."""
        await asyncio.gather(*(node.flush() for node in self._nodes.values()))

    async def close(self) -> None:
        """Send what waits, then close the connections."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        await asyncio.gather(*(node.close() for node in self._nodes.values()), *self._leaving)
        self._masters = []

    def _new(self, address: Address) -> RedisNode:
        node = RedisNode(self._make(address), self._timeout)
        node.refused = self._refused
        return node

    def _node(self, address: Address) -> RedisNode:
        node = self._nodes.get(address)
        if node is None:
            node = self._nodes[address] = self._new(address)
            node.start()
        return node

    def _refused(self, error: ResponseError) -> None:
        if isinstance(error, MovedError):
            self.moved(error)

    def _complete(self) -> bool:
        return bool(self._masters) and None not in self._slots and all(node.up for node in self._masters)

    async def _watch(self) -> None:
        while True:
            self._refresh_now.clear()
            await self._refresh()
            with suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_EVERY if self._complete() else REFRESH_DOWN):
                    await self._refresh_now.wait()
            # A node that refuses many keys is one reason to look, not many.
            await asyncio.sleep(0.02)

    async def _refresh(self) -> None:
        """Take the map from the first node that gives one."""
        for address, node in random.sample(list(self._nodes.items()), len(self._nodes)):
            if not node.up:
                continue
            try:
                rows = await node.call("CLUSTER", "SLOTS")
            except RedisDown:
                continue
            except ResponseError as error:
                log.warning("cluster_refused", error=str(error)[:200])
                continue
            if rows:
                self._take(rows, address[0])
                return

    def _take(self, rows: Sequence[Any], asked: str) -> None:
        slots: list[RedisNode | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        masters: dict[int, RedisNode] = {}
        for first, last, master, *_ in rows:
            # A node that does not know its own name is at the address where it was asked.
            host = master[0].decode() if master[0] else asked
            node = self._node((host, int(master[1])))
            masters[id(node)] = node
            slots[first : last + 1] = [node] * (last + 1 - first)
        self._slots, self._masters = slots, list(masters.values())
        self._mapped.set()
        for address, node in list(self._nodes.items()):
            if id(node) not in masters and address not in self._seeds:
                del self._nodes[address]
                for place, count in enumerate((node.commands, node.pipelines, node.outages)):
                    self._before[place] += count
                task = asyncio.create_task(node.close())
                self._leaving.add(task)
                task.add_done_callback(self._leaving.discard)
