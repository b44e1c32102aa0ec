"""The index of words in SQLite: one for all portfolios, counted by portfolio, and made of the indexes of before."""

import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from hexar.agents.portfolio.documents.library import Library
from hexar.agents.portfolio.retrieval.lexical import SqliteLexical
from hexar.agents.portfolio.retrieval.passages import Mode
from hexar.agents.portfolio.retrieval.retriever import Retriever
from hexar.agents.portfolio.tables import TABLES
from hexar.core.cache.versions import Versions
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables, upgrade
from tests.agents.portfolio.conftest import Put


@pytest.fixture
def sqlite(tmp_path: Path) -> Database:
    """A store of its own, whatever the other tests run on."""
    made = Database(f"sqlite:///{tmp_path / 'store.db'}")
    create_tables(made, (TABLES,))
    return made


def _tables(database: Database) -> int:
    with database.read() as connection:
        return int(connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one())


def _search(database: Database, library: Library, portfolio: int, *terms: str) -> tuple[list[int], dict[str, int]]:
    with database.read() as connection:
        frequencies = library.lexical.frequencies(connection, portfolio, terms)
        return library.lexical.search(connection, portfolio, frequencies, 10).keys, frequencies


def test_a_portfolio_is_rows_and_no_tables(sqlite: Database) -> None:
    """Fifty more portfolios leave the schema as it is, and their removal leaves no words behind."""
    library = Library(sqlite, Versions(sqlite), None)
    before = _tables(sqlite)
    for number in range(50):
        library.create("red", f"p{number}")
    assert _tables(sqlite) == before
    row = library.get("red", "p0")
    with sqlite.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO documents (key, portfolio_key, document_id, title, version, format, language, byte_count, "
            "character_count, chunk_count, checksum, url, updated_at, text) VALUES (1, ?, 'd', '', 1, '', '', 0, 0, 1, '', '', 0, '')",
            (row.key,),
        )
        connection.exec_driver_sql(
            "INSERT INTO chunks (key, portfolio_key, document_key, chunk_id, ordinal, start, end, language, checksum, headings, "
            "text, terms, term_count) VALUES (7, ?, 1, 'c', 0, 0, 0, '', '', '[]', '', 'kettle', 1)",
            (row.key,),
        )
        library.lexical.add(connection, row.key, [(7, "kettle")])
    assert _search(sqlite, library, row.key, "kettle") == ([7], {"kettle": 1})
    library.delete("red", "p0")
    assert _search(sqlite, library, row.key, "kettle") == ([], {"kettle": 0})
    sqlite.close()


def test_words_are_counted_and_found_by_portfolio(put: Put, library: Library, retriever: Retriever, database: Database) -> None:
    """What others keep neither shows nor counts, also where a number or an underscore could be taken for a portfolio's key."""
    library.create("blue", "notes")
    for number in range(5):
        put(f"b{number}.md", f"# Kettle {number}\n\nThe kettle boils in {number} minutes, code 1_2 and AB_12.\n", tenant="blue")
    put("a.md", "# Kettle\n\nThe red kettle whistles.\n")
    found = retriever.search("red", "notes", "kettle", 10, mode=Mode.LEXICAL)
    assert [passage.document_id for passage in found.passages] == ["a.md"]
    with database.read() as connection:
        keys = {row[0]: row[1] for row in connection.execute(sa.text("SELECT tenant, key FROM portfolios"))}
        lexical = library.lexical
        assert lexical.frequencies(connection, keys["red"], ["kettl"]) == {"kettl": 1}
        assert lexical.frequencies(connection, keys["blue"], ["kettl"]) == {"kettl": 5}
        assert lexical.frequencies(connection, keys["red"], ["1_2"]) == {"1_2": 0}
        assert lexical.frequencies(connection, keys["blue"], ["1_2"]) == {"1_2": 5}


def test_the_indexes_of_before_become_one(sqlite: Database) -> None:
    """A store with a table for each portfolio is brought to the one table, with what was indexed; its old tables are gone."""
    library = Library(sqlite, Versions(sqlite), None)
    row = library.create("red", "old")
    with sqlite.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO documents (key, portfolio_key, document_id, title, version, format, language, byte_count, "
            "character_count, chunk_count, checksum, url, updated_at, text) VALUES (1, ?, 'd', '', 1, '', '', 0, 0, 1, '', '', 0, '')",
            (row.key,),
        )
        connection.exec_driver_sql(
            "INSERT INTO chunks (key, portfolio_key, document_key, chunk_id, ordinal, start, end, language, checksum, headings, "
            "text, terms, term_count) VALUES (7, ?, 1, 'c', 0, 0, 0, '', '', '[]', '', 'old kettle', 2)",
            (row.key,),
        )
        connection.exec_driver_sql("DROP TABLE ftsv_chunks")
        connection.exec_driver_sql("DROP TABLE fts_chunks")
        connection.exec_driver_sql(f"CREATE VIRTUAL TABLE fts_{row.key} USING fts5(terms)")
        connection.exec_driver_sql(f"CREATE VIRTUAL TABLE ftsv_{row.key} USING fts5vocab(fts_{row.key}, 'row')")
        connection.exec_driver_sql(
            "UPDATE alembic_version SET version_num = 'portfolio_0001' WHERE version_num LIKE 'portfolio%'"
        )
    upgrade(sqlite, (TABLES,))
    assert _search(sqlite, library, row.key, "kettle") == ([7], {"kettle": 1})
    with sqlite.read() as connection:
        names = set(connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE name LIKE 'fts%'").scalars())
    assert not [name for name in names if name.startswith((f"fts_{row.key}", f"ftsv_{row.key}"))]
    assert isinstance(library.lexical, SqliteLexical)
    sqlite.close()


@pytest.mark.chaos
def test_a_thousand_portfolios_cost_no_more_each_than_the_first(sqlite: Database) -> None:
    """The processor's time of the last hundred of 1,100 portfolios against that of the first hundred."""
    library = Library(sqlite, Versions(sqlite), None)
    spent: list[float] = []
    for part in range(11):
        begun = time.process_time()
        for number in range(100):
            library.create("red", f"p{part}-{number}")
        spent.append(time.process_time() - begun)
    print(f"n=1100: first hundred {spent[0] * 10:.2f} ms each, last {spent[-1] * 10:.2f} ms each")
    assert spent[-1] < 2 * spent[0] + 0.2
    sqlite.close()
