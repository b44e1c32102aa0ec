"""Workers killed at random instants, over SQLite and PostgreSQL: no job is lost, no effect applied twice, poison is put aside.

``HEXAR_KILLS`` is the number of kills, ``HEXAR_SEED`` the choices of an earlier run.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from hexar.core.jobs.queue import WORKER_DIED, JobQueue, jobs_table
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables
from tests.faults.kills.job_process import effects
from tests.fix.chaos import seeded, short_and_long

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]

KILLS = int(os.environ.get("HEXAR_KILLS", "15"))
#: Good jobs beside those that kill their worker.
GOOD = 1000
#: Worker processes at once.
FLEET = 4
#: Seconds after which a killed worker's jobs are taken over.
LEASE = 0.6


class Process:
    """A worker process, over its pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, store: str, threads: int = 3, lease: float = LEASE) -> Process:
        """A process that runs jobs already."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.faults.kills.job_process", store, str(threads), str(lease),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=os.environ,
        )  # fmt: skip
        assert process.stdout is not None
        await process.stdout.readline()
        return cls(process)

    async def do(self, **command: Any) -> dict[str, Any]:
        """What it acknowledges; ConnectionError where it died over it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(orjson.dumps(command) + b"\n")
        line = await self.process.stdout.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError
        answer: dict[str, Any] = orjson.loads(line)
        return answer

    async def kill(self) -> None:
        """End it as kill -9 does."""
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        self.process._transport.close()  # type: ignore[attr-defined]


@dataclass
class History:
    """What was acknowledged, and what must hold of the store for it."""

    #: The orders of each acknowledged job, and its key.
    submitted: dict[str, tuple[dict[str, Any], str | None]] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    #: Jobs whose cancel was asked for: of one that was killed over it nobody knows whether it was cancelled.
    unwanted: set[str] = field(default_factory=set)

    def check(self, database: Database) -> Counter[str]:
        """Compare the store with the history; how many jobs ended in which state."""
        with database.read() as connection:
            rows = {row.id: row for row in connection.execute(sa.select(jobs_table))}
            applied = connection.execute(sa.select(effects.c.job, effects.c.fence)).all()
        times = Counter(row.job for row in applied)
        assert self.submitted.keys() - rows.keys() == set(), "acknowledged and lost"
        assert {job: count for job, count in times.items() if count > 1} == {}, "applied more than once"
        for row in rows.values():
            assert row.state in ("succeeded", "dead", "cancelled"), f"{row.id} never ended"
            assert times[row.id] == (row.state == "succeeded"), f"{row.id} is {row.state} and was applied {times[row.id]} times"
        assert {row.fence for row in applied if rows[row.job].fence != row.fence} == set(), (
            "applied by a worker that had lost it"
        )
        for job, (orders, key) in self.submitted.items():
            row = rows[job]
            assert row.dedupe_key == key, "joined with other work"
            if job in self.cancelled:
                assert row.state == "cancelled", "a cancel that was acknowledged did not hold"
            elif orders.get("kill"):
                assert (row.state, row.attempts) == ("dead", 3)
                assert row.error == "its worker died; delivered 3 times"
            elif job not in self.unwanted:
                assert row.state == "succeeded", f"{job} is {row.state}: {row.error}"
        return Counter(row.state for row in rows.values())


def unfinished(database: Database) -> int:
    """Jobs that have not ended."""
    with database.read() as connection:
        waiting = sa.select(sa.func.count()).where(jobs_table.c.state.in_(("queued", "running")))
        return int(connection.execute(waiting).scalar_one())


async def all_ended(database: Database, seconds: float) -> bool:
    """Wait until every job has ended; False where it takes longer than ``seconds``."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if not await asyncio.to_thread(unfinished, database):
            return True
        await asyncio.sleep(0.1)
    return False


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty store of each sort, with the table of effects."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'store.db'}"
    else:
        url = request.getfixturevalue("postgres_url").replace("postgresql://", "postgresql+psycopg://")
    made = Database(url)
    create_tables(made)
    with made.write() as connection:
        effects.create(connection)
    yield made
    made.close()


Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start(database: Database) -> AsyncIterator[Start]:
    """Start processes on the store; all that are left are killed after the test."""
    made: list[Process] = []

    async def begin(**options: Any) -> Process:
        made.append(await Process.start(database.engine.url.render_as_string(hide_password=False), **options))
        return made[-1]

    yield begin
    for process in made:
        await process.kill()


@pytest.mark.parametrize("most", short_and_long(4, KILLS))
async def test_kills_lose_no_job_and_apply_none_twice(database: Database, start: Start, most: int) -> None:
    """Of four workers one after another is killed, which all submit, join, cancel, fail and run: the history holds."""
    rng = seeded()
    history, queue = History(), JobQueue(database)
    fleet = list(await asyncio.gather(*(start() for _ in range(FLEET))))
    began = time.monotonic()
    kills = 0

    async def give_orders(process: Process, rng: random.Random) -> None:
        for _ in range(rng.randrange(1, 5)):
            if history.submitted and rng.random() < 0.15:
                job = rng.choice(list(history.submitted))
                history.unwanted.add(job)
                if (await process.do(do="cancel", id=job))["state"] == "cancelled":
                    history.cancelled.add(job)
                continue
            key = f"key {rng.randrange(8)}" if rng.random() < 0.3 else None
            orders = {"seconds": rng.uniform(0, 0.05), "fail": rng.choice([0, 0, 0, 1])}
            done = await process.do(do="submit", orders=orders, key=key, priority=rng.choice([0, 5, 10]), attempts=1000)
            history.submitted.setdefault(done["id"], (orders, key))

    async def place(number: int, rng: random.Random) -> None:
        # One place in the fleet: its process gets orders, is killed at any instant, also over an order, and replaced.
        nonlocal kills
        while kills < most:
            kills += 1
            for _ in range(8):
                # Work that is acknowledged by one who lives, so that who is killed is always at work.
                work = {"seconds": rng.uniform(0, 0.05)}
                history.submitted[await asyncio.to_thread(_submit, queue, work, 1000)] = (work, None)
            turn, delay = random.Random(rng.getrandbits(64)), rng.uniform(0, 0.15)
            orders = asyncio.create_task(give_orders(fleet[number], turn))
            await asyncio.sleep(delay)
            await fleet[number].kill()
            with suppress(ConnectionError):
                await orders
            fleet[number] = await start()

    await asyncio.gather(*(place(number, random.Random(rng.getrandbits(64))) for number in range(FLEET)))
    assert await all_ended(database, 180)
    states = history.check(database)
    with database.read() as connection:
        again = connection.execute(sa.select(sa.func.count()).where(jobs_table.c.error == WORKER_DIED)).scalar_one()
    print("kills", kills, "acknowledged", len(history.submitted), dict(states), "taken over", again)
    print("seconds", round(time.monotonic() - began, 1))
    assert len(history.submitted) >= 8 * most
    assert again >= max(1, most // 4)


@pytest.mark.parametrize("good", short_and_long(60, GOOD))
async def test_a_job_that_kills_its_worker_is_put_aside(database: Database, start: Start, good: int) -> None:
    """Two jobs that kill their process are dead after three deliveries each, and many good ones end well meanwhile.

    A good job may be tried three times as well: it must not be lost for running beside one that kills.
    """
    history = History()
    queue = JobQueue(database)
    for number in range(good):
        orders: dict[str, Any] = {"seconds": 0.0}
        history.submitted[_submit(queue, orders)] = (orders, None)
        if number in (good // 10, good // 2):
            orders = {"kill": True}
            history.submitted[_submit(queue, orders)] = (orders, None)
    began = time.monotonic()
    deaths = 0

    async def place() -> None:
        nonlocal deaths
        while True:
            process = await start()
            await process.process.wait()
            deaths += 1

    places = [asyncio.create_task(place()) for _ in range(2)]
    assert await all_ended(database, 300)
    for task in places:
        task.cancel()
    await asyncio.gather(*places, return_exceptions=True)
    states = history.check(database)
    print("deaths", deaths, dict(states), "seconds", round(time.monotonic() - began, 1))
    assert states == {"succeeded": good, "dead": 2}
    # The first deliveries of the two may be in one process; the others are alone in theirs.
    assert deaths in (5, 6)


def _submit(queue: JobQueue, orders: dict[str, Any], attempts: int = 3) -> str:
    payload = orjson.dumps(orders)
    job, _ = queue.submit("default", "work", payload, priority=5, dedupe_key=None, max_attempts=attempts, delay=0.0)
    return job.id
