"""Turns that end together are kept together.

A commit waits for the disk. With one for each turn, five hundred streams that end at once would wait for five hundred flushes,
one after the other; with one for all that came while the last was under way, they wait for a few.
"""

import asyncio
from collections import deque

from hexar.agents.portfolio.chat.conversations import Conversations, Record
from hexar.core.errors import StoreUnavailable
from hexar.core.store import Database

#: Turns of one transaction at most: bounds how long other writers wait for it.
BATCH = 128


class Turns:
    """Keeps the turns of one process.

    Thread-safety: everything belongs to the event loop; the store's threads write.
    """

    def __init__(self, database: Database, conversations: Conversations) -> None:
        self._database = database
        self._conversations = conversations
        self._waiting: deque[tuple[Record, asyncio.Future[int]]] = deque()
        self._writing: asyncio.Task[None] | None = None

    async def record(self, record: Record) -> int:
        """Keep a turn; its number. Durable when this returns, and kept all the same where the caller is cancelled meanwhile."""
        kept: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((record, kept))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return await kept

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                # In one order everywhere, so that two processes cannot wait for each other's rows in a circle.
                batch.sort(key=lambda each: each[0][:2])
                await self._together(batch)
        finally:
            self._writing = None

    async def _together(self, batch: list[tuple[Record, asyncio.Future[int]]]) -> None:
        if len(batch) > 1:
            try:
                numbers = await self._database.run(self._conversations.record_all, [record for record, _ in batch])
            except StoreUnavailable as error:
                for _, kept in batch:
                    _fail(kept, error)
                return
            except Exception:
                # One of them is at fault: alone, each gets its own answer.
                for each in batch:
                    await self._together([each])
                return
            for (_, kept), number in zip(batch, numbers, strict=True):
                if not kept.done():
                    kept.set_result(number)
            return
        ((record, kept),) = batch
        try:
            number = await self._database.run(self._conversations.record, *record)
        except Exception as error:
            _fail(kept, error)
        else:
            if not kept.done():
                kept.set_result(number)


def _fail(kept: asyncio.Future[int], error: Exception) -> None:
    if not kept.done():
        kept.set_exception(error)
