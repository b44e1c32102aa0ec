"""PostgreSQL as a store: connections that do not wait for ever, and a watch that knows whether the server answers.

A server that was killed refuses connections at once. One that is stopped, or behind a network that swallows everything, keeps
its connections open: the kernels still acknowledge every byte, so that no timeout of TCP fires. :class:`Watch` therefore
asks the server on a connection of its own as soon as some statement takes long. Where that is not answered either, whoever
waits is let go, and until the server answers again every call fails at once.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
import structlog
from psycopg import pq
from sqlalchemy.engine import URL
from sqlalchemy.pool import ConnectionPoolEntry

from hexar.core.errors import StoreUnavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")

#: Seconds that a new connection may take; libpq counts whole seconds, at least 2.
CONNECT_SECONDS = 2
#: Seconds that a transaction may take before the watch asks whether the server still answers, and between two such questions.
PATIENCE = 0.5
ASK_EVERY = 1.0
#: How often the watch looks, and asks a server that is away, seconds.
LOOK_EVERY = 0.25
#: Seconds that a statement may run on the server, and that it keeps a transaction whose client says nothing.
STATEMENT_SECONDS = 30
IDLE_SECONDS = 60
#: Seconds that a caller waits for a connection where all are in use.
POOL_SECONDS = 3.0
#: A connection is renewed after so many seconds; the server's clock is read with each new one.
RECYCLE_SECONDS = 1800

# Classes of SQLSTATE that may pass: connection, out of resources, operator intervention, system error.
_PASSING_CLASSES = ("08", "53", "57", "58")
#: Serialization failure, deadlock, lock not available.
_CONFLICTS = ("40001", "40P01", "55P03")
#: A write sent to a server that only reads: a replica before it takes over.
_READ_ONLY = "25006"


class GuardedConnection(psycopg.Connection[Any]):
    """A connection whose waits end where ``given_up`` says so; it is closed then, since its answer may still come."""

    given_up: Callable[[], bool] | None = None

    def wait(self, gen: Generator[Any, Any, T], interval: float = 0.1, timeout: float | None = None) -> T:
        """As the driver's, but asking ``given_up`` every ``interval`` seconds that nothing comes."""
        if self.given_up is None:
            return super().wait(gen, interval, timeout)
        return super().wait(self._watched(gen, self.given_up), interval, timeout)

    def _watched(self, gen: Generator[Any, Any, T], given_up: Callable[[], bool]) -> Generator[Any, Any, T]:
        try:
            state = next(gen)
            while True:
                ready = yield state
                if not ready and given_up():
                    self.pgconn.finish()
                    raise psycopg.OperationalError("the server does not answer")
                state = gen.send(ready)
        except StopIteration as ended:
            return ended.value  # type: ignore[no-any-return]


class Watch:
    """Whether a server answers.

    Thread-safety: all methods may be called from any thread.
    """

    def __init__(self, connect: Callable[[], GuardedConnection], recovered: Callable[[], None]) -> None:
        self._connect = connect
        self._recovered = recovered
        self._lock = threading.Lock()
        self._begun: dict[int, float] = {}
        self._look = threading.Event()
        self._suspected = False
        self._closed = False
        self.away = False
        #: The server was asked and said nothing: those who wait for it are let go.
        self.silent = False
        self._thread = threading.Thread(target=self._run, name="store-watch", daemon=True)
        self._thread.start()

    @contextmanager
    def block(self) -> Iterator[None]:
        """Watch over what a thread does with the server; raises StoreUnavailable at once where it is away."""
        if self.away:
            raise StoreUnavailable("the store does not answer")
        key = threading.get_ident()
        before = self._begun.get(key)
        self._begun[key] = before if before is not None else time.monotonic()
        try:
            yield
        finally:
            if before is None:
                del self._begun[key]

    def suspect(self) -> None:
        """A connection broke: ask the server now."""
        self._suspected = True
        self._look.set()

    def close(self) -> None:
        """End the thread."""
        self._closed = True
        self._look.set()
        self._thread.join()

    def _run(self) -> None:
        asked = 0.0
        while not self._closed:
            self._look.wait(LOOK_EVERY)
            self._look.clear()
            now = time.monotonic()
            oldest = min(list(self._begun.values()), default=now)
            slow = now - oldest > PATIENCE and now - asked >= ASK_EVERY
            if self._closed or not (self.away or self._suspected or slow):
                continue
            suspected, self._suspected, asked = self._suspected, False, now
            was_away = self.away
            self._ask()
            if self.away and not was_away:
                log.warning("store_away", silent=self.silent)
            elif not self.away and (was_away or suspected):
                if was_away:
                    log.info("store_back")
                try:
                    self._recovered()
                except Exception as error:
                    # It went away again, or a follow-up failed: both are looked at once more.
                    log.warning("store_recovery_failed", error=type(error).__name__)
                    self._suspected = True

    def _ask(self) -> None:
        until = time.monotonic() + CONNECT_SECONDS
        try:
            with self._connect() as connection:
                connection.given_up = lambda: time.monotonic() > until
                connection.execute("SELECT 1")
        except psycopg.Error:
            self.silent = time.monotonic() >= until - 0.1
            self.away = True
        else:
            self.away = self.silent = False


class Postgres:
    """Connections to one database, the watch over them, and the server's clock.

    Thread-safety: all methods may be called from any thread.
    """

    def __init__(self, url: URL, *, connections: int, recovered: Callable[[], None]) -> None:
        self.engine = sa.create_engine(
            url, pool_size=connections, max_overflow=0, pool_timeout=POOL_SECONDS, pool_recycle=RECYCLE_SECONDS,
            pool_use_lifo=True, use_native_hstore=False, hide_parameters=True,
        )  # fmt: skip
        sa.event.listen(self.engine, "do_connect", self._do_connect)
        sa.event.listen(self.engine, "connect", self._connected)
        sa.event.listen(self.engine, "checkout", self._check_out)
        #: One snapshot for all statements of a block, and nothing is written by mistake.
        self.reader = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        _, self._parameters = self.engine.dialect.create_connect_args(url)
        for name, value in _DEFAULTS.items():
            self._parameters.setdefault(name, value)
        #: What the server's clock is ahead of this machine's steady one; None before the first connection.
        self.offset: float | None = None
        self._after_recovery = recovered
        # How often the server came back: connections from before may be dead without having said so.
        self._epoch = 0
        self.watch = Watch(self._connect, self._recovered)

    def time(self) -> float:
        """Seconds since 1970 by the server's clock, as it was last read, carried on by this machine's steady clock.

        There has been a connection before.
        """
        assert self.offset is not None
        return time.monotonic() + self.offset

    def close(self) -> None:
        """Close every connection."""
        self.watch.close()
        self.engine.dispose()

    def unavailable(self, error: sa.exc.SQLAlchemyError, *, writing: bool) -> StoreUnavailable | None:
        """What a caller is told where ``error`` may pass; None where it is an error of the statement."""
        if isinstance(error, sa.exc.TimeoutError):
            return StoreUnavailable("all connections to the store are in use")
        if not isinstance(error, sa.exc.DBAPIError):
            return None
        state = getattr(error.orig, "sqlstate", None)
        if error.connection_invalidated or (state is None and isinstance(error.orig, psycopg.OperationalError)):
            self.watch.suspect()
            return StoreUnavailable("the store does not answer")
        if state in _CONFLICTS or (writing and state == _READ_ONLY):
            return StoreUnavailable("the store could not take the write now")
        if isinstance(state, str) and state.startswith(_PASSING_CLASSES):
            return StoreUnavailable("the store is overloaded or stopping")
        return None

    def _connect(self) -> GuardedConnection:
        return GuardedConnection.connect(**self._parameters)

    def _do_connect(self, *_: object) -> GuardedConnection:
        connection = self._connect()
        connection.given_up = lambda: self.watch.silent
        return connection

    def _connected(self, connection: GuardedConnection, record: ConnectionPoolEntry) -> None:
        record.info["epoch"] = self._epoch
        try:
            connection.autocommit = True
            before = time.monotonic()
            row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
            after = time.monotonic()
            connection.autocommit = False
        except psycopg.Error:
            connection.close()
            raise
        assert row is not None
        self.offset = row[0] - (before + after) / 2

    def _recovered(self) -> None:
        self._epoch += 1
        self._after_recovery()

    def _check_out(self, connection: GuardedConnection, record: ConnectionPoolEntry, _proxy: object) -> None:
        """Refuse a pooled connection that is dead, or may be: an idle one has nothing to read. No round trip."""
        if record.info.get("epoch") == self._epoch:
            poll = select.poll()
            with suppress(psycopg.OperationalError):
                poll.register(connection.pgconn.socket, select.POLLIN)
                if connection.pgconn.transaction_status == pq.TransactionStatus.IDLE and not poll.poll(0):
                    return
        raise sa.exc.DisconnectionError("the server has closed the connection")


#: Parameters of libpq that an address may override.
_DEFAULTS = {
    "connect_timeout": CONNECT_SECONDS,
    "application_name": "hexar",
    "keepalives_idle": 10,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
    "options": f"-c statement_timeout={STATEMENT_SECONDS}s -c idle_in_transaction_session_timeout={IDLE_SECONDS}s",
}
