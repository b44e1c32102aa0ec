"""``hexar parts``: from a damage report to the parts that fit."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hexar.v1 import parts_pb2 as pb
from hexar_client.commands import common, output
from hexar_client.parts import DiscoverEvents, damage, report

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None, help="Find the parts that fit a vehicle.")

_STATUS = {
    pb.COMPONENT_STATUS_FOUND: "found",
    pb.COMPONENT_STATUS_NOT_LISTED: "not listed",
    pb.COMPONENT_STATUS_OTHER_SIDE_ONLY: "other side only",
    pb.COMPONENT_STATUS_NOT_UNDERSTOOD: "not understood",
    pb.COMPONENT_STATUS_NO_VEHICLE: "no vehicle",
    pb.COMPONENT_STATUS_TIMED_OUT: "timed out",
    pb.COMPONENT_STATUS_FAILED: "failed",
}

Make = Annotated[str, typer.Option(help="Manufacturer.")]
Model = Annotated[str, typer.Option(help="Model.")]
Year = Annotated[int, typer.Option(help="Model year.")]
Engine = Annotated[str, typer.Option(help="Engine: capacity, type or code.")]
Body = Annotated[str, typer.Option(help="Body style.")]
Vin = Annotated[str, typer.Option(help="Vehicle identification number.")]
Text = Annotated[str, typer.Option("--vehicle", help="The vehicle in free text, instead of fields.")]
Catalogue = Annotated[str, typer.Option(help="Name of the catalogue.")]


@app.command()
@output.answers
def discover(
    context: typer.Context,
    damages: Annotated[list[str], typer.Option("--damage", help='"front bumper:severe"; repeat for more.')],
    make: Make = "",
    model: Model = "",
    year: Year = 0,
    engine: Engine = "",
    body: Body = "",
    vin: Vin = "",
    vehicle: Text = "",
    catalogue: Catalogue = "",
    limit: Annotated[int, typer.Option(help="Parts for each component.")] = 5,
    timeout: Annotated[float, typer.Option(help="Seconds that the whole answer may take.")] = 30.0,
) -> None:
    """Find the parts for a damage report."""
    try:
        components = [damage(entry) for entry in damages]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--damage") from None
    query = pb.VehicleQuery(text=vehicle, make=make, model=model, year=year, engine=engine, body=body, vin=vin)
    request = report(components, query, catalogue=catalogue, max_parts=limit)
    console = output.console()
    with common.client(context) as client:
        for event in client.parts.discover(request, timeout):
            if output.is_json(context):
                output.print_event(event)
            else:
                show(console, event)


def show(console: Console, event: DiscoverEvents) -> None:
    """Print one event of a discovery for a person."""
    body = event.body
    if isinstance(body, pb.VehicleResolution):
        _print_vehicle(console, body)
    elif isinstance(body, pb.DiscoverFound):
        for component in body.components:
            _print_component(console, component)
        if body.HasField("propagation"):
            _print_implied(console, body.propagation)
    elif isinstance(body, pb.ComponentResult):
        _print_component(console, body)
    elif isinstance(body, pb.Propagation):
        _print_implied(console, body)
    elif isinstance(body, pb.DiscoverSummary):
        _print_summary(console, body)


@app.command("match")
@output.answers
def match_names(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(help="Names of parts, in English or Spanish.")],
    make: Make = "",
    model: Model = "",
    year: Year = 0,
    engine: Engine = "",
    body: Body = "",
    vin: Vin = "",
    vehicle: Text = "",
    catalogue: Catalogue = "",
    limit: Annotated[int, typer.Option(help="Articles for each name.")] = 5,
) -> None:
    """Match names of parts with articles."""
    query = None
    if vehicle or make or model or vin:
        query = pb.VehicleQuery(text=vehicle, make=make, model=model, year=year, engine=engine, body=body, vin=vin)
    with common.client(context) as client:
        response = client.parts.match(names, vehicle=query, catalogue=catalogue, limit=limit)
    if output.is_json(context):
        output.print_json(response)
        return
    console = output.console()
    for entry in response.matches:
        console.print(f"[bold]{entry.name}[/bold]  {entry.reason}", highlight=False)
        table = Table(box=None, pad_edge=False)
        for heading in ("score", "article", "brand", "number", "group"):
            table.add_column(heading)
        for found in entry.articles:
            table.add_row(
                f"{found.score:.2f}", found.article.name, found.article.brand, found.article.part_number, found.group.name
            )
        if entry.articles:
            console.print(table)
        elif entry.suggestions:
            console.print(f"  near: {', '.join(entry.suggestions)}", highlight=False)


def _print_vehicle(console: Console, found: pb.VehicleResolution) -> None:
    if found.variants:
        names = ", ".join(f"{entry.model.name} {entry.variant.name}" for entry in found.variants[:3])
        more = f" and {len(found.variants) - 3} more" if len(found.variants) > 3 else ""
        console.print(f"[bold]{names}{more}[/bold]  confidence {found.confidence:.2f}", highlight=False)
    else:
        # An alternative may be a model as a whole, whose variant has no name.
        near = ", ".join(f"{entry.model.name} {entry.variant.name}".strip() for entry in found.alternatives)
        console.print(f"[yellow]vehicle not found[/yellow]  nearest: {near or 'nothing'}", highlight=False)
    for note in found.notes:
        console.print(f"  {note}", style="dim", highlight=False, markup=False)


def _print_component(console: Console, found: pb.ComponentResult) -> None:
    style = "green" if found.parts else "yellow"
    console.print(
        f"\n[{style}]{_STATUS.get(found.status, '?')}[/{style}]  [bold]{found.name}[/bold]  {found.reason}", highlight=False
    )
    if found.parts:
        console.print(_parts_table(list(found.parts)))
    elif found.suggestions:
        console.print(f"  near: {', '.join(found.suggestions)}", highlight=False)


def _parts_table(parts: list[pb.Part]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("sure", "article", "brand", "number", "why"):
        table.add_column(heading, overflow="fold")
    for part in parts:
        article = part.article
        table.add_row(f"{part.confidence:.2f}", article.name, article.brand, article.part_number, part.reason)
    return table


def _print_implied(console: Console, found: pb.Propagation) -> None:
    if not found.implied:
        return
    table = Table(title="\nlikely needed too", title_justify="left", box=None, pad_edge=False)
    for heading in ("likely", "part", "listed", "why"):
        table.add_column(heading, overflow="fold")
    for entry in found.implied:
        listed = f"{entry.total_parts}" if entry.total_parts else _STATUS.get(entry.status, "?")
        table.add_row(f"{entry.likelihood:.2f}", entry.name, listed, entry.reason)
    console.print(table)


def _print_summary(console: Console, found: pb.DiscoverSummary) -> None:
    figures = found.statistics
    parts, without = output.counted(len(found.parts), "part"), output.counted(len(found.not_found), "component")
    console.print(
        f"\n{parts}, {without} without; {figures.elapsed_ms:.0f} ms, "
        f"{figures.cache_hits} of {figures.cache_hits + figures.cache_misses} lookups from memory, "
        f"parallel gain {figures.parallel_gain:.1f}",
        style="dim",
        highlight=False,
    )
