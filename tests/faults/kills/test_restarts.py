"""Servers that are told to end under load, one after the other: callers of the SDK see no failed call.

But one kind: gRPC cancels a call that reaches a server between the moment it stops and the moment the client hears of it, whichever
server is made of it. The SDK repeats what only looks. What changes something ends as CANCELLED then, since nobody knows
whether it was carried out.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import count
from pathlib import Path

import pytest

from hexar_client import AsyncClient
from hexar_client.chat import Upload
from hexar_client.errors import HexarError
from tests.fix.server_process import ServerProcess

ROUNDS, CALLERS = 6, 6


class _Callers:
    """Callers who ask without a pause; what they do is counted by its end."""

    def __init__(self, addresses: list[str]) -> None:
        self._numbers = count()
        self.ends: Counter[str] = Counter()
        self._stop = asyncio.Event()
        self._ended = asyncio.Semaphore(0)
        self._tasks = [asyncio.create_task(self._work(addresses)) for _ in range(CALLERS)]

    async def _work(self, addresses: list[str]) -> None:
        async with AsyncClient(addresses) as client:
            while not self._stop.is_set():
                await self._call("search", client.portfolios.search("notes", "stove"))
                await self._call("create", client.portfolios.create(f"p{next(self._numbers)}"))
                await self._call("status", client.ops.status())

    async def _call(self, what: str, call: object) -> None:
        try:
            await call  # type: ignore[misc]
            self.ends[what] += 1
        except HexarError as error:
            self.ends[f"{what} failed: {type(error).__name__} {error}"] += 1
        self._ended.release()

    async def more(self, calls: int) -> None:
        """Return when so many more calls have ended."""
        self._ended = asyncio.Semaphore(0)
        async with asyncio.timeout(120):
            for _ in range(calls):
                await self._ended.acquire()

    async def stop(self) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)


@pytest.mark.chaos
@pytest.mark.timeout(300)
async def test_no_call_with_one_answer_fails_while_servers_restart(tmp_path: Path) -> None:
    """Each in turn gets SIGTERM, ends, and is started again on its port."""
    servers = [
        ServerProcess(tmp_path, name, data_dir=str(tmp_path / name), jobs={"workers": 0}, drain_seconds=5)
        for name in ("first", "second")
    ]
    for server in servers:
        await server.start()
        async with AsyncClient(server.address) as client:
            await client.portfolios.add("notes", [Upload("n0.md", b"# Note\n\nThe stove burns gas.\n")])
    callers = _Callers([server.address for server in servers])
    try:
        for number in range(ROUNDS):
            server = servers[number % 2]
            await callers.more(20 * CALLERS)
            await server.stop()
            await callers.more(20 * CALLERS)
            await server.start()
        await callers.more(20 * CALLERS)
    finally:
        await callers.stop()
        for server in servers:
            await server.kill()
    print(f"n={callers.ends.total()} calls, {ROUNDS} restarts: {dict(callers.ends)}")
    untold = callers.ends.pop("create failed: Cancelled CANCELLED", 0)
    # A caller has one call on its way when a server stops.
    assert untold <= ROUNDS * CALLERS
    assert set(callers.ends) == {"search", "create", "status"}
