"""The threads that run jobs: claim, keep the lease alive, end.

What happens to a job when

- its handler raises: another attempt after a growing pause, the dead letters after the last one;
- the store cannot be reached when it ends: its end is tried again until the lease is over, so that the work is not done twice;
- the process is told to stop: it has the grace, then it is given back and may run elsewhere at once;
- the process dies: another worker takes it over when its lease has run out, and runs it alone in its process. A job that kills
  its workers is tried as often as its attempts say and takes none along that only ran beside it more than once.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError

from hexar.core.errors import HexarError, Unavailable
from hexar.core.jobs.model import Handler, Job, JobContext, LostLease
from hexar.core.jobs.queue import WORKER_DIED, JobQueue

log = structlog.get_logger(__name__)

#: The store does not answer, as opposed to: it refuses what an effect asks of it.
STORE_AWAY = (OperationalError, InterfaceError, Unavailable)
#: How often jobs that ended long ago are deleted, seconds.
SWEEP_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """Times in seconds. A lease is renewed every third of its length; a dead worker's job waits for the rest of it."""

    threads: int = 3
    lease: float = 15.0
    poll: float = 1.0
    retry_base: float = 1.0
    retry_factor: float = 2.0
    retry_limit: float = 300.0


class _Room:
    """Where the threads of a process work: many side by side, or one alone.

    Thread-safety: all methods may be called from any thread.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._alone = False
        self._asking = 0
        self._closed = False

    def enter(self) -> bool:
        """Come in, once nobody is alone or wants to be; False once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not (self._alone or self._asking))
            self._inside += not self._closed
            return not self._closed

    def alone_at_once(self) -> bool:
        """From inside: be alone where nobody else is inside; False, and nothing changed, where somebody is."""
        with self._changed:
            self._alone = self._inside == 1 and not self._closed
            return self._alone

    def be_alone(self) -> bool:
        """From inside: wait until all others have left; False once closed, and then not alone."""
        with self._changed:
            self._inside -= 1
            self._asking += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closed or not (self._inside or self._alone))
            self._asking -= 1
            self._inside += 1
            self._alone = not self._closed
            return self._alone

    def leave(self) -> None:
        """Go out, for the next."""
        with self._changed:
            self._inside -= 1
            self._alone = self._alone and self._inside > 0
            self._changed.notify_all()

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Worker:
    """``config.threads`` threads that run jobs with the handlers of their kinds, and one that renews their leases.

    Thread-safety: all methods may be called from any thread.
    """

    def __init__(
        self, queue: JobQueue, handlers: Mapping[str, Handler], config: WorkerConfig, changed: Callable[[str], None]
    ) -> None:
        self._queue = queue
        self._handlers = handlers
        self._config = config
        self._changed = changed
        #: Told of every run that ended: the kind of job, seconds, and the exception's class name, empty where it succeeded.
        self.observer: Callable[[str, float, str], None] = lambda kind, seconds, failure: None
        # By delivery: a process whose lease ran out may hold the same job a second time, on another thread.
        self._running: dict[tuple[str, int], JobContext] = {}
        self._lock = threading.Lock()
        self._room = _Room()
        self._wake = threading.Condition()
        self._pending_wakes = 0
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the threads."""
        names = [f"job-{number}" for number in range(self._config.threads)]
        self._threads = [threading.Thread(target=self._work, name=name, daemon=True) for name in names]
        self._threads.append(threading.Thread(target=self._tend, name="job-leases", daemon=True))
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Look for jobs now."""
        with self._wake:
            self._pending_wakes += 1
            self._wake.notify()

    def lose(self, job_id: str) -> None:
        """Tell the handler of a job that was cancelled in this process; others learn it from their next heartbeat."""
        with self._lock:
            contexts = [context for (running, _), context in self._running.items() if running == job_id]
        for context in contexts:
            context.lose()

    def stop(self, grace: float) -> None:
        """Take no more jobs; wait up to ``grace`` seconds for the running ones, and give back those that still run."""
        self._stopping.set()
        self._room.close()
        with self._wake:
            self._wake.notify_all()
        *workers, tender = self._threads or [threading.current_thread()]
        until = time.monotonic() + grace
        for thread in workers:
            thread.join(max(0.0, until - time.monotonic()))
        with self._lock:
            left = list(self._running.values())
        for context in left:
            try:
                self._queue.release(context.job)
            except STORE_AWAY as error:
                # Its lease ends by itself.
                log.warning("job_release_failed", job=context.job.id, error=type(error).__name__)
            context.lose()
        self._stopped.set()
        if workers:
            tender.join()

    def _work(self) -> None:
        while not self._stopping.is_set():
            # Before the claim: what is claimed must not wait for a job that runs alone.
            if not self._room.enter():
                return
            try:
                pause = self._work_once()
            finally:
                self._room.leave()
            if pause:
                self._sleep()

    def _work_once(self) -> bool:
        """Run the most urgent job; True where there is none, or it cannot be known."""
        try:
            job = self._claim()
            if job is not None and job.error == WORKER_DIED and not self._room.alone_at_once():
                # It is not held while it waits: if a neighbour kills this process, that would count as one of its attempts.
                self._queue.release(job)
                job = self._claim() if self._room.be_alone() else None
        except STORE_AWAY as error:
            # Nothing is lost, jobs stay where they are.
            log.warning("job_claim_failed", error=type(error).__name__)
            return True
        if job is None:
            return True
        self._changed(job.id)
        self._run(job)
        self._changed(job.id)
        return False

    def _claim(self) -> Job | None:
        return self._queue.claim(sorted(self._handlers), self._config.lease) if self._handlers else None

    def _sleep(self) -> None:
        with self._wake:
            if not self._pending_wakes and not self._stopping.is_set():
                self._wake.wait(self._config.poll)
            self._pending_wakes = max(0, self._pending_wakes - 1)

    def _run(self, job: Job) -> None:
        context = JobContext(job)
        with self._lock:
            self._running[job.id, job.fence] = context
        begun = time.monotonic()
        try:
            try:
                result = self._handlers[job.kind](job.payload, context)
            except LostLease:
                raise
            except Exception as error:
                self.observer(job.kind, time.monotonic() - begun, type(error).__name__)
                self._failed(job, error)
                return
            self.observer(job.kind, time.monotonic() - begun, "")
            if self._complete(context, result):
                for action in context.after:
                    action()
        except LostLease:
            log.warning("job_lease_lost", job=job.id, kind=job.kind)
        except STORE_AWAY as error:
            # Its lease runs out, and it is delivered again.
            log.warning("job_end_failed", job=job.id, error=type(error).__name__)
        except Exception:
            log.exception("job_follow_up_failed", job=job.id, kind=job.kind)
        finally:
            with self._lock:
                del self._running[job.id, job.fence]

    def _complete(self, context: JobContext, result: bytes | None) -> bool:
        """End the job well, False where its effects were refused; try again while the store is away."""
        job = context.job
        until = time.monotonic() + self._config.lease
        unknown = last = False
        while True:
            try:
                self._queue.complete(job, result, context.effects)
            except LostLease:
                # A commit whose answer was lost has happened: nobody else ends a job well with our token.
                if not (unknown and self._queue.succeeded(job)):
                    raise
            except STORE_AWAY as error:
                log.warning("job_end_delayed", job=job.id, error=type(error).__name__)
                if last:
                    raise
                unknown = True
                last = self._stopping.wait(self._config.poll) or time.monotonic() >= until
                continue
            except Exception as error:
                self._failed(job, error)
                return False
            return True

    def _failed(self, job: Job, error: Exception) -> None:
        # The text of our own errors is safe to keep; a library's may hold addresses or data, so only its class is kept.
        text = error.message if isinstance(error, HexarError) else type(error).__name__
        log.warning("job_failed", job=job.id, kind=job.kind, attempt=job.attempts, error=text, exc_info=error)
        config = self._config
        pause = min(config.retry_limit, config.retry_base * config.retry_factor ** (job.attempts - 1))
        self._queue.retry(job, text, pause * random.uniform(0.75, 1.0))

    def _tend(self) -> None:
        """Renew the leases of what runs, also while it is waited for at the end; now and then delete what ended long ago."""
        sweep_at = time.monotonic()
        while not self._stopped.wait(self._config.lease / 3):
            with self._lock:
                contexts = list(self._running.values())
            for context in contexts:
                try:
                    if not self._queue.heartbeat(context.job, self._config.lease):
                        context.lose()
                except STORE_AWAY as error:
                    log.warning("job_heartbeat_failed", job=context.job.id, error=type(error).__name__)
            if time.monotonic() >= sweep_at:
                sweep_at = time.monotonic() + SWEEP_SECONDS
                try:
                    self._queue.forget_old()
                except STORE_AWAY as error:
                    log.warning("job_sweep_failed", error=type(error).__name__)
