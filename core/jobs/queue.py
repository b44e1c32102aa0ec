"""The job table and the statements on it. All functions block; they run on the store's or a worker's thread."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from hexar.core.jobs.model import Effect, Job, JobState, LostLease
from hexar.core.store import Database, insert_or, metadata

#: A job gains one step of priority for each of these seconds that it waits, so that none starves. Who is more urgent does not
#: change while both wait: priority + (now - created_at) / AGEING_SECONDS falls as created_at - AGEING_SECONDS * priority rises.
#: That is the column ``rank``, the smallest first, so that a claim walks an index and never sorts what is queued.
AGEING_SECONDS = 30.0
#: Jobs that ended are forgotten after this long, seconds.
KEEP_SECONDS = 7 * 86400.0
#: Jobs that one transaction deletes.
SWEEP_ROWS = 500

jobs_table = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("tenant", sa.String(128), nullable=False),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("dedupe_key", sa.String(256)),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("max_attempts", sa.Integer, nullable=False),
    sa.Column("fence", sa.BigInteger, nullable=False),
    # From when a worker may take it; of a running job the end of its lease.
    sa.Column("run_at", sa.Double, nullable=False),
    sa.Column("rank", sa.Double, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("result", sa.LargeBinary),
    # What a claim and the depth look at, without touching a payload.
    sa.Index(
        "ix_jobs_claim",
        "rank",
        "kind",
        "run_at",
        "state",
        "created_at",
        sqlite_where=sa.text("state IN ('queued', 'running')"),
        postgresql_where=sa.text("state IN ('queued', 'running')"),
    ),
    sa.Index("ix_jobs_created", "created_at", "id"),
    # One unfinished job a piece of work: the database itself refuses a second one.
    sa.Index(
        "uq_jobs_dedupe",
        "tenant",
        "kind",
        "dedupe_key",
        unique=True,
        sqlite_where=sa.text("dedupe_key IS NOT NULL AND state IN ('queued', 'running')"),
        postgresql_where=sa.text("dedupe_key IS NOT NULL AND state IN ('queued', 'running')"),
    ),
)

_j = jobs_table.c
_COLUMNS = (
    _j.id, _j.tenant, _j.kind, _j.payload, _j.state, _j.priority, _j.dedupe_key, _j.attempts, _j.max_attempts, _j.fence,
    _j.created_at, _j.updated_at, _j.error, _j.result,
)  # fmt: skip
#: The reason on a job that was taken over, because its lease ended and nobody had ended it.
WORKER_DIED = "its worker died"
_UNFINISHED = (JobState.QUEUED.value, JobState.RUNNING.value)
#: As the partial indexes say it: with bound values a planner would not take them.
_IN_LINE = sa.text("state IN ('queued', 'running')")


def _rank(priority: int, created_at: float) -> float:
    return created_at - AGEING_SECONDS * priority


def _job(row: Any) -> Job:
    values = dict(row._mapping)
    values["state"] = JobState(values["state"])
    return Job(**values)


class JobQueue:
    """Statements on the jobs of one database.

    Thread-safety: all methods may be called from any thread and any process; each is one transaction.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def submit(
        self, tenant: str, kind: str, payload: bytes, *, priority: int, dedupe_key: str | None, max_attempts: int, delay: float
    ) -> tuple[Job, bool]:
        """Acknowledge a job: (job, created). An unfinished one with the same key is joined and raised to ``priority``."""
        now = self._database.time()
        values = {
            "id": os.urandom(16).hex(), "tenant": tenant, "kind": kind, "payload": payload, "state": JobState.QUEUED.value,
            "priority": priority, "dedupe_key": dedupe_key, "attempts": 0, "max_attempts": max_attempts, "fence": 0,
            "run_at": now + delay, "rank": _rank(priority, now), "created_at": now, "updated_at": now, "error": "",
            "result": None,
        }  # fmt: skip
        same = sa.and_(_j.tenant == tenant, _j.kind == kind, _j.dedupe_key == dedupe_key, _IN_LINE)
        with self._database.write() as connection:
            while True:
                if dedupe_key is not None:
                    row = connection.execute(sa.select(*_COLUMNS).where(same).with_for_update()).one_or_none()
                    if row is not None:
                        job = _job(row)
                        if job.priority < priority:
                            connection.execute(
                                sa.update(jobs_table)
                                .where(_j.id == job.id)
                                .values(priority=priority, rank=_rank(priority, job.created_at), updated_at=now)
                            )
                        return job, False
                inserted = insert_or(connection, jobs_table).values(values).on_conflict_do_nothing().returning(*_COLUMNS)
                row = connection.execute(inserted).one_or_none()
                if row is not None:
                    return _job(row), True
                # Another process has queued the same work since: it is joined, or has ended already.

    def unfinished(self, tenant: str, limit: int) -> int:
        """Jobs of ``tenant`` that have not ended, counted up to ``limit``."""
        some = sa.select(sa.literal(1)).select_from(jobs_table).where(_IN_LINE, _j.tenant == tenant).limit(limit).subquery()
        with self._database.read() as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one())

    def claim(self, kinds: Sequence[str], lease: float) -> Job | None:
        """Take the most urgent job that may run, for ``lease`` seconds. One that was delivered too often is put to the dead.

        ``error`` of a job that is taken over from a worker that fell silent is :data:`WORKER_DIED`.
        """
        now = self._database.time()
        with self._database.write() as connection:
            while True:
                query = (
                    sa.select(*_COLUMNS)
                    .where(_IN_LINE, _j.kind.in_(kinds), _j.run_at <= now)
                    .order_by(_j.rank)
                    .limit(1)
                    .with_for_update(skip_locked=True)
                )
                row = connection.execute(query).one_or_none()
                if row is None:
                    return None
                job = _job(row)
                if job.attempts >= job.max_attempts:
                    # It may well be what killed them, and would take the next worker along as well.
                    self._end(connection, job, JobState.DEAD, error=f"{WORKER_DIED}; delivered {job.attempts} times")
                    continue
                connection.execute(
                    sa.update(jobs_table)
                    .where(_j.id == job.id)
                    .values(
                        state=JobState.RUNNING.value,
                        attempts=job.attempts + 1,
                        fence=job.fence + 1,
                        run_at=now + lease,
                        updated_at=now,
                        error=WORKER_DIED if job.state is JobState.RUNNING else job.error,
                    )
                )
                return self._get(connection, job.id)

    def heartbeat(self, job: Job, lease: float) -> bool:
        """Extend the lease; False where it is lost."""
        with self._database.write() as connection:
            result = connection.execute(
                sa.update(jobs_table).where(self._held(job)).values(run_at=self._database.time() + lease)
            )
            return bool(result.rowcount)

    def complete(self, job: Job, result: bytes | None, effects: Sequence[Effect]) -> None:
        """End ``job`` well and apply its effects, in one transaction. Raises LostLease, and then nothing was applied."""
        with self._database.write() as connection:
            self._end(connection, job, JobState.SUCCEEDED, result=result)
            for effect in effects:
                effect(connection)

    def retry(self, job: Job, error: str, delay: float) -> JobState:
        """After a failed attempt: queue again in ``delay`` seconds, or put to the dead after the last. Raises LostLease."""
        with self._database.write() as connection:
            if job.attempts >= job.max_attempts:
                self._end(connection, job, JobState.DEAD, error=error)
                return JobState.DEAD
            now = self._database.time()
            result = connection.execute(
                sa.update(jobs_table)
                .where(self._held(job))
                .values(state=JobState.QUEUED.value, run_at=now + delay, error=error, updated_at=now)
            )
            if not result.rowcount:
                raise LostLease(f"job {job.id} is not ours any more")
            return JobState.QUEUED

    def release(self, job: Job) -> None:
        """Give the job back unfinished (the worker shuts down): it may run at once and the attempt does not count.

        The token is used up: a handler that was told of it and returns has not ended the job.
        """
        now = self._database.time()
        with self._database.write() as connection:
            connection.execute(
                sa.update(jobs_table)
                .where(self._held(job))
                .values(state=JobState.QUEUED.value, attempts=job.attempts - 1, fence=job.fence + 1, run_at=now, updated_at=now)
            )

    def cancel(self, tenant: str | None, job_id: str) -> Job | None:
        """Cancel an unfinished job; the job as it is then, or None where it is unknown."""
        now = self._database.time()
        with self._database.write() as connection:
            row = connection.execute(sa.select(*_COLUMNS).where(_j.id == job_id)).one_or_none()
            if row is None or (tenant is not None and row.tenant != tenant):
                return None
            connection.execute(
                sa.update(jobs_table)
                .where(_j.id == job_id, _j.state.in_(_UNFINISHED))
                .values(state=JobState.CANCELLED.value, fence=_j.fence + 1, updated_at=now)
            )
            return self._get(connection, job_id)

    def revive(self, tenant: str | None, job_id: str) -> Job | None:
        """Queue a job again that is dead or cancelled, with all its attempts; the job as it is then, None where it is unknown.

        Any other state is left as it is, and so is a job whose work is queued anew under the same key.
        """
        now = self._database.time()
        with self._database.write() as connection:
            row = connection.execute(sa.select(*_COLUMNS).where(_j.id == job_id)).one_or_none()
            if row is None or (tenant is not None and row.tenant != tenant):
                return None
            again = sa.and_(_j.tenant == row.tenant, _j.kind == row.kind, _j.dedupe_key == row.dedupe_key, _IN_LINE)
            if row.dedupe_key is None or connection.execute(sa.select(_j.id).where(again)).first() is None:
                connection.execute(
                    sa.update(jobs_table)
                    .where(_j.id == job_id, _j.state.in_((JobState.DEAD.value, JobState.CANCELLED.value)))
                    .values(
                        state=JobState.QUEUED.value, attempts=0, fence=_j.fence + 1, run_at=now, updated_at=now, error="",
                        rank=_rank(row.priority, now),
                    )
                )  # fmt: skip
            return self._get(connection, job_id)

    def get(self, tenant: str | None, job_id: str) -> Job | None:
        """The job, or None where it is unknown to ``tenant`` (None: to anyone)."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(*_COLUMNS).where(_j.id == job_id)).one_or_none()
        return None if row is None or (tenant is not None and row.tenant != tenant) else _job(row)

    def page(
        self, tenant: str | None, *, state: JobState | None, kind: str, limit: int, before: tuple[float, str] | None
    ) -> list[Job]:
        """Jobs, the newest first, at most ``limit``; ``before`` is (created_at, id) of the last one seen."""
        query = sa.select(*_COLUMNS).order_by(_j.created_at.desc(), _j.id.desc()).limit(limit)
        if tenant is not None:
            query = query.where(_j.tenant == tenant)
        if state is not None:
            query = query.where(_j.state == state.value)
        if kind:
            query = query.where(_j.kind == kind)
        if before is not None:
            at, job_id = before
            query = query.where(sa.or_(_j.created_at < at, sa.and_(_j.created_at == at, _j.id < job_id)))
        with self._database.read() as connection:
            return [_job(row) for row in connection.execute(query)]

    def depth(self) -> dict[str, tuple[int, float]]:
        """By kind: (jobs that wait, seconds since the oldest of them was submitted)."""
        now = self._database.time()
        waiting = sa.select(_j.kind, sa.func.count(), sa.func.min(_j.created_at)).where(
            _IN_LINE, _j.state == JobState.QUEUED.value
        )
        with self._database.read() as connection:
            rows = connection.execute(waiting.group_by(_j.kind)).all()
        return {kind: (count, max(0.0, now - oldest)) for kind, count, oldest in rows}

    def stamps(self, job_ids: Sequence[str]) -> dict[str, tuple[str, float]]:
        """What differs after each change of the jobs that still exist: (state, Unix seconds of the change)."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(_j.id, _j.state, _j.updated_at).where(_j.id.in_(job_ids))).all()
        return {job_id: (state, changed_at) for job_id, state, changed_at in rows}

    def succeeded(self, job: Job) -> bool:
        """True where the delivery ``job`` has ended the job well."""
        now = self.get(None, job.id)
        return now is not None and now.state is JobState.SUCCEEDED and now.fence == job.fence

    def forget_old(self) -> int:
        """Delete jobs that ended long ago; how many."""
        ended = (JobState.SUCCEEDED.value, JobState.DEAD.value, JobState.CANCELLED.value)
        old = self._database.time() - KEEP_SECONDS
        # The index is on the creation, which is earlier. Few at a time: others wait for the lock of SQLite meanwhile.
        some = sa.select(_j.id).where(_j.created_at < old, _j.updated_at < old, _j.state.in_(ended)).limit(SWEEP_ROWS)
        total = 0
        while True:
            with self._database.write() as connection:
                count = int(connection.execute(sa.delete(jobs_table).where(_j.id.in_(some))).rowcount)
            total += count
            if count < SWEEP_ROWS:
                return total

    @staticmethod
    def _held(job: Job) -> sa.ColumnElement[bool]:
        return sa.and_(_j.id == job.id, _j.fence == job.fence, _j.state == JobState.RUNNING.value)

    @staticmethod
    def _get(connection: sa.Connection, job_id: str) -> Job:
        return _job(connection.execute(sa.select(*_COLUMNS).where(_j.id == job_id)).one())

    def _end(
        self, connection: sa.Connection, job: Job, state: JobState, *, result: bytes | None = None, error: str = ""
    ) -> None:
        values: dict[str, object] = {"state": state.value, "result": result, "updated_at": self._database.time()}
        if error:
            values["error"] = error
        # A lease that ran out and that nobody took over still carries its token: ending the job then is right, and counts once.
        same = sa.and_(_j.id == job.id, _j.fence == job.fence, _j.state == job.state.value)
        ended = connection.execute(sa.update(jobs_table).where(same).values(values))
        if not ended.rowcount:
            raise LostLease(f"job {job.id} is not ours any more")
