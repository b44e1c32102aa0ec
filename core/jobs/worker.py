"""The threads that run jobs: claim, keep the lease alive, end."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from hexar.core.errors import HexarError
from hexar.core.jobs.model import Handler, Job, JobContext, LostLease
from hexar.core.jobs.queue import JobQueue

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """Times in seconds. A lease is renewed every third of its length; a dead worker's job waits for the rest of it."""

    threads: int = 3
    lease: float = 15.0
    poll: float = 1.0
    retry_base: float = 1.0
    retry_factor: float = 2.0
    retry_limit: float = 300.0


class Worker:
    """``config.threads`` threads that run jobs with the handlers of their kinds, and one that renews their leases.

    Thread-safety: all methods may be called from any thread.
    """

    def __init__(
        self, queue: JobQueue, handlers: Mapping[str, Handler], config: WorkerConfig, changed: Callable[[Job], None]
    ) -> None:
        self._queue = queue
        self._handlers = handlers
        self._config = config
        self._changed = changed
        self._running: dict[str, JobContext] = {}
        self._lock = threading.Lock()
        self._wake = threading.Condition()
        self._pending_wakes = 0
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads."""
        names = [f"job-{number}" for number in range(self._config.threads)]
        self._threads = [threading.Thread(target=self._work, name=name, daemon=True) for name in names]
        self._threads.append(threading.Thread(target=self._keep_leases, name="job-leases", daemon=True))
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Look for jobs now."""
        with self._wake:
            self._pending_wakes += 1
            self._wake.notify()

    def stop(self, grace: float) -> None:
        """Take no more jobs; wait up to ``grace`` seconds for the running ones."""
        self._stopping.set()
        with self._wake:
            self._wake.notify_all()
        until = time.monotonic() + grace
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                job = self._queue.claim(sorted(self._handlers), self._config.lease) if self._handlers else None
            except SQLAlchemyError as error:
                # The store is away: nothing is lost, jobs stay where they are.
                log.warning("job_claim_failed", error=type(error).__name__)
                self._stopping.wait(self._config.poll)
                continue
            if job is None:
                self._sleep()
                continue
            self._changed(job)
            self._run(job)
            self._changed(job)

    def _sleep(self) -> None:
        with self._wake:
            if not self._pending_wakes and not self._stopping.is_set():
                self._wake.wait(self._config.poll)
            self._pending_wakes = max(0, self._pending_wakes - 1)

    def _run(self, job: Job) -> None:
        context = JobContext(job)
        with self._lock:
            self._running[job.id] = context
        try:
            try:
                result = self._handlers[job.kind](job.payload, context)
                self._queue.complete(job, result, context.effects)
            except LostLease:
                log.warning("job_lease_lost", job=job.id, kind=job.kind)
                return
            except Exception as error:
                self._failed(job, error)
                return
            for action in context.after:
                action()
        except SQLAlchemyError as error:
            # The store went away while the job ended: the lease runs out and the job is delivered again.
            log.warning("job_end_failed", job=job.id, error=type(error).__name__)
        except Exception:
            log.exception("job_follow_up_failed", job=job.id, kind=job.kind)
        finally:
            with self._lock:
                del self._running[job.id]

    def _failed(self, job: Job, error: Exception) -> None:
        # The text of our own errors is safe to keep; a library's may hold addresses or data, so only its class is kept.
        text = error.message if isinstance(error, HexarError) else type(error).__name__
        log.warning("job_failed", job=job.id, kind=job.kind, attempt=job.attempts, error=text, exc_info=error)
        config = self._config
        pause = min(config.retry_limit, config.retry_base * config.retry_factor ** (job.attempts - 1))
        try:
            self._queue.retry(job, text, pause * random.uniform(0.75, 1.0))
        except LostLease:
            log.warning("job_lease_lost", job=job.id, kind=job.kind)

    def _keep_leases(self) -> None:
        while not self._stopping.wait(self._config.lease / 3):
            with self._lock:
                contexts = list(self._running.values())
            for context in contexts:
                try:
                    if not self._queue.heartbeat(context.job, self._config.lease):
                        context.lose()
                except SQLAlchemyError as error:
                    log.warning("job_heartbeat_failed", job=context.job.id, error=type(error).__name__)
