"""A PostgreSQL that holds tables: statements run there, in read-only transactions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from hexar.agents.market.figures.sql import literal
from hexar.agents.market.figures.stopping import stoppable
from hexar.agents.transport.cancel import Cancel
from hexar.core.errors import Aborted, Unavailable

#: PostgreSQL's types as DuckDB names them; any other is text.
_TYPES = {
    "date": "DATE", "timestamp without time zone": "DATE", "timestamp with time zone": "DATE", "smallint": "BIGINT",
    "integer": "BIGINT",
    "bigint": "BIGINT", "numeric": "DECIMAL", "money": "VARCHAR", "real": "DOUBLE", "double precision": "DOUBLE",
}  # fmt: skip


class PostgresWarehouse:
    """Tables in the database at ``url`` (``postgresql://user:password@host/name``).

    Thread-safety: all methods may be called from any thread; at most ``connections`` run at once.
    """

    dialect = "postgres"

    def __init__(self, url: str, *, connections: int = 8) -> None:
        parsed = sa.engine.make_url(url).set(drivername="postgresql+psycopg")
        self._engine = sa.create_engine(
            parsed,
            hide_parameters=True,
            pool_size=connections,
            max_overflow=0,
            pool_pre_ping=True,
            connect_args={"options": "-c default_transaction_read_only=on"},
        )

    def rows(self, statement: str, cancel: Cancel) -> Sequence[tuple[Any, ...]]:
        """The rows of an aggregate; ``cancel`` stops it on the server."""
        try:
            with self._engine.connect() as connection:
                driver: Any = connection.connection.driver_connection
                if cancel.cancelled:
                    raise Aborted("the analysis was cancelled")
                with stoppable(cancel, driver.cancel_safe):
                    # Without parameters a percent sign is one.
                    return list(driver.cursor().execute(statement).fetchall())
        except sa.exc.SQLAlchemyError as error:
            raise Unavailable("the warehouse does not answer") from error
        except Exception as error:
            if cancel.cancelled:
                raise Aborted("the analysis was cancelled") from None
            if isinstance(error, _connection_errors()):
                raise Unavailable("the warehouse does not answer") from error
            raise

    def columns(self, relation: str, cancel: Cancel) -> Sequence[tuple[str, str]]:
        """(name, type) of each column; empty where there is no such relation, or it may not be read."""
        *schema, name = relation.split(".")[-2:]
        where = f"table_schema = {literal(schema[0])}" if schema else "table_schema = ANY (current_schemas(false))"
        rows = self.rows(
            "SELECT column_name, data_type FROM information_schema.columns "
            f"WHERE table_name = {literal(name)} AND {where} ORDER BY ordinal_position",
            cancel,
        )
        return [(row[0], _TYPES.get(row[1], "VARCHAR")) for row in rows]

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def _connection_errors() -> tuple[type[Exception], ...]:
    import psycopg

    return (psycopg.OperationalError, psycopg.InterfaceError)
