"""BM25 over index terms: SQLite FTS5, one index a portfolio, or PostgreSQL tsvector. The only dialect branches are here.

Terms are made by :mod:`hexar.core.text.terms` and only split on blanks by the database, so that both databases
match the same words. One FTS5 table a portfolio keeps the word statistics of one tenant out of another's ranking.

A query of common words would make the database score a large part of a portfolio. So the words are counted first and only
the rarest are asked for, up to :data:`POSTINGS` expected rows; reranking then weighs all words on what was found.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from hexar.agents.portfolio.tables import chunks

#: Rows that one query may make the database score, as counted by its words.
POSTINGS = 600
#: Words of a query that are looked at.
MAX_TERMS = 64


@dataclass(frozen=True, slots=True)
class LexicalHits:
    """Chunk keys best first; ``frequencies`` counts for each query term the chunks that hold it."""

    keys: list[int]
    frequencies: dict[str, int]


def _quoted(term: str) -> str:
    return '"' + term.replace('"', '""') + '"'


def _selected(frequencies: Mapping[str, int]) -> list[str]:
    """The rarest terms whose rows together fit, and at least one."""
    chosen: list[str] = []
    rows = 0
    for term, frequency in sorted(frequencies.items(), key=lambda item: (item[1], item[0])):
        if not frequency:
            continue
        if chosen and rows + frequency > POSTINGS:
            break
        chosen.append(term)
        rows += frequency
    return chosen


class SqliteLexical:
    """FTS5 tables ``fts_<portfolio key>`` with their vocabulary views."""

    def create(self, connection: sa.Connection, portfolio: int) -> None:
        """Make the index of a new portfolio."""
        connection.exec_driver_sql(
            f"CREATE VIRTUAL TABLE IF NOT EXISTS fts_{portfolio} USING fts5(terms, tokenize=\"unicode61 tokenchars '_'\")"
        )
        connection.exec_driver_sql(
            f"CREATE VIRTUAL TABLE IF NOT EXISTS ftsv_{portfolio} USING fts5vocab(fts_{portfolio}, 'row')"
        )

    def drop(self, connection: sa.Connection, portfolio: int) -> None:
        """Remove a portfolio's index."""
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS ftsv_{portfolio}")
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS fts_{portfolio}")

    def add(self, connection: sa.Connection, portfolio: int, rows: Iterable[tuple[int, str]]) -> None:
        """Index ``(chunk key, terms)`` rows."""
        connection.exec_driver_sql(f"INSERT INTO fts_{portfolio}(rowid, terms) VALUES (?, ?)", list(rows))

    def remove(self, connection: sa.Connection, portfolio: int, keys: Iterable[int]) -> None:
        """Take chunks out of the index."""
        connection.exec_driver_sql(f"DELETE FROM fts_{portfolio} WHERE rowid = ?", [(key,) for key in keys])

    def search(self, connection: sa.Connection, portfolio: int, terms: Sequence[str], limit: int) -> LexicalHits:
        """The chunks that hold the rarest of ``terms``, by BM25."""
        distinct = list(dict.fromkeys(terms))[:MAX_TERMS]
        frequencies: dict[str, int] = dict.fromkeys(distinct, 0)
        if not distinct:
            return LexicalHits([], frequencies)
        marks = ",".join("?" * len(distinct))
        rows = connection.exec_driver_sql(f"SELECT term, doc FROM ftsv_{portfolio} WHERE term IN ({marks})", tuple(distinct))
        frequencies.update((term, count) for term, count in rows)
        chosen = _selected(frequencies)
        if not chosen:
            return LexicalHits([], frequencies)
        match = " OR ".join(_quoted(term) for term in chosen)
        if len(chosen) == 1 and frequencies[chosen[0]] > POSTINGS:
            # Only common words: chunks that hold several of them first, without scoring all that hold one.
            common = sorted((t for t in distinct if frequencies[t]), key=lambda t: frequencies[t])[:3]
            match = " AND ".join(_quoted(term) for term in common)
        found = connection.exec_driver_sql(
            f"SELECT rowid FROM fts_{portfolio} WHERE fts_{portfolio} MATCH ? ORDER BY rank LIMIT ?", (match, limit)
        )
        return LexicalHits([row[0] for row in found], frequencies)


class PostgresLexical:
    """A GIN index over ``to_tsvector('simple', terms)``; candidates by ts_rank, weighed as everywhere by reranking."""

    def create(self, connection: sa.Connection, portfolio: int) -> None:
        """Nothing: one index serves all portfolios."""

    def drop(self, connection: sa.Connection, portfolio: int) -> None:
        """Nothing: rows leave the index as they are deleted."""

    def add(self, connection: sa.Connection, portfolio: int, rows: Iterable[tuple[int, str]]) -> None:
        """Nothing: the index follows the column."""

    def remove(self, connection: sa.Connection, portfolio: int, keys: Iterable[int]) -> None:
        """Nothing: the index follows the column."""

    def search(self, connection: sa.Connection, portfolio: int, terms: Sequence[str], limit: int) -> LexicalHits:
        """The chunks that hold any of ``terms``, by ts_rank with length normalisation."""
        distinct = list(dict.fromkeys(terms))[:MAX_TERMS]
        frequencies: dict[str, int] = {}
        vector = sa.func.to_tsvector(sa.literal_column("'simple'"), chunks.c.terms)
        for term in distinct:
            query = sa.func.to_tsquery(sa.literal_column("'simple'"), _lexeme(term))
            count = sa.select(sa.func.count()).where(chunks.c.portfolio_key == portfolio, vector.op("@@")(query))
            frequencies[term] = int(connection.execute(count).scalar_one())
        chosen = _selected(frequencies)
        if not chosen:
            return LexicalHits([], frequencies)
        query = sa.func.to_tsquery(sa.literal_column("'simple'"), " | ".join(_lexeme(term) for term in chosen))
        rank = sa.func.ts_rank(vector, query, 1)
        statement = (
            sa.select(chunks.c.key)
            .where(chunks.c.portfolio_key == portfolio, vector.op("@@")(query))
            .order_by(rank.desc(), chunks.c.key)
            .limit(limit)
        )
        return LexicalHits(list(connection.execute(statement).scalars()), frequencies)


def _lexeme(term: str) -> str:
    return "'" + term.replace("\\", "\\\\").replace("'", "''") + "'"


Lexical = SqliteLexical | PostgresLexical


def lexical_for(is_sqlite: bool) -> Lexical:
    """The lexical index of the configured store."""
    return SqliteLexical() if is_sqlite else PostgresLexical()
