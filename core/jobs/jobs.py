"""The face of the job queue: submit, wait, look up; and the workers that run what was submitted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from hexar.core.errors import ResourceExhausted
from hexar.core.jobs.model import Handler, Job, JobState
from hexar.core.jobs.queue import JobQueue
from hexar.core.jobs.worker import STORE_AWAY, Worker, WorkerConfig
from hexar.core.store import Database

log = structlog.get_logger(__name__)

#: Priorities in use. A waiting user raises a job to WAITED_FOR.
BACKGROUND, NORMAL, WAITED_FOR = 0, 5, 10
#: How often a process that waits for jobs asks what other processes made of them, seconds: one statement, however many wait.
POLL_SECONDS = 0.25
#: Tenants whose room for jobs is remembered.
ROOMS = 10_000


@dataclass(slots=True, eq=False)
class _Watcher:
    """Who waits for a job to differ from ``known``."""

    known: Job
    changed: asyncio.Future[Job | None]


class Jobs:
    """Durable jobs over one database, with ``config.threads`` workers in this process once :meth:`start` was called.

    ``tenant_limit``: jobs of one tenant that may wait or run. They are counted now and then: in between a process adds at most
    a quarter of what was left, so several processes together may pass it by that.

    Thread-safety: :meth:`handler` before :meth:`start`; the coroutines belong to the event loop.
    """

    def __init__(self, database: Database, config: WorkerConfig | None = None, *, tenant_limit: int | None = None) -> None:
        self.queue = JobQueue(database)
        self._database = database
        self._handlers: dict[str, Handler] = {}
        self._worker = Worker(self.queue, self._handlers, config or WorkerConfig(), self._changed)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tenant_limit = tenant_limit
        #: Jobs that a tenant may still submit before its unfinished ones are counted again.
        self._room: dict[str, int] = {}
        self._watchers: dict[str, set[_Watcher]] = {}
        self._look = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    def handler(self, kind: str, function: Handler) -> None:
        """Run jobs of ``kind`` with ``function(payload, context) -> result``, which blocks on a worker thread."""
        self._handlers[kind] = function

    def observe(self, observer: Callable[[str, float, str], None]) -> None:
        """Tell ``observer`` of every run that ends here, on its thread: kind, seconds, and the failure's name or nothing."""
        self._worker.observer = observer

    def start(self) -> None:
        """Start the workers; on the event loop."""
        self._loop = asyncio.get_running_loop()
        self._worker.start()

    async def close(self, grace: float = 5.0) -> None:
        """Stop taking jobs and wait ``grace`` seconds for the running ones; the rest is given back to other processes."""
        await asyncio.to_thread(self._worker.stop, grace)
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

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
        """Queue work and return when it is durable. The same unfinished work is joined, and its priority raised.

        ResourceExhausted where the tenant has as many unfinished jobs as it may have.
        """
        await self._check_room(tenant)
        job, created = await self._database.run(
            lambda: self.queue.submit(
                tenant, kind, payload, priority=priority, dedupe_key=dedupe_key, max_attempts=max_attempts, delay=delay
            )
        )
        if created:
            self._worker.wake()
        return job

    async def _check_room(self, tenant: str) -> None:
        if self._tenant_limit is None:
            return
        room = self._room.get(tenant, 0)
        if not room:
            count = await self._database.run(self.queue.unfinished, tenant, self._tenant_limit)
            if count >= self._tenant_limit:
                raise ResourceExhausted("too many jobs of this tenant wait", 5.0, limit="tenant jobs")
            if len(self._room) >= ROOMS:
                self._room.clear()
            room = 1 + (self._tenant_limit - count) // 4
        self._room[tenant] = room - 1

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
        """``job`` once it differs from what is given; None where it has not changed after ``timeout`` seconds, or is gone."""
        watcher = _Watcher(job, asyncio.get_running_loop().create_future())
        self._watchers.setdefault(job.id, set()).add(watcher)
        self._look.set()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._watch())
        try:
            async with asyncio.timeout(min(timeout, 86400.0)):
                return await watcher.changed
        except TimeoutError:
            return None
        finally:
            same = self._watchers[job.id]
            same.remove(watcher)
            if not same:
                del self._watchers[job.id]
                self._look.set()

    async def _watch(self) -> None:
        """Look at the jobs that are waited for, now and then and whenever one changed in this process."""
        while self._watchers:
            self._look.clear()
            try:
                asked = list(self._watchers)
                stamps = await self._database.run(self.queue.stamps, asked)
                for job_id in asked:
                    stamp = stamps.get(job_id)
                    if any((one.known.state, one.known.updated_at) != stamp for one in self._watchers.get(job_id, ())):
                        self._tell(job_id, await self._database.run(self.queue.get, None, job_id))
            except STORE_AWAY as error:
                log.warning("job_watch_failed", error=type(error).__name__)
                await asyncio.sleep(POLL_SECONDS)
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._look.wait()
            except TimeoutError:
                continue

    def _tell(self, job_id: str, job: Job | None) -> None:
        for watcher in self._watchers.get(job_id, ()):
            if watcher.known != job and not watcher.changed.done():
                watcher.changed.set_result(job)

    def waiting(self, job_id: str) -> int:
        """Callers of this process that wait for the job."""
        return len(self._watchers.get(job_id, ()))

    async def get(self, tenant: str | None, job_id: str) -> Job | None:
        """The job, or None where it is unknown to ``tenant`` (None: to anyone)."""
        return await self._database.run(self.queue.get, tenant, job_id)

    async def cancel(self, tenant: str | None, job_id: str) -> Job | None:
        """Cancel the job if it has not ended; the job as it is then, or None where it is unknown."""
        job = await self._database.run(self.queue.cancel, tenant, job_id)
        if job is not None:
            self._worker.lose(job_id)
            self._look.set()
        return job

    async def retry(self, tenant: str, job_id: str) -> Job | None:
        """Queue a job again that is dead or cancelled; the job as it is then, or None where it is unknown."""
        job: Job | None = await self._database.run(self.queue.revive, tenant, job_id)
        if job is not None:
            self._worker.wake()
            self._look.set()
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
        kinds = await self._database.run(self.queue.depth)
        return sum([count for count, _ in kinds.values()]), max((age for _, age in kinds.values()), default=None)

    @property
    def kinds(self) -> list[str]:
        """The kinds that this process has handlers for."""
        return sorted(self._handlers)

    def _changed(self, job_id: str) -> None:
        # Called on a worker thread.
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._look_at, job_id)

    def _look_at(self, job_id: str) -> None:
        if job_id in self._watchers:
            self._look.set()
