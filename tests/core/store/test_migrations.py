"""The store's schema: made by revisions, the same as declared, once, whoever else migrates meanwhile."""

import multiprocessing
import sqlite3
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from hexar.core.errors import StoreUnavailable
from hexar.core.store import Database
from hexar.core.store.migrations import current, heads, prepare, upgrade
from hexar.core.store.schema import SchemaMismatch, version_table
from hexar.server.commands.db import schema_differences
from hexar.server.systems import TABLES
from tests.fix.stores.postgres_server import PostgresServer

HEADS = heads(TABLES)
#: The tables of a store that was made before there were revisions, as far as they differ from today's, with a job in it.
UNSTAMPED = """
CREATE TABLE jobs (id VARCHAR(32) NOT NULL PRIMARY KEY, tenant VARCHAR(128) NOT NULL, kind VARCHAR(64) NOT NULL,
  payload BLOB NOT NULL, state VARCHAR(16) NOT NULL, priority INTEGER NOT NULL, dedupe_key VARCHAR(256),
  attempts INTEGER NOT NULL, max_attempts INTEGER NOT NULL, fence BIGINT NOT NULL, lease_until DOUBLE NOT NULL,
  run_at DOUBLE NOT NULL, created_at DOUBLE NOT NULL, updated_at DOUBLE NOT NULL, error TEXT NOT NULL, result BLOB);
CREATE INDEX ix_jobs_claim ON jobs (state, run_at);
CREATE INDEX ix_jobs_created ON jobs (created_at, id);
CREATE UNIQUE INDEX uq_jobs_dedupe ON jobs (tenant, kind, dedupe_key)
  WHERE dedupe_key IS NOT NULL AND state IN ('queued', 'running');
INSERT INTO jobs VALUES ('j1', 't', 'work', x'00', 'running', 5, NULL, 1, 3, 1, 1500.0, 1000.0, 1000.0, 1000.0, '', NULL);
"""


@pytest.fixture
def fresh_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store without any table."""
    if request.param == "postgres":
        return str(request.getfixturevalue("empty_postgres_url"))
    return f"sqlite:///{tmp_path / 'store.db'}"


BOTH = pytest.mark.parametrize("fresh_url", ["sqlite", "postgres"], indirect=True)


def test_each_area_has_its_own_revisions() -> None:
    """A folder of revisions ends with one; a store without an area does not need those of that area."""
    assert len(HEADS) == 1 + len(TABLES)
    assert heads() == heads(()) == tuple(head for head in HEADS if head.isdigit())


@BOTH
def test_the_migrated_schema_is_the_declared_one(fresh_url: str) -> None:
    """All revisions on an empty database make exactly the tables, columns and indexes that are declared; again is nothing."""
    database = Database(fresh_url)
    assert upgrade(database, TABLES) == ((), HEADS)
    assert schema_differences(database, TABLES) == []
    assert upgrade(database, TABLES) == (HEADS, HEADS)
    assert current(database) == HEADS
    database.close()


def test_a_difference_is_found(postgres_url: str) -> None:
    """What is missing or too much in a database is told: the comparison can fail."""
    database = Database(postgres_url)
    with database.write() as connection:
        connection.execute(sa.text("ALTER TABLE turns DROP COLUMN answer"))
        connection.execute(sa.text("DROP INDEX ix_chunks_terms"))
    found = schema_differences(database, TABLES)
    database.close()
    assert len(found) == 2
    assert any("answer" in line for line in found)
    assert any("ix_chunks_terms" in line for line in found)


def _upgrade(url: str, results: "multiprocessing.Queue[tuple[tuple[str, ...], tuple[str, ...]]]") -> None:
    database = Database(url)
    results.put(upgrade(database, TABLES))
    database.close()


def test_two_processes_migrate_at_once(empty_postgres_url: str) -> None:
    """One of them does it, the other waits and finds it done."""
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[tuple[tuple[str, ...], tuple[str, ...]]] = context.Queue()
    processes = [context.Process(target=_upgrade, args=(empty_postgres_url, results)) for _ in range(2)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    assert sorted(found, key=str) == sorted([((), HEADS), (HEADS, HEADS)], key=str)


def test_a_store_without_a_revision_is_migrated_when_it_is_opened(tmp_path: Path) -> None:
    """A SQLite file from before the first revision gets what it lacks, and keeps its rows."""
    with sqlite3.connect(tmp_path / "store.db") as old:
        old.executescript(UNSTAMPED)
    old.close()
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    prepare(database, TABLES)
    assert current(database) == HEADS
    assert schema_differences(database, TABLES) == []
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT rank, run_at FROM jobs")).all() == [(850.0, 1500.0)]
    prepare(database, TABLES)
    database.close()


def test_a_server_does_not_start_on_another_schema(empty_postgres_url: str) -> None:
    """PostgreSQL is migrated by a person: a schema that is missing, behind or ahead is refused with what to do."""
    database = Database(empty_postgres_url)
    with pytest.raises(SchemaMismatch, match=r"missing.*hexar db upgrade"):
        prepare(database, TABLES)
    upgrade(database, TABLES)
    prepare(database, TABLES)
    with database.write() as connection:
        connection.execute(
            sa.update(version_table).where(version_table.c.version_num.in_([*heads(), "0001"])).values(version_num="0001")
        )
    with pytest.raises(SchemaMismatch, match=r"0001.*hexar db upgrade"):
        prepare(database, TABLES)
    with database.write() as connection:
        connection.execute(
            sa.update(version_table).where(version_table.c.version_num.in_([*heads(), "0001"])).values(version_num="9999")
        )
    for act in (prepare, upgrade):
        with pytest.raises(SchemaMismatch, match=r"9999.*older"):
            act(database, TABLES)
    database.close()


def test_a_migration_that_fails_changes_nothing(empty_postgres_url: str) -> None:
    """Revisions run in one transaction: a table that is in the way leaves the database as it was."""
    database = Database(empty_postgres_url)
    with database.write() as connection:
        connection.execute(sa.text("CREATE TABLE jobs (id integer)"))
    with pytest.raises(sa.exc.ProgrammingError):
        upgrade(database, TABLES)
    with database.read() as connection:
        assert sa.inspect(connection).get_table_names() == ["jobs"]
    database.close()


def test_a_user_who_may_not_make_the_extension_is_told(shared_postgres: PostgresServer, empty_postgres_url: str) -> None:
    """Without the right to create the extension, the message says whom to ask for what."""
    name = empty_postgres_url.rsplit("/", 1)[1]
    shared_postgres.execute("CREATE ROLE plain LOGIN")
    shared_postgres.execute("GRANT ALL ON SCHEMA public TO plain", name)
    database = Database(empty_postgres_url.replace("postgres@", "plain@"))
    try:
        with pytest.raises(SchemaMismatch, match="CREATE EXTENSION vector"):
            upgrade(database, TABLES)
        shared_postgres.execute("CREATE EXTENSION vector", name)
        assert upgrade(database, TABLES) == ((), HEADS)
    finally:
        database.close()
        shared_postgres.drop(empty_postgres_url)
        shared_postgres.execute("DROP ROLE plain")


def test_a_start_waits_for_postgresql_and_then_gives_up(fragile_postgres: PostgresServer) -> None:
    """Nobody answers: after the time that is granted, and not before, the store is reported as unavailable."""
    fragile_postgres.kill()
    database = Database(fragile_postgres.url())
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        prepare(database, wait=1.0)
    assert time.monotonic() - began >= 1.0
    database.close()


def test_without_a_list_all_declared_tables_are_made(tmp_path: Path) -> None:
    """Whoever imported the servicers, and names no tables, has those of every system."""
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    try:
        assert set(upgrade(database)[1]) >= set(HEADS)
    finally:
        database.close()
