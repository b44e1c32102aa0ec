"""Nearest vectors in PostgreSQL, by pgvector: for portfolios that have no room in memory.

Up to :data:`EXACT_LIMIT` vectors of a portfolio are compared one by one. Above it an HNSW index answers, one for each
provider over the vectors of all portfolios; it is read on until enough rows are the portfolio's own (``hnsw.iterative_scan``).
The portfolio is part of every condition: no other tenant's row is ever returned, only passed over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from hexar.agents.portfolio.retrieval.vectors import CONNECTIVITY, EXACT_LIMIT, EXPANSION_ADD, EXPANSION_SEARCH
from hexar.agents.portfolio.tables import vectors
from hexar.core.store import Database
from hexar.core.store.halfvec import HalfVector, halfvec_text

#: Rows of other portfolios, and own ones, that a search looks at before it gives up.
MAX_SCAN = 100_000


def nearest(
    connection: sa.Connection,
    portfolio: int,
    identity: str,
    vector: NDArray[np.float32],
    limit: int,
    total: int,
    *,
    exact_limit: int = EXACT_LIMIT,
) -> tuple[list[int], list[float]]:
    """Chunk keys and cosines of the ``limit`` nearest of a portfolio's ``total`` vectors to a unit ``vector``, best first."""
    distance = _distance(vector)
    if total <= exact_limit:
        # A sum is no index expression: the planner cannot take the graph, which finds less.
        order: sa.ColumnElement[float] = distance + sa.literal_column("0")
    else:
        order = distance
        connection.exec_driver_sql(f"SET LOCAL hnsw.ef_search = {EXPANSION_SEARCH}")
        connection.exec_driver_sql("SET LOCAL hnsw.iterative_scan = relaxed_order")
        connection.exec_driver_sql(f"SET LOCAL hnsw.max_scan_tuples = {MAX_SCAN}")
    statement = (
        sa.select(vectors.c.chunk_key, distance)
        .where(vectors.c.portfolio_key == portfolio, vectors.c.identity == _in_line(identity))
        .order_by(order)
        .limit(limit)
    )
    # The order of an iterative scan is nearly right; what it found is put into the right one.
    found = sorted((-cosine, key) for key, cosine in ((row[0], -row[1]) for row in connection.execute(statement)))
    return [key for _, key in found], [-negative for negative, _ in found]


def similarities(
    connection: sa.Connection, identity: str, vector: NDArray[np.float32], keys: Sequence[int]
) -> dict[int, float]:
    """The cosines of a unit ``vector`` and those of ``keys`` that have a vector."""
    if not keys:
        return {}
    statement = sa.select(vectors.c.chunk_key, _distance(vector)).where(
        vectors.c.chunk_key.in_(keys), vectors.c.identity == _in_line(identity)
    )
    return {key: -distance for key, distance in connection.execute(statement)}


def index_name(identity: str) -> str:
    """The name of a provider's index."""
    return f"ix_vectors_hnsw_{hashlib.sha256(identity.encode()).hexdigest()[:16]}"


def build_index(database: Database, identity: str, dimension: int) -> bool:
    """Make a provider's index where it is missing; False where another process makes it now. Blocking, for minutes.

    Rows are read and written meanwhile. What an interrupted build left behind is made anew.
    """
    name = index_name(identity)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        if not connection.execute(sa.select(sa.func.pg_try_advisory_lock(key))).scalar_one():
            return False
        try:
            connection.exec_driver_sql("SET statement_timeout = 0")
            valid = connection.execute(
                sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"), {"name": name}
            ).scalar()
            if valid is False:
                connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY {name}")
            if not valid:
                named = connection.dialect.identifier_preparer.quote(name)
                literal = "'" + identity.replace("'", "''").replace("%", "%%") + "'"
                connection.exec_driver_sql(
                    f"CREATE INDEX CONCURRENTLY {named} ON vectors USING hnsw ((vector::halfvec({dimension})) halfvec_ip_ops)"
                    f" WITH (m = {CONNECTIVITY}, ef_construction = {EXPANSION_ADD}) WHERE identity = {literal}"
                )
            connection.exec_driver_sql("RESET statement_timeout")
        finally:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))
    return True


def _distance(vector: NDArray[np.float32]) -> sa.ColumnElement[float]:
    """The negative inner product with ``vector``, as the index computes it."""
    kind = HalfVector(len(vector))
    query = sa.cast(sa.bindparam(None, halfvec_text(vector.astype(np.float16).tobytes()), sa.String), kind)
    result: sa.ColumnElement[float] = sa.cast(vectors.c.vector, kind).op("<#>", return_type=sa.Double())(query)
    return result


def _in_line(identity: str) -> sa.BindParameter[Any]:
    # As a constant: a planner that does not know the value cannot tell that the partial index covers it.
    return sa.bindparam(None, identity, sa.String, literal_execute=True)
