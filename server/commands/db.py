"""``hexar db``: the schema of the configured store."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import typer
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from hexar.core.store import Database, Tables, metadata
from hexar.core.store.migrations import current, heads, named
from hexar.core.store.migrations import upgrade as migrate
from hexar.server.commands.stores import open_store
from hexar.server.systems import TABLES

app = typer.Typer(
    add_completion=False, no_args_is_help=True, rich_markup_mode=None, help="Migrate the store, and look at its schema."
)


@app.command()
def upgrade() -> None:
    """Bring the schema of the configured store to this release. Safe to run from many machines at once."""
    with open_store(migrate=False) as database:
        before, now = migrate(database, TABLES)
    typer.echo(f"{_named(now)}, nothing to do" if before == now else f"from {_named(before)} to {_named(now)}")


@app.command("current")
def current_revision() -> None:
    """Print the revision of the store, and the one that this release needs."""
    with open_store(migrate=False) as database:
        found = current(database)
    typer.echo(f"{_named(found)}; this release needs {named(heads(TABLES))}")


@app.command()
def check() -> None:
    """Compare the store with this release; exit code 1, with what differs, where it does not fit."""
    with open_store(migrate=False) as database:
        found = current(database)
        differences = schema_differences(database, TABLES)
    needed = heads(TABLES)
    if found != needed:
        typer.echo(f"{_named(found)}; this release needs {named(needed)}: run `hexar db upgrade`")
    for difference in differences:
        typer.echo(difference)
    if found != needed or differences:
        raise typer.Exit(1)
    typer.echo(f"{_named(found)}: the schema is as this release needs it")


def schema_differences(database: Database, areas: Sequence[Tables]) -> list[str]:
    """What would have to change for the engine's tables and those of ``areas`` to be as declared, one line each."""
    made = tuple(prefix for area in areas for prefix in area.made)

    def is_declared(_item: object, name: str | None, kind: str, reflected: bool, _compared_to: object) -> bool:
        return not (name is not None and reflected and name.startswith(made))

    with database.read() as connection, warnings.catch_warnings():
        # SQLite cannot tell the expression of an index; the only one is PostgreSQL's.
        warnings.filterwarnings("ignore", "autogenerate skipping metadata-specified expression-based index", UserWarning)
        context = MigrationContext.configure(connection, opts={"include_object": is_declared})
        declared = [metadata, *(area.metadata for area in areas)]
        # Alembic's types know of one only.
        return [str(difference) for difference in compare_metadata(context, declared)]  # type: ignore[arg-type]


def _named(revisions: tuple[str, ...]) -> str:
    return f"revision {named(revisions)}" if revisions else "no revision"
