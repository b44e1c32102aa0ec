"""One thread that writes for a process: what is asked for while a commit runs goes into the next commit, together.

A commit of the store waits for the disk. With one transaction per call, calls would wait for each other's disk flushes; with
one for all that is waiting, a flush serves them all (group commit).
"""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection

from hexar.core.errors import Unavailable
from hexar.core.store import Database

T = TypeVar("T")

#: Operations of one transaction at most: bounds how long other processes wait for the lock.
MAX_BATCH = 256


@dataclass(slots=True)
class _Operation:
    tenant: str
    run: Callable[[Connection], Any]
    committed: Callable[[Any], None] | None
    failed: Callable[[], None] | None
    future: "Future[Any]"


class Writer:
    """Thread-safety: all methods may be called from any thread."""

    def __init__(self, database: Database, idle: Callable[[], None], interval: float) -> None:
        self._database = database
        self._idle = idle
        self._interval = interval
        self._queue: queue.SimpleQueue[_Operation | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    def submit(
        self,
        tenant: str,
        run: Callable[[Connection], T],
        committed: Callable[[T], None] | None = None,
        failed: Callable[[], None] | None = None,
    ) -> "Future[T]":
        """Run ``run`` in the next transaction; the future is done when that is committed.

        ``committed`` or ``failed`` runs before that, on the writer's thread. ``run`` may run twice: a transaction that
        fails is repeated for each of its operations alone.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise Unavailable("the ledger is closed")
            self._queue.put(_Operation(tenant, run, committed, failed, future))
        return future

    def close(self) -> None:
        """Write what is waiting, then end the thread."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        next_idle = time.monotonic() + self._interval
        ending = False
        while not ending:
            batch: list[_Operation] = []
            try:
                operation = self._queue.get(timeout=max(0.0, next_idle - time.monotonic()))
                while operation is not None and len(batch) < MAX_BATCH:
                    batch.append(operation)
                    operation = self._queue.get_nowait()
                if operation is not None:
                    batch.append(operation)
                else:
                    ending = True
            except queue.Empty:
                pass
            if batch:
                self._write(batch)
            if time.monotonic() >= next_idle:
                self._idle()
                next_idle = time.monotonic() + self._interval

    def _write(self, batch: list[_Operation]) -> None:
        # In the order of the tenants, so that two processes on PostgreSQL cannot wait for each other in a circle.
        batch.sort(key=lambda operation: operation.tenant)
        try:
            with self._database.write() as connection:
                results = [operation.run(connection) for operation in batch]
        except Exception as error:
            if len(batch) > 1:
                # One of them is at fault, or the disk is: alone, each gets its own answer.
                for operation in batch:
                    self._write([operation])
                return
            if batch[0].failed is not None:
                batch[0].failed()
            batch[0].future.set_exception(error)
            return
        for operation, result in zip(batch, results, strict=True):
            if operation.committed is not None:
                operation.committed(result)
            operation.future.set_result(result)
