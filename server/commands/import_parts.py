"""``hexar import parts``: read a catalogue into the store of the configured server."""

from __future__ import annotations

import sys
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
from hexar.core.errors import HexarError
from hexar.server.engine.store import StoreNotReady, open_database, prepare_database
from hexar.server.process.startup import load_settings
from hexar.server.systems import TABLES

#: Problems printed; the report counts all of them by reason.
MAX_PRINTED = 20


def import_parts(
    path: Annotated[Path, typer.Argument(help="Folder (bucket layout, or ACES and PIES files) or CSV file.")],
    catalogue: Annotated[str, typer.Option(help="Name of the catalogue.")] = DEFAULT_CATALOGUE,
    replace: Annotated[bool, typer.Option("--replace", help="Take the place of a catalogue of that name.")] = False,
    columns: Annotated[Path | None, typer.Option("--map", help="Column map (YAML or JSON) of a CSV file.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the store; as configured where not given.")] = None,
) -> None:
    """Import a parts catalogue. A running server shows it within a second, whole."""
    settings = load_settings(data_dir=data_dir)
    console = Console(stderr=True)
    database = open_database(settings)
    try:
        prepare_database(settings, database, TABLES)
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
    print_report(Console(), catalogue, report)


def print_report(console: Console, catalogue: str, report: ImportReport) -> None:
    """The counts, then the first problems."""
    table = Table(title=f"catalogue {catalogue!r}, version {report.version}, {report.seconds:.1f} s", title_justify="left")
    for name in ("rows", "read", "kept", "repeated", "refused"):
        table.add_column(name, justify="left" if name == "rows" else "right")
    for kind in sorted({*report.read, *report.kept, *report.repeated, *report.refused}):
        counts = (report.read[kind], report.kept[kind], report.repeated[kind], report.refused[kind])
        table.add_row(kind, *(f"{count:,}" if count else "" for count in counts))
    console.print(table)
    for reason, count in report.reasons.most_common():
        console.print(f"refused {count:,}: {reason}", highlight=False)
    for problem in report.problems[:MAX_PRINTED]:
        console.print(f"  {problem.file}, line {problem.line}: {problem.reason}", highlight=False, markup=False)
    hidden = sum(report.refused.values()) - min(len(report.problems), MAX_PRINTED)
    if hidden > 0:
        console.print(f"  … and {hidden:,} more", highlight=False)
