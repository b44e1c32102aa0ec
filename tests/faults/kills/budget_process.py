"""One process of a fleet that spends budgets: every charge that is durable is told on stdout, one line each, "id tenant cost".

Run as ``python -m tests.faults.kills.budget_process STORE SEED LEASE TENANTS``. Two threads reserve and settle random amounts until
each was refused for as long as a dead process can hold what it leased, and a little longer.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time

from hexar.core.errors import ResourceExhausted
from hexar.core.ledger import Charge, Ledger
from hexar.core.store import Database

#: The most that is reserved at once, micros.
MOST = 3000


def spend(ledger: Ledger, tenants: list[str], seed: str, patience: float) -> None:
    """Spend until nothing was left for ``patience`` seconds."""
    rng = random.Random(seed)
    until = time.monotonic() + patience
    while time.monotonic() < until:
        tenant, asked = rng.choice(tenants), rng.randint(1, MOST)
        try:
            held = ledger.reserve(tenant, asked)
        except ResourceExhausted:
            time.sleep(0.05)
            continue
        cost = rng.randint((asked + 1) // 2, asked)
        if rng.random() < 0.1:
            held.release()
        else:
            held.settle(Charge(cost))
            # One write, so that a kill leaves no half of a line, nor two threads a mixed one.
            os.write(1, f"{held.id} {tenant} {cost}\n".encode())
        until = time.monotonic() + patience


def main() -> None:
    """Spend from two threads, then end in order."""
    store, seed, lease = sys.argv[1], sys.argv[2], float(sys.argv[3])
    database = Database(store)
    ledger = Ledger(database, lease_seconds=lease)
    print("ready", flush=True)
    threads = [
        threading.Thread(target=spend, args=(ledger, sys.argv[4:], f"{seed}-{number}", lease + 2.5)) for number in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ledger.close()
    database.close()


if __name__ == "__main__":
    main()
