"""``hexar market``: figures, a forecast and advice from a sales table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hexar.v1 import market_pb2 as pb
from hexar_client.commands import common, output
from hexar_client.market import Analysis, AnalyzeEvents, analysis, options, role_name, tool_name

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None, help="Analyse sales tables.")

_BARS = "▁▂▃▄▅▆▇█"
#: The dimensions that make a series.
PERIODS = ("month", "quarter", "week", "day")
_PRIORITY = {pb.PRIORITY_HIGH: "high", pb.PRIORITY_MEDIUM: "medium", pb.PRIORITY_LOW: "low"}


def _columns(entries: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for entry in entries:
        role, equals, names = entry.partition("=")
        if not equals:
            raise typer.BadParameter("must be ROLE=COLUMN", param_hint="--column")
        found.setdefault(role.strip(), []).extend(name.strip() for name in names.split(","))
    return found


def _table_options(name: str, columns: list[str], currency: str, date_order: str, decimal: str) -> pb.TableOptions:
    try:
        order = f"DATE_ORDER_{date_order.upper()}" if date_order else None
        return options(
            name, _columns(columns), currency_code=currency, date_order=order, decimal_separator=decimal, replace=True
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def table_name(path: str) -> str:
    """A name for the table of a file: letters and digits of its name."""
    stem = Path(path).name.split(".")[0]
    return "".join(character if character.isascii() and character.isalnum() else "-" for character in stem)[:128] or "table"


@app.command()
@output.answers
def analyze(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="A CSV, Parquet or XLSX file to bring, or the name of a table.")],
    question: Annotated[str, typer.Argument(help="What is wanted, in English or Spanish.")] = "",
    column: Annotated[list[str] | None, typer.Option(help="ROLE=COLUMN, where names do not tell; repeat for more.")] = None,
    currency: Annotated[str, typer.Option(help="ISO 4217 code of the amounts.")] = "",
    date_order: Annotated[str, typer.Option(help="ymd, dmy or mdy.")] = "",
    decimal: Annotated[str, typer.Option(help="Decimal separator: a point or a comma.")] = "",
    tool: Annotated[list[str] | None, typer.Option(help="Run this tool only; repeat for more.")] = None,
    level: Annotated[str, typer.Option(help="none, partial or full.")] = "",
    budget: Annotated[float, typer.Option(help="A budget to plan with.")] = 0.0,
    horizon: Annotated[int, typer.Option(help="Periods to forecast.")] = 0,
    top: Annotated[int, typer.Option(help="How many of the best and of the worst.")] = 5,
    report: Annotated[str, typer.Option(help="Write a page with charts to this file.")] = "",
    timeout: Annotated[float, typer.Option(help="Seconds that the whole answer may take.")] = 120.0,
) -> None:
    """Analyse a table."""
    with common.client(context) as client:
        name = file
        if not Path(file).is_file() and (Path(file).suffix or "/" in file):
            raise common.fail(f"there is no file {file!r}")
        if Path(file).is_file():
            name = table_name(file)
            made = _table_options(name, column or [], currency, date_order, decimal)
            with output.console(stderr=True).status(f"the server reads {Path(file).name}"):
                table = client.market.upload(made, file, timeout=timeout)
            if not output.is_json(context):
                show_table(output.console(), table)
        try:
            request = analysis(name, question, tools=tool or (), level=level, horizon=horizon, top_n=top)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
        if budget:
            request.budget.micros = round(budget * 1_000_000)
        seen = Analysis()
        if output.is_json(context):
            for event in client.market.analyze(request, timeout):
                seen.apply(event)
                output.print_event(event)
        else:
            console = output.console()
            with Live(console=console, transient=True, refresh_per_second=10) as live:
                for event in client.market.analyze(request, timeout, restart=True):
                    seen.apply(event)
                    live.update(progress_table(seen))
            show_analysis(console, seen, top)
    if report:
        from hexar_client.market.report import write_report

        write_report(Path(report), seen)
        if not output.is_json(context):
            output.console().print(f"wrote {report}")


@app.command()
@output.answers
def tables(context: typer.Context) -> None:
    """List the tables."""
    console = output.console()
    shown = Table(box=None, pad_edge=False)
    for heading in ("name", "rows", "from", "to", "currency", "source", "roles"):
        shown.add_column(heading)
    with common.client(context) as client:
        for table in client.market.tables():
            if output.is_json(context):
                output.print_lines([table])
                continue
            roles = ", ".join(role_name(entry.role) for entry in table.columns if entry.role)
            shown.add_row(
                table.name,
                f"{table.rows:,}",
                table.span.first,
                table.span.last,
                table.currency_code or "?",
                table.source,
                roles,
            )
    if not output.is_json(context):
        console.print(shown if shown.row_count else "there are none")


@app.command()
@output.answers
def register(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The table's name.")],
    paths: Annotated[list[str] | None, typer.Argument(help="Files below a table folder of the server.")] = None,
    warehouse: Annotated[str, typer.Option(help="A configured warehouse, instead of files.")] = "",
    relation: Annotated[str, typer.Option(help="The relation in the warehouse.")] = "",
    column: Annotated[list[str] | None, typer.Option(help="ROLE=COLUMN; repeat for more.")] = None,
    currency: Annotated[str, typer.Option(help="ISO 4217 code of the amounts.")] = "",
) -> None:
    """Make a table known that stays where it is."""
    made = _table_options(name, column or [], currency, "", "")
    with common.client(context) as client:
        table = client.market.register(made, *(paths or []), warehouse=warehouse, relation=relation)
    if output.is_json(context):
        output.print_json(table)
    else:
        show_table(output.console(), table)


@app.command()
@output.answers
def delete(
    context: typer.Context, name: Annotated[str, typer.Argument(help="The table's name.")], yes: common.Yes = False
) -> None:
    """Forget a table."""
    common.confirm(f"Forget the table {name}?", yes)
    with common.client(context) as client:
        client.market.delete(name)


@app.command()
@output.answers
def roles(context: typer.Context) -> None:
    """List what a column can mean."""
    shown = Table(box=None, pad_edge=False)
    for heading in ("role", "what it is", "found as", "computed from"):
        shown.add_column(heading)
    with common.client(context) as client:
        found = client.market.roles()
    if output.is_json(context):
        output.print_lines(found)
        return
    for entry in found:
        shown.add_row(entry.name, entry.description, ", ".join(entry.found_as[:6]), entry.computed_from)
    output.console().print(shown)


# -- for people ---------------------------------------------------------------------------------------------------------------


def show_table(console: Console, table: pb.Table) -> None:
    """Print how a table was read."""
    console.print(f"[bold]{table.name}[/]  {table.rows:,} rows, {table.span.first} to {table.span.last}", highlight=False)
    found = [f"{role_name(column.role)} = {column.name}" for column in table.columns if column.role]
    found += [f"{role_name(entry.role)} = {entry.expression}" for entry in table.computed]
    console.print(f"  {', '.join(found)}", highlight=False, markup=False)
    for note in table.notes:
        console.print(f"  {note}", highlight=False, markup=False)
    if table.rejected_rows:
        console.print(f"  {table.rejected_rows} rows could not be read, among them:", highlight=False)
        for row in table.rejected_samples[:3]:
            console.print(f"    line {row.line}: {row.column} {row.text!r} {row.reason}", highlight=False, markup=False)


def progress_table(seen: Analysis) -> Table:
    """What has ended, and what runs."""
    shown = Table(box=None, pad_edge=False)
    for heading in ("tool", "figures", "seconds"):
        shown.add_column(heading)
    running = {tool_name(tool) for tool in seen.progress.running} if seen.progress is not None else set()
    for number in seen.started.tools if seen.started is not None else ():
        name = tool_name(number)
        result = seen.tools.get(name)
        if result is None:
            shown.add_row(name, "…" if name in running else "", "")
        else:
            shown.add_row(name, result.problem or str(len(result.figures)), f"{result.elapsed.ToNanoseconds() / 1e9:.2f}")
    return shown


def sparkline(values: Iterable[float]) -> str:
    """A series in one line of bars."""
    found = list(values)
    if not found:
        return ""
    low, high = min(found), max(found)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[round((value - low) * scale)] for value in found)


def value(figure: pb.Figure) -> str:
    """A figure as text: money and units with separators, ratios as percentages."""
    if figure.unit == "ratio":
        return f"{figure.value * 100:,.1f} %"
    digits = 0 if figure.value == int(figure.value) and figure.unit not in ("points",) else 2
    return f"{figure.value:,.{digits}f} {figure.unit if figure.unit != 'currency unknown' else ''}".rstrip()


def series(result: pb.ToolResult) -> list[tuple[str, pb.Figure]]:
    """The figures of a result that make a series: (period, figure)."""
    found = []
    for figure in result.figures:
        period = next((name for name in PERIODS if name in figure.dimensions), "")
        if period and len(figure.dimensions) == 1:
            found.append((figure.dimensions[period], figure))
    return found


def show_analysis(console: Console, seen: Analysis, top: int = 5) -> None:
    """Print a whole analysis."""
    started = seen.started
    if started is not None and started.HasField("reading"):
        console.print(f"[bold]{started.reading.text}[/]", highlight=False)
    for name, result in seen.tools.items():
        if result.problem:
            console.print(f"\n[bold]{name}[/]  {result.problem}", highlight=False)
            continue
        console.print(f"\n[bold]{name}[/]", highlight=False)
        line = [figure.value for _, figure in series(result) if figure.name in ("revenue", "units")]
        if name == "trend" and line:
            console.print(f"  {sparkline(line)}", highlight=False)
        console.print(_figures(result, top))
    for entry in seen.recommendations:
        who = pb.Analyst.Name(entry.analyst).removeprefix("ANALYST_").lower()
        console.print(Text(f"\n{who}, {_PRIORITY[entry.priority]}: {entry.title}", style="bold"))
        console.print(Text(f"  {entry.text}  [{', '.join(entry.figure_ids)}]"))
    done = seen.completed
    if done is not None:
        if done.answer:
            console.print(Text(f"\n{done.answer}", style="bold"))
        for missing in done.missing:
            console.print(Text(f"missing: {missing}", style="red"))
        seconds = done.elapsed.ToNanoseconds() / 1e9
        work = f"{output.counted(done.tool_calls, 'tool')}, {output.counted(done.scans, 'scan')}"
        console.print(f"\n{work}, {output.span(seconds)}, advice by {done.ai}", highlight=False)


def _figures(result: pb.ToolResult, top: int) -> Table:
    """The figures of the whole, and of the first parts: a row for each part, a column for each name."""
    shown = Table(box=None, pad_edge=False, show_header=False)
    shown.add_column()
    shown.add_column(justify="right")
    shown.add_column()
    told: dict[str, int] = {}
    for figure in result.figures:
        if figure.dimensions:
            key = f"{figure.name}/{'/'.join(sorted(figure.dimensions))}"
            told[key] = told.get(key, 0) + 1
            if told[key] > top or figure.name.endswith(("_current", "_previous")):
                continue
        of = ", ".join(figure.dimensions[name] for name in sorted(figure.dimensions))
        label = figure.name.replace("_", " ") + (f": {of}" if of else "")
        interval = f"{figure.low:,.2f} to {figure.high:,.2f} ({figure.confidence:.0%})" if figure.HasField("low") else ""
        shown.add_row(f"  {label}", value(figure), interval or figure.reason)
    return shown


def show(console: Console, event: AnalyzeEvents, seen: Analysis) -> Any:
    """Apply one event of a demo, and print it where a person wants to see it."""
    seen.apply(event)
    body = event.body
    results = body.tools if isinstance(body, pb.AnalyzeResults) else [body] if isinstance(body, pb.ToolResult) else ()
    for result in results:
        said = result.problem or output.counted(len(result.figures), "figure")
        console.print(f"  {tool_name(result.tool)}: {said}", highlight=False)
