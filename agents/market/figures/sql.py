"""SQL as it is written here: DuckDB's dialect, translated for other engines by sqlglot.

Names and values of a caller's table enter only through :func:`identifier` and :func:`literal`. The translation goes over a
syntax tree, so that a quoted name or value stays one in the other dialect as well.
"""

from __future__ import annotations

from hexar.core.memo import remembered


def identifier(name: str) -> str:
    """A column or table name, quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text value, quoted."""
    return "'" + text.replace("'", "''") + "'"


@remembered("market.statements")
def translate(statement: str, dialect: str) -> str:
    """A statement in another engine's dialect ("postgres", "clickhouse", "trino", "spark")."""
    if dialect == "duckdb":
        return statement
    import sqlglot

    return sqlglot.transpile(statement, read="duckdb", write=dialect, identify=True)[0]
