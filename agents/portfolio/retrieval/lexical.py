"""BM25 over index terms: SQLite FTS5 or PostgreSQL tsvector. The only dialect branches are here.

Terms are made by :mod:`hexar.core.text.terms` and only split on blanks by the database, so that both databases
match the same words. Words are counted by portfolio: those of one tenant never weigh in another's ranking.

A query of common words would make the database score a large part of a portfolio. So the words are counted first and only
the rarest are asked for, up to :data:`POSTINGS` expected rows; reranking then weighs all words on what was found.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from hexar.agents.portfolio.tables import INDEX, VOCABULARY, chunks

#: Rows that one query may make the database score, as counted by its words.
POSTINGS = 600
#: Words of a query that are looked at.
MAX_TERMS = 64


@dataclass(frozen=True, slots=True)
class LexicalHits:
    """Chunk keys best first; ``frequencies`` counts for each query term the chunks that hold it."""

    keys: list[int]
    frequencies: Mapping[str, int]


def indexed(portfolio: int, terms: str) -> str:
    """``terms`` of a chunk as the shared FTS5 table holds them."""
    return " ".join(f"{portfolio}_{term}" for term in terms.split())


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
    """One FTS5 table for all portfolios. Each term is indexed under its portfolio's key, so that words are counted and found
    by portfolio, and a portfolio is rows and no tables: a database of thousands of tables is slow to open and to change.

    Of other portfolios only the number and the mean length of their chunks reach the order of what is found.
    """

    def drop(self, connection: sa.Connection, portfolio: int) -> None:
        """Take a portfolio's chunks out of the index, while they are still in the store."""
        connection.exec_driver_sql(
            f"DELETE FROM {INDEX} WHERE rowid IN (SELECT key FROM chunks WHERE portfolio_key = ?)", (portfolio,)
        )

    def add(self, connection: sa.Connection, portfolio: int, rows: Iterable[tuple[int, str]]) -> None:
        """Index ``(chunk key, terms)`` rows."""
        made = [(key, indexed(portfolio, terms)) for key, terms in rows]
        connection.exec_driver_sql(f"INSERT INTO {INDEX}(rowid, terms) VALUES (?, ?)", made)

    def remove(self, connection: sa.Connection, keys: Iterable[int]) -> None:
        """Take chunks out of the index."""
        connection.exec_driver_sql(f"DELETE FROM {INDEX} WHERE rowid = ?", [(key,) for key in keys])

    def frequencies(self, connection: sa.Connection, portfolio: int, terms: Iterable[str]) -> dict[str, int]:
        """How many chunks hold each of ``terms``, of which at most :data:`MAX_TERMS` are looked at."""
        distinct = list(dict.fromkeys(terms))[:MAX_TERMS]
        found: dict[str, int] = dict.fromkeys(distinct, 0)
        if distinct:
            marks, prefix = ",".join("?" * len(distinct)), f"{portfolio}_"
            wanted = tuple(prefix + term for term in distinct)
            rows = connection.exec_driver_sql(f"SELECT term, doc FROM {VOCABULARY} WHERE term IN ({marks})", wanted)
            found.update((term.removeprefix(prefix), count) for term, count in rows)
        return found

    def search(self, connection: sa.Connection, portfolio: int, frequencies: Mapping[str, int], limit: int) -> LexicalHits:
        """The chunks that hold the rarest of the terms that :meth:`frequencies` counted, by BM25."""
        prefix = f"{portfolio}_"
        chosen = _selected(frequencies)
        if not chosen:
            return LexicalHits([], frequencies)
        match = " OR ".join(_quoted(prefix + term) for term in chosen)
        if len(chosen) == 1 and frequencies[chosen[0]] > POSTINGS:
            # Only common words: chunks that hold several of them first, without scoring all that hold one.
            common = sorted((t for t in frequencies if frequencies[t]), key=lambda t: frequencies[t])[:3]
            match = " AND ".join(_quoted(prefix + term) for term in common)
        found = connection.exec_driver_sql(
            f"SELECT rowid FROM {INDEX} WHERE {INDEX} MATCH ? ORDER BY rank LIMIT ?", (match, limit)
        )
        return LexicalHits([row[0] for row in found], frequencies)


class PostgresLexical:
    """A GIN index over ``to_tsvector('simple', terms)``; candidates by ts_rank, weighed as everywhere by reranking."""

    def drop(self, connection: sa.Connection, portfolio: int) -> None:
        """Nothing: rows leave the index as they are deleted."""

    def add(self, connection: sa.Connection, portfolio: int, rows: Iterable[tuple[int, str]]) -> None:
        """Nothing: the index follows the column."""

    def remove(self, connection: sa.Connection, keys: Iterable[int]) -> None:
        """Nothing: the index follows the column."""

    def frequencies(self, connection: sa.Connection, portfolio: int, terms: Iterable[str]) -> dict[str, int]:
        """How many chunks hold each of ``terms``, of which at most :data:`MAX_TERMS` are looked at."""
        found: dict[str, int] = {}
        vector = sa.func.to_tsvector(sa.literal_column("'simple'"), chunks.c.terms)
        for term in list(dict.fromkeys(terms))[:MAX_TERMS]:
            query = sa.func.to_tsquery(sa.literal_column("'simple'"), _lexeme(term))
            count = sa.select(sa.func.count()).where(chunks.c.portfolio_key == portfolio, vector.op("@@")(query))
            found[term] = int(connection.execute(count).scalar_one())
        return found

    def search(self, connection: sa.Connection, portfolio: int, frequencies: Mapping[str, int], limit: int) -> LexicalHits:
        """The chunks that hold any of the terms that :meth:`frequencies` counted, by ts_rank with length normalisation."""
        vector = sa.func.to_tsvector(sa.literal_column("'simple'"), chunks.c.terms)
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
