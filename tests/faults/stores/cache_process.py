"""One process of a fleet that shares caches: reads operations from stdin, one JSON object a line, and answers each with one.

Run as ``python -m tests.faults.stores.cache_process STORE REDIS``. ``put`` reads the source (the committed version of a name) as a
pipeline would and keeps it; ``get`` says what the caches serve; ``bump`` is acknowledged when every process has forgotten.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from typing import Any

import orjson
import sqlalchemy as sa
import structlog

from hexar.core.cache import Caches
from hexar.core.cache.invalidation import Invalidation
from hexar.core.cache.redis import RedisBackend
from hexar.core.cache.versions import Versions, versions_table
from hexar.core.redis.link import RedisLink
from hexar.core.store import Database
from tests.fix.kinds import KINDS


class Member:
    """The caches of one process, and its hold on the store."""

    def __init__(self, store: str, redis_url: str) -> None:
        self.database = Database(store)
        self.versions = Versions(self.database)
        self.link = RedisLink(redis_url)
        self.caches = Caches(self.versions, RedisBackend(self.link), memory_bytes=1 << 20, kinds=KINDS)
        self.invalidation = Invalidation(self.versions, self.link)

    async def perform(self, operation: dict[str, Any]) -> Any:
        """The outcome of one operation."""
        name = operation.get("name", "")
        key = hashlib.sha256(name.encode()).digest()
        if operation["do"] == "put":
            depends = self.caches.snapshot("t", "query_answer", name)
            value = await self.database.run(self._source, name)
            self.caches.put("query_answer", key, str(value).encode(), depends)
            return value
        if operation["do"] == "get":
            found = await self.caches.get("query_answer", key)
            return None if found is None else int(found.value)
        if operation["do"] == "bump":
            return await self.database.run(self.versions.bump, name)
        return {"up": self.link.up, "current": self.invalidation.current()}

    def _source(self, name: str) -> int:
        with self.database.read() as connection:
            found = connection.execute(sa.select(versions_table.c.version).where(versions_table.c.name == name)).scalar()
        return int(found or 0)

    async def serve(self) -> None:
        """Perform what comes in, side by side, until the input ends."""
        self.versions.load()
        self.link.start()
        self.invalidation.start()
        reader = asyncio.StreamReader(limit=1 << 20)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        running: set[asyncio.Task[None]] = set()
        while line := await reader.readline():
            task = asyncio.create_task(self._answer(orjson.loads(line)))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)
        await self.invalidation.close()
        await self.caches.close()
        self.database.close()

    async def _answer(self, operation: dict[str, Any]) -> None:
        answer = {"id": operation["id"], "result": await self.perform(operation)}
        sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    # Standard output carries the answers.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(Member(sys.argv[1], sys.argv[2]).serve())
