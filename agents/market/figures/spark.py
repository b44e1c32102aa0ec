"""A Spark cluster that reads tables: statements run there over Spark Connect.

pyspark is no dependency of Hexar: whoever configures a Spark warehouse installs its client (``pyspark-client``).
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from hexar.agents.market.figures.stopping import stoppable
from hexar.agents.transport.cancel import Cancel
from hexar.core.errors import Aborted, FailedPrecondition, Unavailable
from hexar.core.ids import random_hex

#: Seconds that a connection may take, and the port where an address names none.
CONNECT, PORT = 5.0, 15002
#: Spark's types as DuckDB names them, by their first word; any other is text.
_TYPES = {
    "date": "DATE", "timestamp": "DATE", "timestamp_ntz": "DATE", "tinyint": "BIGINT", "smallint": "BIGINT", "int": "BIGINT",
    "bigint": "BIGINT", "decimal": "DECIMAL", "float": "DOUBLE", "double": "DOUBLE",
}  # fmt: skip


class SparkWarehouse:
    """Tables that the cluster behind ``url`` (``sc://host:15002``) knows by name.

    Thread-safety: all methods may be called from any thread; the session is opened by the first statement.
    """

    dialect = "spark"

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._opened: Any = None

    def _session(self) -> Any:
        with self._lock:
            if self._opened is None:
                try:
                    from pyspark.sql.connect.session import SparkSession
                except ImportError:
                    raise FailedPrecondition(
                        "a Spark warehouse needs the package pyspark-client, which is not installed"
                    ) from None
                # A session of its own: the one that exists may be of another cluster.
                self._opened = SparkSession(connection=self._url)
            return self._opened

    def rows(self, statement: str, cancel: Cancel) -> Sequence[tuple[Any, ...]]:
        """The rows of an aggregate; ``cancel`` interrupts it on the cluster."""
        return [tuple(row) for row in self._run(lambda session: session.sql(statement).collect(), cancel)]

    def columns(self, relation: str, cancel: Cancel) -> Sequence[tuple[str, str]]:
        """(name, type) of each column; empty where there is no such relation, or it may not be read."""
        from pyspark.errors import AnalysisException

        def described(session: Any) -> Any:
            try:
                return session.table(relation).schema.fields
            except AnalysisException:
                return ()

        return [
            (field.name, _TYPES.get(field.dataType.simpleString().partition("(")[0], "VARCHAR"))
            for field in self._run(described, cancel)
        ]

    def _reach(self) -> None:
        """Raise Unavailable where nobody listens: the client itself would wait for ten minutes."""
        address = urlsplit(self._url)
        try:
            socket.create_connection((address.hostname or "localhost", address.port or PORT), CONNECT).close()
        except OSError as error:
            raise Unavailable("the warehouse does not answer") from error

    def _run(self, work: Any, cancel: Cancel) -> Any:
        self._reach()
        session = self._session()
        from pyspark.errors import PySparkException

        if cancel.cancelled:
            raise Aborted("the analysis was cancelled")
        # Tags belong to the thread that sets them, and an operation keeps those that it begins with.
        tag = random_hex(16)
        session.addTag(tag)
        try:
            with stoppable(cancel, lambda: session.interruptTag(tag)):
                return work(session)
        except (PySparkException, OSError) as error:
            if cancel.cancelled:
                raise Aborted("the analysis was cancelled") from None
            if _away(error):
                raise Unavailable("the warehouse does not answer") from error
            raise
        finally:
            session.removeTag(tag)

    def close(self) -> None:
        """Leave the cluster; what others run there goes on."""
        with self._lock:
            session, self._opened = self._opened, None
        if session is not None:
            session.stop()


def _away(error: BaseException) -> bool:
    """Whether the cluster, and not the statement, is at fault: a failed call carries a status of gRPC in its cause."""
    from pyspark.errors import AnalysisException, ParseException

    return not isinstance(error, AnalysisException | ParseException)
