"""``hexar import parts``: read a catalogue into the store of the configured server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from hexar.agents.parts.catalogue.report import ImportReport
from hexar.agents.parts.importers.csvmap import read_map
from hexar.agents.parts.importers.run import DEFAULT_CATALOGUE, import_catalogue
from hexar.agents.parts.plan import dependency
from hexar.core.cache.versions import Versions
from hexar.server.commands.stores import open_store, tell_refused


def import_parts(
    path: Annotated[Path, typer.Argument(help="Folder (bucket layout, or ACES and PIES files) or CSV file.")],
    catalogue: Annotated[str, typer.Option(help="Name of the catalogue.")] = DEFAULT_CATALOGUE,
    replace: Annotated[bool, typer.Option("--replace", help="Take the place of a catalogue of that name.")] = False,
    columns: Annotated[Path | None, typer.Option("--map", help="Column map (YAML or JSON) of a CSV file.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the store; as configured where not given.")] = None,
) -> None:
    """Import a parts catalogue. A running server shows it within a second, whole."""
    console = Console(stderr=True)
    with open_store(data_dir) as database:
        with Progress(
            TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), console=console
        ) as bars:
            shown: dict[str, TaskID] = {}

            def progress(stage: str, done: int, total: int) -> None:
                if stage not in shown:
                    shown[stage] = bars.add_task(stage, total=total or None)
                bars.update(shown[stage], completed=done, total=total or None)

            report = import_catalogue(
                database,
                path,
                catalogue=catalogue,
                replace=replace,
                columns=read_map(columns) if columns else None,
                progress=progress,
            )
        Versions(database).bump(dependency(catalogue))
    print_report(Console(), catalogue, report)
    problems = [(problem.file, problem.line, problem.reason) for problem in report.problems]
    tell_refused(Console(), problems, sum(report.refused.values()))


def print_report(console: Console, catalogue: str, report: ImportReport) -> None:
    """The counts, and how often each reason to refuse."""
    table = Table(title=f"catalogue {catalogue!r}, version {report.version}, {report.seconds:.1f} s", title_justify="left")
    for name in ("rows", "read", "kept", "repeated", "refused"):
        table.add_column(name, justify="left" if name == "rows" else "right")
    for kind in sorted({*report.read, *report.kept, *report.repeated, *report.refused}):
        counts = (report.read[kind], report.kept[kind], report.repeated[kind], report.refused[kind])
        table.add_row(kind, *(f"{count:,}" if count else "" for count in counts))
    console.print(table)
    for reason, count in report.reasons.most_common():
        console.print(f"refused {count:,}: {reason}", highlight=False)
