"""The face of the job queue: submit, wait, look up; and the workers that run what was submitted."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from hexar.core.jobs.model import Handler, Job, JobState
from hexar.core.jobs.queue import JobQueue
from hexar.core.jobs.worker import Worker, WorkerConfig
from hexar.core.store import Database

log = structlog.get_logger(__name__)

#: Priorities in use. A waiting user raises a job to WAITED_FOR.
BACKGROUND, NORMAL, WAITED_FOR = 0, 5, 10
#: How often a waiter looks at a job that another process may run, seconds.
POLL_SECONDS = 0.5


class Jobs:
    """Durable jobs over one database, with ``config.threads`` workers in this process once :meth:`start` was called.

    Thread-safety: :meth:`handler` before :meth:`start`; the coroutines belong to the event loop.
    """

    def __init__(self, database: Database, config: WorkerConfig | None = None) -> None:
        self.queue = JobQueue(database)
        self._database = database
        self._handlers: dict[str, Handler] = {}
        self._worker = Worker(self.queue, self._handlers, config or WorkerConfig(), self._changed)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._events: dict[str, asyncio.Event] = {}
        self._waiting: Counter[str] = Counter()
        self._lock = threading.Lock()

    def handler(self, kind: str, function: Handler) -> None:
        """Run jobs of ``kind`` with ``function(payload, context) -> result``, which blocks on a worker thread."""
        self._handlers[kind] = function

    def start(self) -> None:
        """Start the workers; on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._worker.start()

    async def close(self, grace: float = 5.0) -> None:
        """Stop taking jobs and wait ``grace`` seconds for the running ones; the rest is taken over when its lease ends."""
        await asyncio.to_thread(self._worker.stop, grace)

    async def submit(
        self,
        kind: str,
        payload: bytes,
        *,
        tenant: str = "default",
        priority: int = NORMAL,
        dedupe_key: str | None = None,
        max_attempts: int = 3,
        delay: float = 0.0,
    ) -> Job:
        """Queue work and return when it is durable. The same unfinished work is joined, and its priority raised."""
        job, created = await self._database.run(
            lambda: self.queue.submit(
                tenant, kind, payload, priority=priority, dedupe_key=dedupe_key, max_attempts=max_attempts, delay=delay
            )
        )
        if created:
            self._worker.wake()
        return job

    async def wait(self, job_id: str, timeout: float) -> Job | None:
        """The job when it has ended, or as it is after ``timeout`` seconds; None where it is unknown."""
        job: Job | None = await self._database.run(self.queue.get, None, job_id)
        until = asyncio.get_running_loop().time() + timeout
        while job is not None and not job.state.ended:
            changed = await self.changed(job, until - asyncio.get_running_loop().time())
            if changed is None:
                return job
            job = changed
        return job

    async def changed(self, job: Job, timeout: float) -> Job | None:
        """``job`` once it differs from what is given, or None where it has not changed after ``timeout`` seconds."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout
        with self._watch(job.id) as event:
            while True:
                event.clear()
                now = await self._database.run(self.queue.get, None, job.id)
                if now is not None and now != job:
                    return now
                left = until - loop.time()
                if now is None or left <= 0:
                    return None
                try:
                    async with asyncio.timeout(min(left, POLL_SECONDS)):
                        await event.wait()
                except TimeoutError:
                    continue

    @contextmanager
    def _watch(self, job_id: str) -> Iterator[asyncio.Event]:
        event = self._events.setdefault(job_id, asyncio.Event())
        self._waiting[job_id] += 1
        try:
            yield event
        finally:
            self._waiting[job_id] -= 1
            if not self._waiting[job_id]:
                del self._waiting[job_id]
                self._events.pop(job_id, None)

    def waiting(self, job_id: str) -> int:
        """Callers of this process that wait for the job."""
        return self._waiting[job_id]

    async def get(self, tenant: str | None, job_id: str) -> Job | None:
        """The job, or None where it is unknown to ``tenant`` (None: to anyone)."""
        return await self._database.run(self.queue.get, tenant, job_id)

    async def cancel(self, tenant: str | None, job_id: str) -> Job | None:
        """Cancel the job if it has not ended; the job as it is then, or None where it is unknown."""
        job = await self._database.run(self.queue.cancel, tenant, job_id)
        self._notify(job_id)
        return job

    async def page(
        self,
        tenant: str | None,
        *,
        state: JobState | None = None,
        kind: str = "",
        limit: int = 100,
        before: tuple[float, str] | None = None,
    ) -> list[Job]:
        """Jobs, the newest first; ``before`` is (created_at, id) of the last one seen."""
        return await self._database.run(lambda: self.queue.page(tenant, state=state, kind=kind, limit=limit, before=before))

    async def depth(self) -> tuple[int, float | None]:
        """(jobs that wait, seconds that the oldest waits or None)."""
        return await self._database.run(self.queue.depth)

    def _changed(self, job: Job) -> None:
        # Called on a worker thread.
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._notify, job.id)

    def _notify(self, job_id: str) -> None:
        event = self._events.get(job_id)
        if event is not None:
            event.set()
