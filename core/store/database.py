"""One database: engine, pragmas, transactions, and the threads that statements run on.

Where the database does not answer, every call raises StoreUnavailable; where the statement is wrong or refused (a key that is
taken), SQLAlchemy's error passes.

Thread-safety: a :class:`Database` is shared by all threads; a connection belongs to the ``with`` block that opened it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, SQLAlchemyError

from hexar.core.errors import StoreDamaged, StoreUnavailable
from hexar.core.store.postgres import Postgres

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

#: How long a SQLite writer waits for another before it gives up, seconds.
BUSY_TIMEOUT = 10.0
# Another process holds the lock, or the disk fails or is full.
_SQLITE_PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
_SQLITE_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
#: A larger file is not looked through when it is opened, bytes; and how often damage is told, seconds.
CHECKED_BYTES = 64 * 1024 * 1024
DAMAGED_SECONDS = 60.0


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


def store_url(text: str) -> URL:
    """The address of a store; raises ValueError where it is none. What it says of the password is never shown."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError("is no address of a database: postgresql://user@host:5432/name") from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "postgresql+psycopg"):
        raise ValueError(f"{url.drivername}:// is not supported: postgresql://user@host:5432/name")
    if url.drivername != "sqlite" and not url.database:
        raise ValueError("names no database: postgresql://user@host:5432/name")
    return url


#: What a block on the store may raise that is not the fault of the call: work that can wait goes on without it.
STORE_ERRORS = (SQLAlchemyError, StoreUnavailable)


class Database:
    """A store at ``url`` (``sqlite:///path`` or ``postgresql://user@host/name``) with ``threads`` for asynchronous callers.

    An acknowledged write survives a killed process and a lost power supply: SQLite runs in WAL with ``synchronous=FULL``,
    PostgreSQL commits as it is configured. ``connections`` is the most that a process holds to PostgreSQL; a block that waits
    for one longer than 3 s raises StoreUnavailable.
    """

    def __init__(self, url: str, *, threads: int = 4, connections: int = 16) -> None:
        parsed = store_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        #: Called, on a thread of the store, when it answers again or a connection broke: what was committed last is uncertain.
        self.recovered: list[Callable[[], None]] = []
        self._postgres: Postgres | None = None
        self._tell_at = 0.0
        if self.is_sqlite:
            if parsed.database and parsed.database != ":memory:":
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            self.engine: Engine = create_engine(parsed, pool_size=threads + 4, hide_parameters=True)
            self._reader = self.engine
            event.listen(self.engine, "connect", _configure_sqlite)
        else:
            self._postgres = Postgres(parsed, connections=max(connections, threads + 1), recovered=self._recovered)
            self.engine, self._reader = self._postgres.engine, self._postgres.reader
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="store")

    @property
    def where(self) -> str:
        """Its address for people: without user and password."""
        url = self.engine.url
        return str(url.database) if self.is_sqlite else f"postgresql://{url.host or ''}:{url.port or 5432}/{url.database}"

    @property
    def available(self) -> bool:
        """False while the store is known to be away."""
        return self._postgres is None or not self._postgres.watch.away

    def time(self) -> float:
        """Seconds since 1970 by the one clock that all processes on this store share: the machine's, or PostgreSQL's."""
        if self._postgres is None:
            return time.time()
        if self._postgres.offset is None:
            with self.read():
                pass
        return self._postgres.time()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for statements that change nothing; each block sees one consistent snapshot."""
        with self._guarded(writing=False), self._reader.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: committed when the block ends, rolled back when it raises.

        On SQLite it is the only writer from its first statement on. On PostgreSQL others write meanwhile (READ COMMITTED):
        what is read to decide what is written must be locked (``with_for_update``), in an order that all blocks share.
        StoreUnavailable from the commit leaves open whether it happened.
        """
        with self._guarded(writing=True), self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    @contextmanager
    def _guarded(self, *, writing: bool) -> Iterator[None]:
        postgres = self._postgres
        if postgres is None:
            try:
                yield
            except DatabaseError as error:
                code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
                if code in _SQLITE_PASSING:
                    raise StoreUnavailable("the store is busy or its disk is full") from error
                if code in _SQLITE_DAMAGED:
                    self._tell_damage(error.orig)
                    raise StoreDamaged("the store is damaged", DAMAGED_SECONDS) from error
                raise
            return
        with postgres.watch.block():
            try:
                yield
            except SQLAlchemyError as error:
                unavailable = postgres.unavailable(error, writing=writing)
                if unavailable is None:
                    raise
                raise unavailable from error

    def check(self) -> None:
        """Look through the file of a SQLite store for damage, where it is small enough for that. Raises StoreDamaged."""
        path = Path(self.engine.url.database or "")
        if not self.is_sqlite or not path.is_file() or path.stat().st_size > CHECKED_BYTES:
            return
        with self.read() as connection:
            found = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
        if found != "ok":
            raise StoreDamaged(found.splitlines()[0][:200], DAMAGED_SECONDS)

    def _tell_damage(self, found: BaseException | None) -> None:
        """Say it now and then, however many calls fail of it."""
        now = time.monotonic()
        if now >= self._tell_at:
            self._tell_at = now + DAMAGED_SECONDS
            log.critical(
                "store_damaged", path=self.where, found=str(found), do="stop the server, restore a backup of this file"
            )

    def _recovered(self) -> None:
        for action in self.recovered:
            action()

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
        if self._postgres is not None:
            self._postgres.close()
        self.engine.dispose()
