"""Durable jobs: priorities, one queueing a piece of work, retries, fencing, dead letters."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from hexar.core.errors import Unavailable
from hexar.core.jobs import Job, JobContext, Jobs, JobState, LostLease
from hexar.core.jobs.model import Effect
from hexar.core.jobs.queue import KEEP_SECONDS, WORKER_DIED, JobQueue, jobs_table
from hexar.core.jobs.worker import WorkerConfig
from hexar.core.store import Database

FAST = WorkerConfig(threads=3, lease=2.0, poll=0.05, retry_base=0.01)


@pytest.fixture
async def jobs(database: Database) -> AsyncIterator[Jobs]:
    made = Jobs(database, FAST)
    yield made
    await made.close()


@pytest.fixture
def queue(database: Database) -> JobQueue:
    return JobQueue(database)


def submit(queue: JobQueue, name: str, *, priority: int = 5, key: str | None = None, attempts: int = 3) -> Job:
    job, _ = queue.submit("t", "work", name.encode(), priority=priority, dedupe_key=key, max_attempts=attempts, delay=0)
    return job


async def test_a_job_runs_and_its_result_is_kept(jobs: Jobs) -> None:
    """A submitted job is run by a worker, and a waiter gets it with its result."""
    jobs.handler("double", lambda payload, context: payload * 2)
    jobs.start()
    job = await jobs.submit("double", b"ab")
    ended = await jobs.wait(job.id, 30)
    assert ended is not None
    assert (ended.state, ended.result, ended.attempts) == (JobState.SUCCEEDED, b"abab", 1)


async def test_a_failing_job_is_tried_again_and_then_dead(jobs: Jobs) -> None:
    """After the last attempt the job is kept with the reason; an error of a library shows only its class."""
    tries: list[int] = []

    def fail(payload: bytes, context: JobContext) -> None:
        tries.append(context.job.attempts)
        raise Unavailable("the shop is closed") if payload == b"ours" else RuntimeError("secret path")

    jobs.handler("fail", fail)
    jobs.start()
    ours, library = await jobs.submit("fail", b"ours"), await jobs.submit("fail", b"theirs", max_attempts=1)
    dead = await jobs.wait(ours.id, 30)
    other = await jobs.wait(library.id, 30)
    assert dead is not None
    assert other is not None
    assert (dead.state, dead.error, dead.attempts) == (JobState.DEAD, "the shop is closed", 3)
    assert (other.state, other.error) == (JobState.DEAD, "RuntimeError")
    assert sorted(tries) == [1, 1, 2, 3]


def test_the_more_urgent_job_runs_first_and_age_counts(queue: JobQueue, database: Database) -> None:
    """A higher priority is claimed first; a job that waited long enough overtakes it."""
    low, high = submit(queue, "low", priority=0), submit(queue, "high", priority=10)
    with database.write() as connection:
        aged = {"created_at": jobs_table.c.created_at - 3600, "rank": jobs_table.c.rank - 3600}
        connection.execute(sa.update(jobs_table).where(jobs_table.c.id == low.id).values(aged))
    newer = submit(queue, "newer", priority=10)
    claimed = [queue.claim(["work"], 60) for _ in range(4)]
    assert [job.id if job else None for job in claimed] == [low.id, high.id, newer.id, None]


def test_the_same_work_is_queued_once_and_its_priority_raised(queue: JobQueue) -> None:
    """An unfinished job with the same key is joined; when it has ended, the work may be queued again."""
    first = submit(queue, "a", priority=0, key="k")
    assert submit(queue, "a", priority=10, key="k").id == first.id
    claimed = queue.claim(["work"], 60)
    assert claimed is not None
    assert claimed.priority == 10
    assert submit(queue, "a", key="k").id == first.id
    queue.complete(claimed, None, ())
    assert submit(queue, "a", key="k").id != first.id


def test_a_taken_over_job_cannot_be_ended_by_its_first_worker(queue: JobQueue, database: Database) -> None:
    """Once another worker holds the job, the first one's effects and result are refused: the fencing token decides."""
    effects = sa.Table("effects", sa.MetaData(), sa.Column("worker", sa.Text))
    with database.write() as connection:
        effects.create(connection)
    submit(queue, "a")
    first = queue.claim(["work"], 0.01)
    time.sleep(0.02)
    second = queue.claim(["work"], 60)
    assert first is not None
    assert second is not None
    assert second.fence == first.fence + 1
    assert not queue.heartbeat(first, 60)
    with pytest.raises(LostLease):
        queue.complete(first, None, [lambda c: c.execute(effects.insert().values(worker="first")) and None])
    with pytest.raises(LostLease):
        queue.retry(first, "late", 0)
    queue.complete(second, None, [lambda c: c.execute(effects.insert().values(worker="second")) and None])
    with database.read() as connection:
        assert [row.worker for row in connection.execute(sa.select(effects))] == ["second"]


def test_a_job_that_kills_its_workers_ends_with_the_dead(queue: JobQueue) -> None:
    """Delivered as often as allowed and never ended: the job is put aside, with a reason, and others go on."""
    poison = submit(queue, "poison", priority=10, attempts=3)
    good = submit(queue, "good", priority=0)
    for _ in range(3):
        job = queue.claim(["work"], 0.001)
        assert job is not None
        assert job.id == poison.id
        time.sleep(0.005)
    job = queue.claim(["work"], 60)
    assert job is not None
    assert job.id == good.id
    dead = queue.get("t", poison.id)
    assert dead is not None
    assert dead.state is JobState.DEAD
    assert dead.error == "its worker died; delivered 3 times"


def test_another_tenants_job_is_unknown(queue: JobQueue) -> None:
    """A job is seen, listed and cancelled by its own tenant only."""
    job = submit(queue, "a")
    assert queue.get("other", job.id) is None
    assert queue.cancel("other", job.id) is None
    assert queue.page("other", state=None, kind="", limit=10, before=None) == []
    cancelled = queue.cancel("t", job.id)
    assert cancelled is not None
    assert cancelled.state is JobState.CANCELLED
    assert queue.claim(["work"], 60) is None


def test_pages_hold_every_job_once(queue: JobQueue) -> None:
    """Paging from the newest on gives each job exactly once."""
    ids = {submit(queue, str(number)).id for number in range(7)}
    seen: list[str] = []
    before = None
    while page := queue.page("t", state=None, kind="", limit=3, before=before):
        seen += [job.id for job in page]
        before = (page[-1].created_at, page[-1].id)
    assert len(seen) == 7
    assert set(seen) == ids
    assert queue.depth()["work"][0] == 7


async def test_a_long_job_keeps_its_lease(jobs: Jobs) -> None:
    """A handler that runs longer than the lease is not delivered twice: heartbeats extend it."""
    runs: list[int] = []

    def slow(payload: bytes, context: JobContext) -> bytes:
        runs.append(1)
        time.sleep(3.0)
        return b"lost" if context.lost else b"held"

    jobs.handler("slow", slow)
    jobs.start()
    job = await jobs.submit("slow", b"")
    ended = await jobs.wait(job.id, 30)
    assert ended is not None
    assert (ended.state, ended.result, len(runs)) == (JobState.SUCCEEDED, b"held", 1)


async def test_waiters_are_told_at_once(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A waiter in the same process learns of the end without polling."""
    monkeypatch.setattr("hexar.core.jobs.jobs.POLL_SECONDS", 60.0)
    jobs.handler("quick", lambda payload, context: None)
    jobs.start()
    job = await jobs.submit("quick", b"")
    ended = await asyncio.wait_for(jobs.wait(job.id, 20), 20)
    assert ended is not None
    assert ended.state is JobState.SUCCEEDED


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_no_statement_of_a_claim_or_submit_reads_the_whole_table(queue: JobQueue, database: Database) -> None:
    """Claims take the first entry of an index in its order and sort nothing, and keys are looked up: a long queue costs no time."""
    if not database.is_sqlite:
        pytest.skip("reads the plans of SQLite")
    plans: list[str] = []

    def explain(connection: sa.Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if statement.startswith("SELECT"):
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.extend(row[3] for row in cursor.fetchall())

    submit(queue, "a", key="k")
    sa.event.listen(database.engine, "before_cursor_execute", explain)
    submit(queue, "a", key="k")
    assert [plan.split("INDEX ")[1].split()[0] for plan in plans] == ["uq_jobs_dedupe"]
    plans.clear()
    queue.claim(["work", "other"], 60)
    assert plans[0] == "SCAN jobs USING INDEX ix_jobs_claim"
    assert all(plan.startswith("SEARCH jobs USING INDEX sqlite_autoindex_jobs_1") for plan in plans[1:])
    plans.clear()
    queue.depth()
    assert plans[0] == "SCAN jobs USING COVERING INDEX ix_jobs_claim"


async def test_a_cancelled_job_tells_its_handler(jobs: Jobs, queue: JobQueue) -> None:
    """Cancelled in this process a running handler learns it at once, cancelled elsewhere with its next heartbeat; neither ends well."""
    began, told = threading.Semaphore(0), threading.Semaphore(0)

    def work(payload: bytes, context: JobContext) -> None:
        began.release()
        give_up = time.monotonic() + 20
        while not context.lost and time.monotonic() < give_up:
            time.sleep(0.01)
        if context.lost:
            told.release()

    jobs.handler("work", work)
    jobs.start()
    for cancel in (lambda job: jobs.cancel("t", job.id), lambda job: asyncio.to_thread(queue.cancel, "t", job.id)):
        job = await jobs.submit("work", b"", tenant="t")
        assert await asyncio.to_thread(began.acquire, timeout=10)
        cancelled = await cancel(job)
        assert cancelled is not None
        assert cancelled.state is JobState.CANCELLED
        assert await asyncio.to_thread(told.acquire, timeout=20)
        after = await jobs.get("t", job.id)
        assert after is not None
        assert after.state is JobState.CANCELLED


async def test_a_job_whose_lease_ran_out_in_a_living_process_runs_again_in_it(jobs: Jobs, database: Database) -> None:
    """The first delivery does not count any more, the second begins after it, and all threads of the process work on."""
    began, proceed = threading.Semaphore(0), threading.Event()
    together = threading.Barrier(FAST.threads)
    deliveries: list[int] = []

    def work(payload: bytes, context: JobContext) -> bytes:
        if payload:
            together.wait(20)
            return payload
        deliveries.append(context.job.fence)
        began.release()
        if len(deliveries) == 1:
            proceed.wait(20)
        return str(context.job.fence).encode()

    jobs.handler("work", work)
    jobs.start()
    job = await jobs.submit("work", b"")
    assert await asyncio.to_thread(began.acquire, timeout=20)
    first = await jobs.get(None, job.id)
    assert first is not None
    with database.write() as connection:
        connection.execute(sa.update(jobs_table).values(run_at=0))
    second = await jobs.changed(first, 20)
    assert second is not None
    assert (second.error, deliveries) == (WORKER_DIED, [1])
    proceed.set()
    ended = await jobs.wait(job.id, 20)
    assert ended is not None
    assert len(deliveries) == 2
    assert (ended.state, ended.attempts, ended.result) == (JobState.SUCCEEDED, 2, str(deliveries[1]).encode())
    others = [await jobs.submit("work", str(number).encode()) for number in range(FAST.threads)]
    for other in others:
        ended = await jobs.wait(other.id, 20)
        assert ended is not None
        assert ended.state is JobState.SUCCEEDED


async def test_a_process_that_stops_gives_its_job_back(database: Database, queue: JobQueue) -> None:
    """After the grace a job that still runs may run elsewhere at once, the attempt does not count, and its handler is told."""
    told, began = threading.Event(), threading.Event()

    def work(payload: bytes, context: JobContext) -> None:
        began.set()
        while not context.lost:
            time.sleep(0.01)
        told.set()

    jobs = Jobs(database, WorkerConfig(threads=1, lease=60.0, poll=0.05))
    jobs.handler("work", work)
    jobs.start()
    job = await jobs.submit("work", b"")
    assert await asyncio.to_thread(began.wait, 20)
    await jobs.close(grace=0.1)
    assert await asyncio.to_thread(told.wait, 20)
    again = queue.claim(["work"], 60)
    assert again is not None
    assert (again.id, again.attempts) == (job.id, 1)
    # Its thread still says that it lost the job: the store is open until then.
    await jobs.close(grace=20)


async def test_a_watcher_follows_a_job_of_another_process(jobs: Jobs, database: Database) -> None:
    """Who waits for a job that is run elsewhere sees it begin, and end with its result."""
    other = Database(database.engine.url.render_as_string(hide_password=False))
    job = await jobs.submit("work", b"")
    states = [job.state]
    running = asyncio.Event()

    async def follow() -> Job:
        seen = job
        while not seen.state.ended:
            changed = await jobs.changed(seen, 20)
            assert changed is not None
            states.append(changed.state)
            running.set()
            seen = changed
        return seen

    following = asyncio.create_task(follow())
    assert jobs.waiting(job.id) == 0
    await asyncio.sleep(0)
    assert jobs.waiting(job.id) == 1
    claimed = JobQueue(other).claim(["work"], 60)
    assert claimed is not None
    await asyncio.wait_for(running.wait(), 20)
    JobQueue(other).complete(claimed, b"done", ())
    ended = await following
    assert (ended.result, states) == (b"done", [JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED])
    assert jobs.waiting(job.id) == 0
    other.close()


async def test_many_waiters_ask_the_store_together(jobs: Jobs, database: Database) -> None:
    """Two hundred callers that wait for twenty jobs cost one statement a look, not one each."""
    submitted = [await jobs.submit("work", b"") for _ in range(20)]
    asked: list[str] = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda *event: asked.append(event[2]))
    results = await asyncio.gather(*(jobs.changed(submitted[number % 20], 1.0) for number in range(200)))
    assert results == [None] * 200
    assert 1 <= sum(statement.startswith("SELECT") for statement in asked) <= 8


class Doubtful(JobQueue):
    """A queue whose first commit of an end is made, and its answer lost."""

    lost = 0

    def complete(self, job: Job, result: bytes | None, effects: Sequence[Effect]) -> None:
        super().complete(job, result, effects)
        self.lost += 1
        if self.lost == 1:
            raise sa.exc.OperationalError("COMMIT", None, ConnectionError())


async def test_an_end_whose_answer_was_lost_is_an_end(database: Database) -> None:
    """The connection breaks after the commit: the job has ended once, with its effects, and what follows it is done."""
    effects = sa.Table("effects", sa.MetaData(), sa.Column("job", sa.Text))
    with database.write() as connection:
        effects.create(connection)
    followed: list[str] = []

    def work(payload: bytes, context: JobContext) -> None:
        context.commit(lambda connection: connection.execute(effects.insert().values(job=context.job.id)) and None)
        context.then(lambda: followed.append(context.job.id))

    jobs = Jobs(database, FAST)
    jobs.queue = jobs._worker._queue = Doubtful(database)
    jobs.handler("work", work)
    jobs.start()
    job = await jobs.submit("work", b"")
    ended = await jobs.wait(job.id, 20)
    assert ended is not None
    assert (ended.state, ended.attempts) == (JobState.SUCCEEDED, 1)
    await jobs.close()
    assert followed == [job.id]
    with database.read() as connection:
        assert list(connection.execute(sa.select(effects.c.job)).scalars()) == [job.id]


async def test_a_job_whose_worker_died_runs_alone(jobs: Jobs, queue: JobQueue, database: Database) -> None:
    """It may be what killed its worker: nothing runs beside it in its process, and all threads work again after it."""
    suspects = [submit(queue, f"suspect {number}", priority=10).id for number in range(2)]
    for _ in suspects:
        assert queue.claim(["work"], 60) is not None
    with database.write() as connection:
        connection.execute(sa.update(jobs_table).values(run_at=0))
    others = [submit(queue, str(number), priority=10).id for number in range(12)]
    lock, at_once, seen = threading.Lock(), Counter[str](), Counter[str]()
    together = threading.Barrier(FAST.threads)

    def work(payload: bytes, context: JobContext) -> None:
        if payload == b"together":
            together.wait(20)
            return
        with lock:
            at_once["now"] += 1
            if payload.startswith(b"suspect"):
                at_once["alone"] += 1
            assert at_once["alone"] == 0 or at_once["now"] == 1
        if payload.startswith(b"suspect"):
            # None is held for later either, it would be taken along: the other is as its dead worker left it, or given back.
            running = queue.page(None, state=JobState.RUNNING, kind="", limit=9, before=None)
            assert [job.id for job in running if job.attempts > 1 or job.id not in suspects] == [context.job.id]
        time.sleep(0.02)
        with lock:
            at_once["now"] -= 1
            at_once["alone"] -= payload.startswith(b"suspect")
            seen[context.job.id] += 1

    jobs.handler("work", work)
    jobs.start()
    for job_id in [*suspects, *others]:
        ended = await jobs.wait(job_id, 20)
        assert ended is not None
        assert (ended.state, seen[job_id]) == (JobState.SUCCEEDED, 1)
    last = [await jobs.submit("work", b"together") for _ in range(FAST.threads)]
    for job in last:
        ended = await jobs.wait(job.id, 20)
        assert ended is not None
        assert ended.state is JobState.SUCCEEDED


def test_jobs_that_ended_long_ago_are_forgotten(queue: JobQueue, database: Database) -> None:
    """After a week an ended job is deleted; one that still waits is kept, however old."""
    ended, recent, waiting = (submit(queue, name) for name in ("ended", "recent", "waiting"))
    for job in (ended, recent):
        queue.cancel("t", job.id)
    old = time.time() - KEEP_SECONDS - 60
    with database.write() as connection:
        rows = sa.update(jobs_table).where(jobs_table.c.id.in_([ended.id, waiting.id]))
        connection.execute(rows.values(created_at=old, updated_at=old))
    assert queue.forget_old() == 1
    assert queue.get("t", ended.id) is None
    assert queue.get("t", recent.id) is not None
    assert queue.get("t", waiting.id) is not None


def test_the_depth_is_told_by_kind(queue: JobQueue) -> None:
    """How many wait, and since when the oldest: of each kind, without those that run or have ended."""
    for kind, count in (("a", 2), ("b", 1)):
        for _ in range(count):
            queue.submit("t", kind, b"", priority=5, dedupe_key=None, max_attempts=3, delay=0)
    assert queue.claim(["b"], 60) is not None
    time.sleep(0.01)
    depth = queue.depth()
    assert depth.keys() == {"a"}
    count, age = depth["a"]
    assert count == 2
    assert 0.01 <= age < 60


def test_racing_submits_queue_the_same_work_once_and_racing_claims_take_a_job_once(database: Database, store_url: str) -> None:
    """Eight at once, on connections as of two processes: one job a key, which all get, and each job is claimed by one."""
    databases = [database, Database(store_url)]
    queues = [JobQueue(databases[number % 2]) for number in range(8)]
    together = threading.Barrier(len(queues))

    def submit_all(queue: JobQueue) -> list[tuple[str, bool]]:
        submitted = []
        for number in range(20):
            together.wait(30)
            job, created = queue.submit("t", "work", b"", priority=5, dedupe_key=f"key {number}", max_attempts=3, delay=0.0)
            submitted.append((job.id, created))
        return submitted

    def claim_all(queue: JobQueue) -> list[str]:
        claimed = []
        together.wait(30)
        while len(claimed) < 3:
            job = queue.claim(["work"], 60)
            if job is None:
                break
            claimed.append(job.id)
        return claimed

    with ThreadPoolExecutor(len(queues)) as threads:
        submitted = list(threads.map(submit_all, queues))
        claimed = Counter(job for jobs in threads.map(claim_all, queues) for job in jobs)
    for same in zip(*submitted, strict=True):
        assert len({job for job, _ in same}) == 1
        assert sum(created for _, created in same) == 1
    assert set(claimed.values()) == {1}
    assert len(claimed) >= 10
    databases[1].close()
