"""After a bump is acknowledged no process serves what it made old, whatever happens to Redis and to the processes."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from hexar.core.cache.versions import Versions
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables
from tests.fix.chaos import seeded, short_and_long
from tests.fix.pace import Pace
from tests.fix.stores.redis_server import RedisServer

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

#: Random operations of one test.
OPERATIONS = int(os.environ.get("HEXAR_OPERATIONS", "10000"))


class Process:
    """A member of the fleet, over its pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._ids = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._reading = asyncio.create_task(self._read())

    async def do(self, what: str, name: str = "") -> Any:
        """The result of an operation; raises ConnectionError where the process died over it."""
        number = next(self._ids)
        self._waiting[number] = future = asyncio.get_running_loop().create_future()
        assert self.process.stdin is not None
        self.process.stdin.write(orjson.dumps({"id": number, "do": what, "name": name}) + b"\n")
        return await future

    async def ready(self) -> None:
        """Wait until it trusts its versions."""
        give_up = time.monotonic() + 20
        while not (await self.do("state"))["current"]:
            assert time.monotonic() < give_up
            await asyncio.sleep(0.05)

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            answer = orjson.loads(line)
            self._waiting.pop(answer["id"]).set_result(answer["result"])
        for future in self._waiting.values():
            future.set_exception(ConnectionError())

    async def end(self) -> None:
        """Let it end by itself, or end it."""
        assert self.process.stdin is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.stdin.close()
            try:
                async with asyncio.timeout(10):
                    await self.process.wait()
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
        await self._reading


Fleet = Callable[[int], Awaitable[list[Process]]]


@pytest.fixture
async def fleet(fragile_redis: RedisServer, tmp_path: Path) -> AsyncIterator[Fleet]:
    store = f"sqlite:///{tmp_path / 'store.db'}"
    database = Database(store)
    create_tables(database)
    Versions(database).load()
    database.close()
    begun: list[Process] = []

    async def begin(count: int) -> list[Process]:
        made = [
            Process(
                await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "tests.faults.stores.cache_process", store, fragile_redis.url,
                    stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=os.environ,
                )
            )
            for _ in range(count)
        ]  # fmt: skip
        begun.extend(made)
        for process in made:
            await process.ready()
        return made

    yield begin
    for process in begun:
        await process.end()


class Model:
    """What has been acknowledged: a value that is served is never older than what was acknowledged before it was asked for."""

    def __init__(self) -> None:
        self.rng = seeded()
        self.acknowledged: defaultdict[str, int] = defaultdict(int)
        self.counts: defaultdict[str, int] = defaultdict(int)
        self.slowest: defaultdict[str, float] = defaultdict(float)

    def caller(self) -> random.Random:
        """The choices of one caller, which no other's timing disturbs."""
        return random.Random(self.rng.getrandbits(64))

    async def step(self, rng: random.Random, processes: list[Process], names: list[str], bumps: float) -> None:
        """One random operation on a random process, checked."""
        process = rng.choice(processes)
        name = rng.choice(names)
        draw = rng.random()
        known = self.acknowledged[name]
        what = "bump" if draw < bumps else "put" if draw < bumps + 0.15 else "get"
        began = time.monotonic()
        result = await process.do(what, name)
        self.slowest[what] = max(self.slowest[what], time.monotonic() - began)
        self.counts[what] += 1
        if what == "bump":
            self.acknowledged[name] = max(self.acknowledged[name], result)
        elif result is not None:
            self.counts["hit"] += what == "get"
            assert result >= known, f"{name}: version {result} was served after {known} was acknowledged"


@pytest.mark.parametrize("operations", short_and_long(1200, OPERATIONS))
async def test_no_process_serves_the_old_answer(fleet: Fleet, operations: int) -> None:
    """Random operations by 12 callers on three processes: reads, writes and bumps of the same names at once."""
    model = Model()
    processes = await fleet(3)
    names = [f"portfolio:{number}" for number in range(12)]
    # Who joined less than a lease ago may be asked to wait for those who were there before the server knew of anyone.
    await asyncio.gather(*(process.do("bump", "warm") for process in processes))

    async def caller(rng: random.Random) -> None:
        for _ in range(operations // 12):
            await model.step(rng, processes, names, 0.05)

    began = time.monotonic()
    await asyncio.gather(*(caller(model.caller()) for _ in range(12)))
    print(dict(model.counts), {what: round(seconds, 3) for what, seconds in model.slowest.items()}, time.monotonic() - began)
    assert model.counts["hit"] > operations // 5
    assert model.counts["bump"] > operations // 33


@pytest.mark.chaos
@pytest.mark.parametrize("fault", ["kill", "freeze"])
async def test_redis_lost_and_found(fleet: Fleet, fragile_redis: RedisServer, fault: str) -> None:
    """Redis dies or hangs, and comes back, under load: nothing old is served, every bump is acknowledged, reads stay fast."""
    model = Model()
    processes = await fleet(3)
    names = [f"portfolio:{number}" for number in range(6)]
    over = time.monotonic() + 12

    async def caller(rng: random.Random) -> None:
        while time.monotonic() < over:
            await model.step(rng, processes, names, 0.02)
            await asyncio.sleep(0.002)

    callers = [asyncio.create_task(caller(model.caller())) for _ in range(8)]
    for _ in range(2):
        await asyncio.sleep(1.0 + model.rng.random())
        (fragile_redis.kill if fault == "kill" else fragile_redis.freeze)()
        await asyncio.sleep(1.0 + 2 * model.rng.random())
        (fragile_redis.start if fault == "kill" else fragile_redis.thaw)()
    await asyncio.gather(*callers)
    print(dict(model.counts), {what: round(seconds, 3) for what, seconds in model.slowest.items()})
    for process in processes:
        await process.ready()
    assert model.counts["hit"] > 100
    assert model.counts["bump"] >= 8


@pytest.mark.chaos
async def test_a_process_that_dies_or_stops_delays_a_bump_and_no_more(fleet: Fleet, pace: Pace) -> None:
    """A bump waits for a process that is killed or stopped for its lease, once; the stopped one serves nothing old after."""
    one, killed, stopped = await fleet(3)
    await asyncio.sleep(2.1)
    for process in (one, killed, stopped):
        await process.ready()
        await process.do("put", "a")
        assert await process.do("get", "a") == 0
    killed.process.kill()
    await killed.process.wait()
    stopped.process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    assert await one.do("bump", "a") == 1
    assert 1.0 < time.monotonic() - began < 4.0 + pace.slack()
    began = time.monotonic()
    assert await one.do("bump", "a") == 2
    # Less than a lease: they are struck from the list.
    assert time.monotonic() - began < 1.0 + pace.slack()
    late = asyncio.create_task(stopped.do("get", "a"))
    await asyncio.sleep(0.1)
    stopped.process.send_signal(signal.SIGCONT)
    assert await late is None
    await stopped.ready()
    await stopped.do("put", "a")
    assert await stopped.do("get", "a") == 2
