"""One process of a fleet that shares running answers: asked on a socket, it streams events as a server would.

Run as ``python -m tests.faults.kills.answer_process STORE REDIS PORT TIMEOUT``; TIMEOUT is the longest that a request waits for Redis,
seconds. A request is one JSON line: what to make, and where to resume;
the reply is one line with the answer's id, then one line an event, then ``end`` or the error's code.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from contextlib import suppress
from typing import Any

import orjson
import structlog

from hexar.core.cache import Caches
from hexar.core.cache.invalidation import Invalidation
from hexar.core.cache.redis import RedisBackend
from hexar.core.cache.versions import Versions
from hexar.core.deadline import Deadline
from hexar.core.errors import HexarError
from hexar.core.eventlog import Answers, AnswerSpec, Completion, EventLog
from hexar.core.eventlog.redis import RedisRuns
from hexar.core.redis.link import RedisLink
from hexar.core.store import Database
from tests.fix.kinds import KINDS


class Replica:
    """Answers of one process. An answer has ``count`` events, one every ``pause`` seconds; ``moody``: each run makes others."""

    def __init__(self, store: str, redis_url: str, timeout: float) -> None:
        self.database = Database(store)
        self.versions = Versions(self.database)
        self.link = RedisLink(redis_url, timeout=timeout)
        self.caches = Caches(self.versions, RedisBackend(self.link), memory_bytes=1 << 20, kinds=KINDS)
        self.invalidation = Invalidation(self.versions, self.link)
        self.runs = RedisRuns(self.link)
        self.answers = Answers(self.caches, self.runs)

    def spec(self, request: dict[str, Any]) -> AnswerSpec:
        """The answer that ``request`` asks for."""
        mood = os.urandom(4).hex() if request.get("moody") else ""

        async def produce(events: EventLog) -> Completion:
            for step in range(request["count"]):
                events.append(f"{request['name']}-{step}{mood}".encode())
                await asyncio.sleep(request["pause"])
            return Completion()

        key = hashlib.sha256(request["name"].encode()).digest()
        return AnswerSpec("query_answer", key, produce, self.caches.snapshot("t", "query_answer"))

    async def reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one request."""
        answer = None
        try:
            request = orjson.loads(await reader.readline())
            if request.get("stats"):
                stats = {"productions": self.runs.productions, "takeovers": self.runs.takeovers, "up": self.link.up}
                writer.write(orjson.dumps(stats) + b"\n")
                return
            after, wanted = request.get("after", 0), request.get("id", "")
            spec, deadline = self.spec(request), Deadline.after(60)
            if wanted:
                answer = await self.answers.find(wanted, spec, deadline)
            if answer is None:
                answer = await self.answers.open(spec, deadline)
            if wanted and answer.answer_id != wanted:
                writer.write(b'{"error":10}\n')
                return
            writer.write(orjson.dumps({"id": answer.answer_id, "origin": answer.origin.value}) + b"\n")
            async for batch in answer.batches(after):
                for event in batch:
                    after += 1
                    writer.write(orjson.dumps({"seq": after, "event": event.hex()}) + b"\n")
                await writer.drain()
            writer.write(b'{"end":true}\n')
        except HexarError as error:
            writer.write(orjson.dumps({"error": int(error.code)}) + b"\n")
        finally:
            if answer is not None:
                answer.close()
            with suppress(ConnectionError):
                await writer.drain()
                writer.close()

    async def serve(self, port: int) -> None:
        """Answer until killed."""
        self.versions.load()
        self.link.start()
        self.invalidation.start()
        await self.link.ready(20)
        server = await asyncio.start_server(self.reply, "127.0.0.1", port)
        print("listening", flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(Replica(sys.argv[1], sys.argv[2], float(sys.argv[4])).serve(int(sys.argv[3])))
