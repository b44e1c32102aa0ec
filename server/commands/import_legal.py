"""``hexar import corpus`` and ``hexar import templates``: authorities and document types into the configured store."""

from __future__ import annotations

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
from hexar.server.commands.stores import open_store, tell_refused

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
    with open_store(data_dir) as database:
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
    tell_refused(console, report.problems, report.refused)


def import_templates(path: Place, data_dir: DataDir = None) -> None:
    """Import document types: folders with metadata.yaml and template.md, or an archive of them."""
    console = Console()
    with open_store(data_dir) as database:
        types, refused = read_folder_types(files_of(path))
        Library(database, Versions(database)).keep(types)
        console.print(f"{len(types):,} document types", highlight=False)
    tell_refused(console, [(folder, 0, reason) for folder, reason in refused], len(refused))
