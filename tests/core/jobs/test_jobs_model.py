"""The job queue against a model of it: random operations of workers that live, die, fall silent and speak up too late."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from hexar.core.jobs import Job, JobState, LostLease
from hexar.core.jobs.queue import AGEING_SECONDS, WORKER_DIED, JobQueue, jobs_table
from hexar.core.store import Database
from tests.fix.chaos import seeded

#: Random operations of one test.
OPERATIONS = int(os.environ.get("HEXAR_OPERATIONS", "500"))
LEASE = 3600.0
KINDS = ("one", "two")
UNFINISHED = (JobState.QUEUED, JobState.RUNNING)

effects = sa.Table("effects", sa.MetaData(), sa.Column("job", sa.String(32)), sa.Column("fence", sa.BigInteger))


@dataclass
class Row:
    """What the store must hold of a job."""

    kind: str
    key: str | None
    priority: int
    max_attempts: int
    created_at: float
    state: JobState = JobState.QUEUED
    attempts: int = 0
    fence: int = 0
    error: str = ""
    #: It waits for the end of a pause, or its lease has not run out.
    later: bool = False
    applied: int = 0


class Model:
    """The queue as it must behave, driven side by side with the real one. ``held`` are all tokens that were ever given."""

    def __init__(self, queue: JobQueue, database: Database, rng: random.Random) -> None:
        self.queue, self.database, self.rng = queue, database, rng
        self.rows: dict[str, Row] = {}
        self.held: list[Job] = []
        self.counts: Counter[str] = Counter()

    def step(self) -> None:
        """One operation, compared."""
        operations: list[tuple[Callable[[], None], int]] = [
            (self.submit, 4), (self.claim, 6), (self.complete, 3), (self.retry, 2), (self.heartbeat, 2), (self.release, 1),
            (self.cancel, 1), (self.time_passes, 3),
        ]  # fmt: skip
        (operation,) = self.rng.choices([one for one, _ in operations], [weight for _, weight in operations])
        operation()
        self.counts[operation.__name__] += 1

    def submit(self) -> None:
        kind, priority, delayed = self.rng.choice(KINDS), self.rng.choice([0, 5, 10]), self.rng.random() < 0.2
        key = f"key {self.rng.randrange(4)}" if self.rng.random() < 0.5 else None
        attempts = self.rng.randrange(1, 5)
        job, created = self.queue.submit(
            "t", kind, b"", priority=priority, dedupe_key=key, max_attempts=attempts, delay=LEASE if delayed else 0.0
        )
        same = [
            name for name, row in self.rows.items() if key and (row.kind, row.key) == (kind, key) and row.state in UNFINISHED
        ]
        assert created == (not same)
        if same:
            assert [job.id] == same
            row = self.rows[job.id]
            row.priority = max(row.priority, priority)
        else:
            self.rows[job.id] = Row(kind, key, priority, attempts, job.created_at, later=delayed)

    def claim(self) -> None:
        kinds = self.rng.choice([("one",), ("two",), KINDS])
        job = self.queue.claim(kinds, LEASE)
        while True:
            may = [name for name, row in self.rows.items() if row.state in UNFINISHED and not row.later and row.kind in kinds]
            if not may:
                assert job is None
                return
            name = min(may, key=lambda one: self.rows[one].created_at - AGEING_SECONDS * self.rows[one].priority)
            row = self.rows[name]
            if row.attempts < row.max_attempts:
                break
            row.state, row.error = JobState.DEAD, f"{WORKER_DIED}; delivered {row.attempts} times"
        assert job is not None
        assert job.id == name
        row.error = WORKER_DIED if row.state is JobState.RUNNING else row.error
        row.state, row.attempts, row.fence, row.later = JobState.RUNNING, row.attempts + 1, row.fence + 1, True
        assert (job.state, job.attempts, job.fence, job.error) == (row.state, row.attempts, row.fence, row.error)
        self.held.append(job)

    def complete(self) -> None:
        job, row, ours = self._token()
        if job is None:
            return
        try:
            self.queue.complete(job, b"r", [lambda c: c.execute(effects.insert().values(job=job.id, fence=job.fence)) and None])
        except LostLease:
            assert not ours
            return
        assert ours
        row.state = JobState.SUCCEEDED
        row.applied += 1

    def retry(self) -> None:
        job, row, ours = self._token()
        if job is None:
            return
        delayed = self.rng.random() < 0.5
        try:
            state = self.queue.retry(job, "failed", LEASE if delayed else 0.0)
        except LostLease:
            assert not ours
            return
        assert ours
        row.state = JobState.DEAD if row.attempts >= row.max_attempts else JobState.QUEUED
        row.error, row.later = "failed", delayed
        assert state is row.state

    def heartbeat(self) -> None:
        job, row, ours = self._token()
        if job is not None:
            assert self.queue.heartbeat(job, LEASE) == ours
            row.later = row.later or ours

    def release(self) -> None:
        job, row, ours = self._token()
        if job is None:
            return
        self.queue.release(job)
        if ours:
            row.state, row.attempts, row.fence, row.later = JobState.QUEUED, row.attempts - 1, row.fence + 1, False

    def cancel(self) -> None:
        if not self.rows:
            return
        name = self.rng.choice(list(self.rows))
        row = self.rows[name]
        job = self.queue.cancel("t", name)
        if row.state in UNFINISHED:
            row.state, row.fence = JobState.CANCELLED, row.fence + 1
        assert job is not None
        assert (job.state, job.fence) == (row.state, row.fence)

    def time_passes(self) -> None:
        """A pause or a lease of one job is over: its worker died, or fell silent and may speak up again."""
        waiting = [name for name, row in self.rows.items() if row.state in UNFINISHED and row.later]
        if waiting:
            name = self.rng.choice(waiting)
            self.rows[name].later = False
            with self.database.write() as connection:
                connection.execute(sa.update(jobs_table).where(jobs_table.c.id == name).values(run_at=0))

    def _token(self) -> tuple[Job | None, Row, bool]:
        """A token that was given at some time, the last ones more often, and whether it still counts."""
        if not self.held:
            return None, Row("", None, 0, 0, 0.0), False
        job = self.rng.choice(self.held[-4:] if self.rng.random() < 0.8 else self.held)
        row = self.rows[job.id]
        return job, row, row.state is JobState.RUNNING and row.fence == job.fence

    def check(self) -> None:
        """The whole store."""
        with self.database.read() as connection:
            stored = {row.id: row for row in connection.execute(sa.select(jobs_table))}
            applied = Counter(connection.execute(sa.select(effects.c.job)).scalars())
        assert stored.keys() == self.rows.keys()
        for name, row in self.rows.items():
            found = stored[name]
            real = (found.state, found.priority, found.attempts, found.fence, found.error, applied[name])
            assert real == (row.state, row.priority, row.attempts, row.fence, row.error, row.applied)
            assert row.applied == (row.state is JobState.SUCCEEDED)
        depth = Counter(row.kind for row in self.rows.values() if row.state is JobState.QUEUED)
        assert {kind: count for kind, (count, _) in self.queue.depth().items()} == depth


@pytest.mark.timeout(600)
def test_random_operations_leave_what_the_model_says(database: Database) -> None:
    """Every claim takes the job that the model names, every late or doubled token is refused, and each effect is applied once."""
    with database.write() as connection:
        effects.create(connection)
    model = Model(JobQueue(database), database, seeded())
    for number in range(OPERATIONS):
        model.step()
        if number % 50 == 49:
            model.check()
    model.check()
    states = Counter(row.state for row in model.rows.values())
    print(dict(model.counts), dict(states))
    assert states[JobState.SUCCEEDED]
    assert states[JobState.DEAD]
