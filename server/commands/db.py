"""``hexar db``: the schema of the configured store."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import hexar.server.servicers  # noqa: F401  # the tables of all systems
from hexar.core.errors import HexarError
from hexar.core.store import Database, metadata
from hexar.core.store.migrations import current
from hexar.core.store.migrations import upgrade as migrate
from hexar.core.store.schema import HEAD
from hexar.server.commands.running import load_settings
from hexar.server.store import open_database

app = typer.Typer(no_args_is_help=True, help="Migrate the store, and look at its schema.")


@app.command()
def upgrade() -> None:
    """Bring the schema of the configured store to this release. Safe to run from many machines at once."""
    with _store() as database:
        before, now = migrate(database)
    typer.echo(f"revision {now}, nothing to do" if before == now else f"from {_named(before)} to revision {now}")


@app.command("current")
def current_revision() -> None:
    """Print the revision of the store, and the one that this release needs."""
    with _store() as database:
        found = current(database)
    typer.echo(f"{_named(found)}; this release needs {HEAD}")


@app.command()
def check() -> None:
    """Compare the store with this release; exit code 1, with what differs, where it does not fit."""
    with _store() as database:
        found = current(database)
        differences = schema_differences(database)
    if found != HEAD:
        typer.echo(f"{_named(found)}; this release needs {HEAD}: run `hexar db upgrade`")
    for difference in differences:
        typer.echo(difference)
    if found != HEAD or differences:
        raise typer.Exit(1)
    typer.echo(f"revision {found}: the schema is as this release needs it")


def schema_differences(database: Database) -> list[str]:
    """What would have to change in the database to be as the tables are declared, one line each."""
    with database.read() as connection, warnings.catch_warnings():
        # SQLite cannot tell the expression of an index; the only one is PostgreSQL's.
        warnings.filterwarnings("ignore", "autogenerate skipping metadata-specified expression-based index", UserWarning)
        context = MigrationContext.configure(connection, opts={"include_object": _is_ours})
        return [str(difference) for difference in compare_metadata(context, metadata)]


def _is_ours(_item: object, name: str | None, kind: str, reflected: bool, _compared_to: object) -> bool:
    # FTS5 keeps an index in tables of its own; they come and go with portfolios. Vector indexes come with their provider.
    made = name is not None and reflected and name.startswith(("fts_", "ftsv_", "ix_vectors_hnsw_"))
    return not made


@contextmanager
def _store() -> Iterator[Database]:
    settings = load_settings()
    database = open_database(settings)
    try:
        yield database
    except HexarError as error:
        print(f"hexar: {error.message}", file=sys.stderr)
        raise typer.Exit(1) from None
    finally:
        database.close()


def _named(revision: str | None) -> str:
    return f"revision {revision}" if revision else "no revision"
