"""One database: engine, pragmas, transactions, and the threads that statements run on.

Thread-safety: a :class:`Database` is shared by all threads; a connection belongs to the ``with`` block that opened it.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, MetaData, create_engine, event, text
from sqlalchemy.engine import make_url

P = ParamSpec("P")
T = TypeVar("T")

#: Every table of every area; names of constraints are explicit so that migrations can address them.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: How long a SQLite writer waits for another before it gives up, seconds.
BUSY_TIMEOUT = 10.0


_thread = threading.local()


def awaited() -> list[Future[None]] | None:
    """Where code on a store's thread puts what its caller must wait for after it; None elsewhere."""
    return getattr(_thread, "awaited", None)


def _configure_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver's implicit BEGIN is off so that `write` can take the lock at once: a deferred transaction that upgrades
    # from read to write fails with SQLITE_BUSY no matter how long it would have waited.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={int(BUSY_TIMEOUT * 1000)}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


class Database:
    """A store at ``url`` (``sqlite:///path`` or ``postgresql://user@host/name``) with ``threads`` for asynchronous callers.

    An acknowledged write survives a killed process and a lost power supply: SQLite runs in WAL with ``synchronous=FULL``.
    """

    def __init__(self, url: str, *, threads: int = 4) -> None:
        parsed = make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite and parsed.database and parsed.database != ":memory:":
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        self.engine: Engine = create_engine(parsed, pool_pre_ping=not self.is_sqlite, pool_size=threads + 4)
        if self.is_sqlite:
            event.listen(self.engine, "connect", _configure_sqlite)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="store")

    def create_tables(self) -> None:
        """Create the tables that are missing (embedded use; a configured PostgreSQL is migrated)."""
        with self.write() as connection:
            metadata.create_all(connection)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for statements that change nothing; each block sees one consistent snapshot."""
        with self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: committed when the block ends, rolled back when it raises."""
        with self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking function on the store's threads, so that the event loop never waits for a disk.

        What the function leaves in :func:`awaited` is waited for here, on the event loop, and holds no thread.
        """
        left: list[Future[None]] = []

        def work() -> T:
            _thread.awaited = left
            try:
                return function(*args, **kwargs)
            finally:
                _thread.awaited = None

        result = await asyncio.get_running_loop().run_in_executor(self._threads, work)
        for future in left:
            await asyncio.wrap_future(future)
        return result

    def ping(self) -> None:
        """Raise where the database does not answer."""
        with self.read() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Wait for running statements, then close every connection."""
        self._threads.shutdown(wait=True)
        self.engine.dispose()
