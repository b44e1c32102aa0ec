"""DuckDB in this process: bounded in memory, closed to every file but those it is given."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hexar.agents.market.figures.sql import literal
from hexar.agents.market.figures.stopping import stoppable
from hexar.agents.transport.cancel import Cancel
from hexar.core.errors import Aborted, FailedPrecondition, ResourceExhausted, Unavailable

if TYPE_CHECKING:
    import duckdb

#: Bytes that scans may spill to disk where memory does not suffice.
SPILL = "16GB"
#: Seconds that interrupted statements may take to end.
CLOSING = 10.0


def library() -> Any:
    """The module duckdb, imported by the first who asks. Raises FailedPrecondition where it is not installed."""
    try:
        import duckdb
    except ImportError:
        raise FailedPrecondition("sales tables need the extra hexar[market], which is not installed on the server") from None
    return duckdb


class DuckEngine:
    """One DuckDB for all tables of a process.

    It may read ``folder``, where this process keeps its own copies and spills, and the files below ``roots``: nothing else, by
    whatever SQL. ``memory_mb`` bounds what all queries hold together; beyond it they spill.

    Thread-safety: all methods may be called from any thread; a cursor belongs to its ``with`` block.
    """

    dialect = "duckdb"

    def __init__(self, folder: Path, roots: Iterable[Path] = (), *, memory_mb: int = 512, threads: int | None = None) -> None:
        self.folder = folder
        self._roots = [folder, *roots]
        self._memory_mb = memory_mb
        self._threads = threads
        self._lock = threading.RLock()
        self._idle = threading.Condition(self._lock)
        self._cursors: set[duckdb.DuckDBPyConnection] = set()
        self._connection: duckdb.DuckDBPyConnection | None = None

    def _open(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._connection is None:
                duckdb = library()
                self.folder.mkdir(parents=True, exist_ok=True)
                config: dict[str, Any] = {
                    "memory_limit": f"{self._memory_mb}MB",
                    "temp_directory": str(self.folder / "spill"),
                    "max_temp_directory_size": SPILL,
                    "autoinstall_known_extensions": "false",
                    "autoload_known_extensions": "false",
                    "preserve_insertion_order": "true",
                }
                if self._threads:
                    config["threads"] = self._threads
                made = duckdb.connect(":memory:", config=config)
                allowed = ", ".join(literal(str(root.resolve()) + "/") for root in self._roots)
                made.execute(f"SET allowed_directories = [{allowed}]")
                made.execute("SET enable_external_access = false")
                # A moment with a zone is a day of UTC, wherever the server stands.
                made.execute("SET TimeZone = 'UTC'")
                made.execute("SET lock_configuration = true")
                self._connection = made
            return self._connection

    @contextmanager
    def cursor(self, cancel: Cancel) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of its own, with its own temporary tables; ``cancel`` interrupts what it runs.

        Raises Aborted where it was cancelled, ResourceExhausted where memory and disk do not suffice, else DuckDB's errors.
        """
        duckdb, connection = library(), self._open()
        with self._lock:
            # One connection serves one call at a time, also one for a cursor.
            cursor = connection.cursor()
            self._cursors.add(cursor)
        try:
            if cancel.cancelled:
                raise Aborted("the analysis was cancelled")
            with stoppable(cancel, cursor.interrupt):
                yield cursor
        except duckdb.InterruptException:
            raise Aborted("the analysis was cancelled") from None
        except duckdb.OutOfMemoryException as error:
            raise ResourceExhausted("the table needs more memory than is configured (market.memory_mb)") from error
        except duckdb.IOException as error:
            raise Unavailable("the table's file cannot be read now") from error
        finally:
            with self._lock:
                self._cursors.discard(cursor)
                cursor.close()
                self._idle.notify_all()

    def rows(self, statement: str, cancel: Cancel) -> Sequence[tuple[Any, ...]]:
        """The rows of an aggregate."""
        with self.cursor(cancel) as cursor:
            return cursor.execute(statement).fetchall()

    def close(self) -> None:
        """Interrupt what runs, and close."""
        with self._lock:
            # A statement that begins meanwhile is interrupted in the next round.
            until = time.monotonic() + CLOSING
            while self._cursors and time.monotonic() < until:
                for cursor in self._cursors:
                    cursor.interrupt()
                self._idle.wait(0.05)
            if self._connection is not None and not self._cursors:
                self._connection.close()
            self._connection = None
