"""Budgets are never overdrawn, charges are never lost, and reservations come back: in threads, processes and after kills."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from hexar.core.errors import InvalidArgument, ResourceExhausted, Unavailable
from hexar.core.ledger import Charge, Ledger, Period
from hexar.core.ledger.statements import charges, leases, read_budget
from hexar.core.ledger.window import window_at, window_end
from hexar.core.store import Database

MILLION = 1_000_000


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 14, 12, tzinfo=UTC).timestamp()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def make_ledger(database: Database) -> Iterator[Callable[..., Ledger]]:
    made: list[Ledger] = []

    def make(**options: object) -> Ledger:
        made.append(Ledger(database, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for ledger in made:
        ledger.close()


@pytest.fixture
def ledger(make_ledger: Callable[..., Ledger]) -> Ledger:
    return make_ledger()


def audit(database: Database, tenant: str) -> tuple[int, int]:
    """(spent, held) of the budget, after checking both against the rows that they sum up."""
    with database.read() as connection:
        charged = connection.scalar(select(func.sum(charges.c.cost_micros)).where(charges.c.tenant == tenant)) or 0
        leased = connection.scalar(select(func.sum(leases.c.amount_micros)).where(leases.c.tenant == tenant)) or 0
        budget = read_budget(connection, tenant, time.time())
    assert budget is not None
    assert (budget.spent_micros, budget.held_micros) == (charged, leased)
    return charged, leased


def test_reserve_then_settle(ledger: Ledger, database: Database) -> None:
    """A settled call is charged exactly, the rest of its reservation is free again."""
    ledger.set_budget("t", MILLION)
    with ledger.reserve("t", 900_000) as held:
        with pytest.raises(ResourceExhausted):
            ledger.reserve("t", 200_000)
        held.settle(Charge(300_000, "USD", "chat", "m", 10, 20))
    assert audit(database, "t")[0] == 300_000
    with ledger.reserve("t", 700_000):
        pass
    totals = ledger.totals("t")
    assert (totals.calls, totals.prompt_tokens, totals.completion_tokens, totals.cost_micros) == (1, 10, 20, 300_000)


def test_release_returns_everything(ledger: Ledger) -> None:
    """A call that used nothing costs nothing, however often it is released."""
    ledger.set_budget("t", MILLION)
    for _ in range(5):
        held = ledger.reserve("t", MILLION)
        held.release()
        held.release()
    assert ledger.totals("t").calls == 0


def test_the_last_micro_can_be_spent(ledger: Ledger, database: Database) -> None:
    """Slices do not strand money: small reservations empty the budget, and a large one finds what small ones returned."""
    ledger.set_budget("t", 1000)
    parts = [ledger.reserve("t", 10) for _ in range(100)]
    with pytest.raises(ResourceExhausted):
        ledger.reserve("t", 1)
    for part in parts:
        part.release()
    ledger.reserve("t", 1000).settle(Charge(1000))
    assert audit(database, "t") == (1000, 0)
    with pytest.raises(ResourceExhausted):
        ledger.reserve("t", 1)
    ledger.reserve("t", 0).release()


def test_a_call_that_costs_more_than_reserved_is_charged_as_it_is(ledger: Ledger, database: Database) -> None:
    """The provider's bill counts, and the next call finds the budget used up."""
    ledger.set_budget("t", 1000)
    ledger.reserve("t", 1000).settle(Charge(1500))
    assert audit(database, "t") == (1500, 0)
    with pytest.raises(ResourceExhausted):
        ledger.reserve("t", 1)


def test_settled_once(ledger: Ledger) -> None:
    """A second settlement, and one after a release, is a bug of the caller and says so."""
    ledger.set_budget("t", 1000)
    held = ledger.reserve("t", 10)
    held.settle(Charge(5))
    with pytest.raises(RuntimeError):
        held.settle(Charge(5))
    held = ledger.reserve("t", 10)
    held.release()
    with pytest.raises(RuntimeError):
        held.settle(Charge(5))
    with pytest.raises(InvalidArgument):
        ledger.reserve("t", -1)
    with pytest.raises(InvalidArgument):
        ledger.reserve("t", 1).settle(Charge(-1))
    with pytest.raises(InvalidArgument):
        ledger.set_budget("t", -1)


def test_without_a_budget_nothing_is_refused_and_everything_is_written(ledger: Ledger) -> None:
    """A tenant without a budget spends freely, and its usage is kept; a budget set later counts from then on."""
    ledger.reserve("free", 10**12).settle(Charge(123, "USD"))
    assert ledger.budget("free") is None
    assert ledger.totals("free").cost_micros == 123
    ledger.set_budget("free", 100)
    with pytest.raises(ResourceExhausted):
        ledger.reserve("free", 101)
    assert ledger.remove_budget("free")
    assert not ledger.remove_budget("free")
    ledger.reserve("free", 101).release()


def test_another_tenants_budget_is_not_touched(ledger: Ledger) -> None:
    """Budgets are apart."""
    ledger.set_budget("a", 100)
    ledger.set_budget("b", 100)
    held = ledger.reserve("a", 100)
    ledger.reserve("b", 100).settle(Charge(100))
    held.release()
    budget = ledger.budget("a")
    assert budget is not None
    assert budget.spent_micros == 0


def test_a_new_day_fills_the_budget(make_ledger: Callable[..., Ledger]) -> None:
    """A charge counts in the window in which its call was reserved; the next window starts at zero."""
    clock = Clock()
    ledger = make_ledger(clock=clock)
    ledger.set_budget("t", 1000, period=Period.DAY)
    late = ledger.reserve("t", 600)
    ledger.reserve("t", 400).settle(Charge(400))
    with pytest.raises(ResourceExhausted) as caught:
        ledger.reserve("t", 400)
    assert caught.value.retry_after > 0
    clock.now += 86_400
    fresh = ledger.reserve("t", 1000)
    late.settle(Charge(600))
    budget = ledger.budget("t")
    assert budget is not None
    assert (budget.spent_micros, budget.held_micros) == (0, 1000)
    fresh.settle(Charge(1000))
    assert ledger.totals("t").cost_micros == 2000


def test_windows() -> None:
    """Days and months begin at midnight UTC, December is followed by January, and a total never ends."""
    now = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()
    assert window_end(Period.MONTH, window_at(Period.MONTH, now)) == datetime(2027, 1, 1, tzinfo=UTC).timestamp()
    assert window_end(Period.DAY, window_at(Period.DAY, now)) == datetime(2027, 1, 1, tzinfo=UTC).timestamp()
    assert window_at(Period.MONTH, now + 1) == window_at(Period.MONTH, now) + 1
    assert window_end(Period.TOTAL, window_at(Period.TOTAL, now)) is None


def test_an_expired_reservation_is_returned(ledger: Ledger, database: Database) -> None:
    """Who never settles holds nothing for ever; a settlement that comes too late is still charged."""
    ledger.set_budget("t", 1000)
    forgotten = ledger.reserve("t", 1000, seconds=0.2)
    with pytest.raises(ResourceExhausted):
        ledger.reserve("t", 1000)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            ledger.reserve("t", 1000).release()
            break
        except ResourceExhausted:
            time.sleep(0.05)
    else:
        pytest.fail("the reservation did not come back")
    forgotten.settle(Charge(70))
    assert audit(database, "t")[0] == 70


def test_what_a_process_does_not_need_comes_back_to_the_others(make_ledger: Callable[..., Ledger]) -> None:
    """A slice that lies idle in one process can soon be reserved in another."""
    one, two = make_ledger(), make_ledger()
    one.set_budget("t", 1000)
    one.reserve("t", 600).release()
    with pytest.raises(ResourceExhausted) as caught:
        two.reserve("t", 1000)
    assert caught.value.retry_after <= 5.0
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            two.reserve("t", 1000).release()
            return
        except ResourceExhausted:
            time.sleep(0.1)
    pytest.fail("the idle slice did not come back")


def test_threads_never_overdraw(make_ledger: Callable[..., Ledger], database: Database) -> None:
    """Two ledgers, sixteen threads, random amounts until nothing is left: never over the limit, and no charge is lost."""
    ledgers = [make_ledger(), make_ledger()]
    limit = 500_000
    ledgers[0].set_budget("t", limit)
    settled: list[int] = []
    lock = threading.Lock()

    def work(seed: int) -> None:
        rng = random.Random(seed)
        mine = ledgers[seed % 2]
        for _ in range(60):
            asked = rng.randint(1, 4000)
            try:
                held = mine.reserve("t", asked)
            except ResourceExhausted:
                continue
            if rng.random() < 0.2:
                held.release()
                continue
            cost = rng.randint(0, asked)
            held.settle(Charge(cost))
            with lock:
                settled.append(cost)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent, held = audit(database, "t")
    assert spent == sum(settled)
    assert spent + held <= limit
    for ledger in ledgers:
        ledger.close()
    assert audit(database, "t") == (sum(settled), 0)


WORKER = """
import random, sys, time
from hexar.core.errors import ResourceExhausted
from hexar.core.ledger import Charge, Ledger
from hexar.core.store import Database
database = Database(sys.argv[1])
ledger = Ledger(database, lease_seconds=float(sys.argv[3]))
rng = random.Random(int(sys.argv[2]))
total = 0
print("ready", flush=True)
misses = 0
while misses < 40:
    asked = rng.randint(1, 3000)
    try:
        held = ledger.reserve("t", asked)
    except ResourceExhausted:
        misses += 1
        time.sleep(0.02)
        continue
    cost = rng.randint(asked // 2, asked)
    held.settle(Charge(cost))
    total += cost
    print(total, flush=True)
ledger.close()
database.close()
"""


def spawn(url: str, seed: int, lease_seconds: float) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, url, str(seed), str(lease_seconds)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ},
    )


def test_processes_never_overdraw(ledger: Ledger, database: Database, store_url: str) -> None:
    """Three processes spend one budget to its end: the charges are the sum of what each settled, and within the limit."""
    limit = 300_000
    ledger.set_budget("t", limit)
    workers = [spawn(store_url, seed, 30.0) for seed in range(3)]
    totals = []
    for worker in workers:
        output, _ = worker.communicate(timeout=100)
        assert worker.returncode == 0
        # A process that found the budget spent has settled nothing.
        totals.append(int(output.replace("ready", "0").split()[-1]))
    spent, held = audit(database, "t")
    assert spent == sum(totals)
    assert held == 0
    assert limit - 3000 <= spent <= limit


@pytest.mark.faults
def test_a_killed_process_loses_no_charge_and_holds_nothing(
    make_ledger: Callable[..., Ledger], database: Database, store_url: str
) -> None:
    """What was settled before a SIGKILL is in the ledger, and what was leased comes back when the lease lapses."""
    ledger = make_ledger(lease_seconds=1.0)
    ledger.set_budget("t", 100_000_000)
    worker = spawn(store_url, 7, 1.0)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n"
    acknowledged = [int(worker.stdout.readline()) for _ in range(20)][-1]
    worker.send_signal(signal.SIGKILL)
    rest = worker.stdout.read().split()
    worker.wait()
    worker.stdout.close()
    acknowledged = max([acknowledged, *map(int, rest)])
    spent, _ = audit(database, "t")
    # The last settlement may have been committed, and killed before it could say so.
    assert acknowledged <= spent <= acknowledged + 3000
    deadline = time.monotonic() + 15
    while audit(database, "t")[1] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert audit(database, "t") == (spent, 0)


async def test_on_the_loop(ledger: Ledger, database: Database) -> None:
    """A thousand calls at once on the event loop: exact, and settlements share their commits."""
    await asyncio.to_thread(ledger.set_budget, "t", 10_000_000)

    async def call(index: int) -> int:
        held = await ledger.reserve_async("t", 5000)
        await asyncio.sleep(0.001)
        await held.settle_async(Charge(index))
        return index

    total = sum(await asyncio.gather(*(call(index) for index in range(1000))))
    assert (await asyncio.to_thread(audit, database, "t"))[0] == total


async def test_a_cancelled_caller_loses_no_money(ledger: Ledger, database: Database) -> None:
    """A reservation that is cancelled while it waits for the store leaves nothing held; a settlement is written anyway."""
    await asyncio.to_thread(ledger.set_budget, "t", 1000)
    task = asyncio.create_task(ledger.reserve_async("t", 1000))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    held = await ledger.reserve_async("t", 1000)
    task2 = asyncio.create_task(held.settle_async(Charge(400)))
    await asyncio.sleep(0)
    task2.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task2
    (await ledger.reserve_async("t", 600)).release()
    await asyncio.to_thread(ledger.close)  # writes what is waiting
    assert await asyncio.to_thread(audit, database, "t") == (400, 0)


def test_a_closed_ledger_refuses(database: Database) -> None:
    """After closing, nothing is written any more, and that is said."""
    ledger = Ledger(database)
    ledger.close()
    ledger.close()
    with pytest.raises(Unavailable):
        ledger.reserve("t", 1)
