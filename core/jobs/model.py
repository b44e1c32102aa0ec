"""A job, its states, and what a handler may do.

::

    HexarError
    └── LostLease    another worker has taken the job over; whatever this one still does has no effect
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from hexar.core.errors import Code, HexarError


class JobState(StrEnum):
    """QUEUED → RUNNING → SUCCEEDED, or back to QUEUED for another attempt, or DEAD after the last; CANCELLED by an operator."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """True where nothing more will happen."""
        return self in (JobState.SUCCEEDED, JobState.DEAD, JobState.CANCELLED)


class LostLease(HexarError):
    """The lease ran out and the job has another fencing token now, or it was cancelled."""

    code = Code.ABORTED


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of background work. Times are Unix seconds; ``fence`` grows with every delivery to a worker."""

    id: str
    tenant: str
    kind: str
    payload: bytes
    state: JobState
    priority: int
    dedupe_key: str | None
    attempts: int
    max_attempts: int
    fence: int
    created_at: float
    updated_at: float
    error: str
    result: bytes | None


#: An effect, executed on the connection whose transaction also ends the job.
Effect = Callable[[sa.Connection], None]


class JobContext:
    """What a handler gets beside its payload.

    Effects are handed over with :meth:`commit` and run in the one transaction that marks the job as succeeded, guarded by the
    fencing token: they are applied exactly once, or not at all, whenever the process is killed.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.effects: list[Effect] = []
        self.after: list[Callable[[], None]] = []
        self._lost = threading.Event()

    def commit(self, effect: Effect) -> None:
        """Apply ``effect`` together with the end of the job."""
        self.effects.append(effect)

    def then(self, action: Callable[[], None]) -> None:
        """Run ``action`` in this process after the commit; lost when the process is killed between, so only for caches."""
        self.after.append(action)

    @property
    def lost(self) -> bool:
        """True once the lease is known to be lost: a long handler should stop."""
        return self._lost.is_set()

    def lose(self) -> None:
        """Called by the heartbeat when the lease is gone."""
        self._lost.set()


Handler = Callable[[bytes, JobContext], bytes | None]
