"""Processes killed at random instants: no acknowledged job is lost, no effect is applied twice."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from hexar.core.jobs.queue import jobs_table
from hexar.core.store import Database
from tests.faults.job_process import effects

KILLS = 50


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_fifty_kills_lose_no_job_and_apply_none_twice(tmp_path: Path) -> None:
    """Each killed process acknowledged jobs; after the last restart every one of them has had its effect once."""
    seed = int(os.environ.get("HEXAR_SEED", random.randrange(1 << 32)))
    print(f"seed {seed}")
    rng = random.Random(seed)
    path = tmp_path / "store.db"
    database = Database(f"sqlite:///{path}")
    database.create_tables()
    with database.write() as connection:
        effects.create(connection)
    acknowledged: list[str] = []
    for _ in range(KILLS):
        with started(path) as process:
            for _ in range(rng.randrange(1, 4)):
                acknowledged.append(ask(process, rng.uniform(0, 0.05)))
            time.sleep(rng.uniform(0, 0.08))
            process.send_signal(signal.SIGKILL)
    with started(path) as process:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with database.read() as connection:
                open_jobs = connection.execute(
                    sa.select(sa.func.count()).where(jobs_table.c.state.in_(("queued", "running")))
                ).scalar_one()
            if not open_jobs:
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    with database.read() as connection:
        applied = Counter(connection.execute(sa.select(effects.c.job)).scalars())
        states = dict(connection.execute(sa.select(jobs_table.c.id, jobs_table.c.state)).all())
    database.close()
    assert len(acknowledged) >= KILLS
    assert {job: states.get(job) for job in acknowledged if states.get(job) != "succeeded"} == {}
    assert {job: applied[job] for job in acknowledged if applied[job] != 1} == {}
    assert [job for job, count in applied.items() if count > 1] == []


def started(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "job_process.py"), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "ready"
    return process


def ask(process: subprocess.Popen[str], seconds: float) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{seconds:.3f}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()
