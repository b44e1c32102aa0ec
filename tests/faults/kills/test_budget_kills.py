"""Processes that spend budgets, killed at random instants, over SQLite and PostgreSQL: exact to the micro.

``HEXAR_KILLS`` is the number of kills, ``HEXAR_SEED`` the choices of an earlier run.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import func, select

from hexar.core.ledger import Ledger
from hexar.core.ledger.statements import budgets, charges, leases
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables
from tests.faults.kills.budget_process import MOST

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]

KILLS = int(os.environ.get("HEXAR_KILLS", "3"))
#: Processes at once, and threads that spend in each.
FLEET = 3
THREADS = 2
#: Seconds after which what a killed process leased is back.
LEASE = 1.0
TENANTS = ("acme", "globex")
#: What is added to each budget after a kill, micros: some hundred charges.
GRANT = 150_000


class Spender:
    """One process, and the charges that it acknowledged."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.charges: dict[str, tuple[str, int]] = {}
        self.killed = False
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, store: str, seed: str) -> Spender:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.faults.kills.budget_process", store, seed, str(LEASE), *TENANTS),
            stdout=asyncio.subprocess.PIPE,
            env=os.environ,
        )
        return cls(process)

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while (line := await self.process.stdout.readline()).endswith(b"\n"):
            if line != b"ready\n":
                number, tenant, cost = line.decode().split()
                self.charges[number] = (tenant, int(cost))

    async def kill(self) -> None:
        """End it as kill -9 does."""
        self.killed = True
        self.process.kill()
        await self.end()

    async def end(self) -> int:
        """Its exit status, once everything that it said is read."""
        await self._reading
        return await self.process.wait()


def audit(database: Database) -> dict[str, tuple[int, int, int]]:
    """(limit, spent, held) of each budget in one snapshot, after checking both against the rows that they sum up."""
    with database.read() as connection:
        if not database.is_sqlite:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        rows = {row.tenant: row for row in connection.execute(select(budgets))}
        charged = dict(connection.execute(select(charges.c.tenant, func.sum(charges.c.cost_micros)).group_by("tenant")).all())
        leased = dict(connection.execute(select(leases.c.tenant, func.sum(leases.c.amount_micros)).group_by("tenant")).all())
    for tenant, row in rows.items():
        assert row.spent_micros == int(charged.get(tenant, 0))
        assert row.held_micros == int(leased.get(tenant, 0))
        assert row.spent_micros + row.held_micros <= row.limit_micros
    return {tenant: (row.limit_micros, row.spent_micros, row.held_micros) for tenant, row in rows.items()}


@pytest.fixture
async def everyone() -> AsyncIterator[list[Spender]]:
    """The processes of a test, all of which are gone after it."""
    made: list[Spender] = []
    yield made
    for spender in made:
        with suppress(ProcessLookupError):
            spender.process.kill()
        await spender.end()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    made: str = request.getfixturevalue("make_postgres_url")()
    return made


def test_processes_that_start_together_set_the_same_budget(url: str) -> None:
    """Each server sets the budgets of its configuration: one row comes of it, and nobody fails."""
    databases = [Database(url) for _ in range(4)]
    create_tables(databases[0])
    ledgers = [Ledger(database) for database in databases]
    with ThreadPoolExecutor(4) as pool:
        for tenant in range(20):
            list(pool.map(Ledger.set_budget, ledgers, [f"t{tenant}"] * 4, [1000 + tenant] * 4))
    assert {tenant: row[0] for tenant, row in audit(databases[0]).items()} == {f"t{n}": 1000 + n for n in range(20)}
    ledgers[1].set_budget("t0", 5)
    assert audit(databases[0])["t0"] == (5, 0, 0)
    for ledger, database in zip(ledgers, databases):
        ledger.close()
        database.close()


@pytest.mark.chaos
async def test_budgets_are_exact_whoever_is_killed(url: str, everyone: list[Spender]) -> None:
    """At every moment spent and held are within the limit; no acknowledged charge is lost, none is written twice, and all is
    spent in the end."""
    seed = int(os.environ.get("HEXAR_SEED", random.randrange(1 << 32)))
    print(f"seed {seed}: {KILLS} kills over {url.partition(':')[0]}")
    rng = random.Random(seed)
    database = Database(url)
    create_tables(database)
    ledger = Ledger(database, lease_seconds=LEASE)

    def grant() -> None:
        """Let each tenant spend as much again, while all of them spend."""
        known = audit(database)
        for tenant in TENANTS:
            limit, spent, held = known.get(tenant, (0, 0, 0))
            # Never less than before: what a dead process held is free again, and others may have taken it since the look.
            ledger.set_budget(tenant, max(limit, spent + held + GRANT))

    await asyncio.to_thread(grant)

    async def start() -> Spender:
        everyone.append(await Spender.start(url, f"{seed}-{len(everyone)}"))
        return everyone[-1]

    fleet = [await start() for _ in range(FLEET)]
    for _ in range(KILLS):
        give_up = time.monotonic() + 60
        victim = rng.choice(fleet)
        while not victim.charges:
            assert time.monotonic() < give_up
            await asyncio.sleep(0.02)
        await asyncio.sleep(rng.random() * 0.5)
        await victim.kill()
        fleet[fleet.index(victim)] = await start()
        await asyncio.to_thread(grant)
    give_up = time.monotonic() + 60
    while not all(spender.charges for spender in fleet):
        assert time.monotonic() < give_up
        await asyncio.sleep(0.02)
    # From now on nothing is added, and what is left is spent to the end.
    for spender in fleet:
        assert await spender.end() == 0
    await asyncio.to_thread(ledger.close)
    final = await asyncio.to_thread(audit, database)
    acknowledged = {number: charge for spender in everyone for number, charge in spender.charges.items()}
    with database.read() as connection:
        kept = {row.id: (row.tenant, row.cost_micros) for row in connection.execute(select(charges))}
    assert acknowledged.items() <= kept.items()
    # What was durable and not yet said: at most one charge of each thread that was killed.
    unsaid = [number for number in kept if number not in acknowledged]
    assert len(unsaid) <= THREADS * KILLS
    print(Counter(tenant for tenant, _ in kept.values()), f"{len(unsaid)} unsaid", final)
    for limit, spent, held in final.values():
        assert held == 0
        assert limit - MOST <= spent <= limit
    database.close()
