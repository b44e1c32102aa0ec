"""``hexar import corpus`` and ``hexar import templates``: authorities and document types into the configured store."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from hexar.agents.legal.corpus.corpora import Corpora
from hexar.agents.legal.corpus.files import files_of
from hexar.agents.legal.corpus.jurisdictions import canonical, nearest
from hexar.agents.legal.corpus.reading import Reading
from hexar.agents.legal.corpus.store import DEFAULT
from hexar.agents.legal.templates.importing import read_folder_types
from hexar.agents.legal.templates.library import Library
from hexar.core.cache.versions import Versions
from hexar.core.errors import HexarError
from hexar.core.store import Database
from hexar.server.engine.store import StoreNotReady, open_database, prepare_database
from hexar.server.process.startup import load_settings
from hexar.server.systems import TABLES

#: Problems printed; all are counted.
MAX_PRINTED = 20

Place = Annotated[Path, typer.Argument(help="Folder, file or archive.")]
DataDir = Annotated[Path | None, typer.Option(help="Folder of the store; as configured where not given.")]


def import_corpus(
    path: Place,
    corpus: Annotated[str, typer.Option(help="Name of the corpus.")] = DEFAULT,
    jurisdiction: Annotated[str, typer.Option(help="Jurisdiction of texts that name none.")] = "",
    data_dir: DataDir = None,
) -> None:
    """Import authorities: Markdown with front matter, JSON Lines, plain text, archives. A running server shows them at once."""
    place = canonical(jurisdiction) if jurisdiction else ""
    if jurisdiction and not place:
        raise typer.BadParameter(f"{jurisdiction!r} is not known; nearest: {', '.join(nearest(jurisdiction))}")
    console = Console()
    with _store(path, data_dir) as database:
        corpora = Corpora(database, Versions(database), None)
        with Progress(
            SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=Console(stderr=True)
        ) as bars:
            task = bars.add_task("reading")

            def progress(reading: Reading) -> None:
                bars.update(task, description=f"{len(reading.passages):,} passages, {reading.refused:,} refused")

            report = corpora.replace("", corpus, files_of(path), place, progress)
        coverage = report.corpus.coverage
        console.print(
            f"corpus {corpus!r}, version {report.corpus.key.version}: {report.read:,} passages of "
            f"{sum(1 for path in coverage.jurisdictions if path)} jurisdictions",
            highlight=False,
        )
        without = coverage.jurisdictions.get("", 0)
        if without:
            console.print(f"{without:,} name no jurisdiction: they are found, and never cited", highlight=False)
        _problems(console, [(file, line, reason) for file, line, reason in report.problems], report.refused)


def import_templates(path: Place, data_dir: DataDir = None) -> None:
    """Import document types: folders with metadata.yaml and template.md, or an archive of them."""
    console = Console()
    with _store(path, data_dir) as database:
        types, refused = read_folder_types(files_of(path))
        Library(database, Versions(database)).keep(types)
        console.print(f"{len(types):,} document types", highlight=False)
        _problems(console, [(folder, 0, reason) for folder, reason in refused], len(refused))


def _problems(console: Console, found: list[tuple[str, int, str]], total: int) -> None:
    for file, line, reason in found[:MAX_PRINTED]:
        where = f"{file}, line {line}" if line else file
        console.print(f"  {where}: {reason}", highlight=False, markup=False)
    if total > MAX_PRINTED:
        console.print(f"  … and {total - MAX_PRINTED:,} more", highlight=False)


@contextmanager
def _store(path: Path, data_dir: Path | None) -> Iterator[Database]:
    """The store, migrated; errors end the command with one line."""
    settings = load_settings(data_dir=data_dir)
    database = open_database(settings)
    try:
        prepare_database(settings, database, TABLES)
        yield database
    except HexarError as error:
        print(f"hexar: {error.message}", file=sys.stderr)
        raise typer.Exit(1) from None
    except StoreNotReady as error:
        print(f"hexar: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    except OSError as error:
        print(f"hexar: {error.filename or path}: {error.strerror or 'cannot be read'}", file=sys.stderr)
        raise typer.Exit(1) from None
    finally:
        database.close()
