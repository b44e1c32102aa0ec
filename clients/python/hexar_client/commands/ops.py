"""``hexar ops``: operate a running server."""

from __future__ import annotations

from typing import Annotated

import typer

from hexar.v1 import ops_pb2
from hexar_client.commands import common

app = typer.Typer(no_args_is_help=True)


@app.command()
def status(context: typer.Context) -> None:
    """One glance at the process."""
    with common.client(context) as client:
        common.print_message(client.ops.status())


@app.command()
def report(context: typer.Context) -> None:
    """Requests, latencies, errors, agents."""
    with common.client(context) as client:
        common.print_message(client.ops.report())


@app.command("cache")
def cache_stats(context: typer.Context) -> None:
    """Hits and misses by kind and tier."""
    with common.client(context) as client:
        common.print_message(client.ops.cache_stats())


@app.command()
def invalidate(
    context: typer.Context,
    kind: Annotated[str, typer.Option(help="A cache kind.")] = "",
    dependency: Annotated[str, typer.Option(help="Something answers depend on, such as vendor:NAME.")] = "",
    everything: Annotated[bool, typer.Option("--everything", help="All cached values of the tenant.")] = False,
) -> None:
    """Forget cached values."""
    if sum((bool(kind), bool(dependency), everything)) != 1:
        raise typer.BadParameter("give exactly one of --kind, --dependency, --everything")
    with common.client(context) as client:
        common.print_message(client.ops.invalidate(kind=kind, dependency=dependency, everything=everything))


@app.command()
def warm(
    context: typer.Context,
    query: Annotated[list[str] | None, typer.Option(help="A query to answer ahead; repeat for more.")] = None,
    vendor: Annotated[list[str] | None, typer.Option(help="A vendor to read ahead; repeat for more.")] = None,
) -> None:
    """Queue jobs that fill caches ahead."""
    with common.client(context) as client:
        common.print_message(client.ops.warm(query, vendor))


@app.command()
def usage(
    context: typer.Context,
    period: Annotated[str, typer.Option(help="day or month; empty: one sum for all time.")] = "",
    model: Annotated[str, typer.Option(help="One model only.")] = "",
) -> None:
    """What the tenant has used of the language models."""
    periods = {
        "": ops_pb2.USAGE_PERIOD_UNSPECIFIED,
        "day": ops_pb2.USAGE_PERIOD_DAY,
        "month": ops_pb2.USAGE_PERIOD_MONTH,
    }
    if period not in periods:
        raise typer.BadParameter("is day or month", param_hint="--period")
    with common.client(context) as client:
        common.print_message(client.ops.usage(ops_pb2.GetUsageRequest(period=periods[period], model=model)))


@app.command()
def jobs(
    context: typer.Context,
    state: Annotated[str, typer.Option(help="queued, running, succeeded, dead or cancelled.")] = "",
    kind: Annotated[str, typer.Option(help="Kind of job.")] = "",
    size: Annotated[int, typer.Option(help="How many.")] = 20,
) -> None:
    """Background jobs, the newest first."""
    request = ops_pb2.ListJobsRequest(kind=kind)
    request.page.size = size
    if state:
        try:
            request.state = ops_pb2.JobState.Name(ops_pb2.JobState.Value(f"JOB_STATE_{state.upper()}"))  # type: ignore[assignment]
        except ValueError:
            raise typer.BadParameter("no such state", param_hint="--state") from None
    with common.client(context) as client:
        common.print_message(client.ops.jobs(request))


@app.command()
def job(context: typer.Context, job_id: str) -> None:
    """One background job."""
    with common.client(context) as client:
        common.print_message(client.ops.job(job_id))


@app.command("cancel-job")
def cancel_job(context: typer.Context, job_id: str) -> None:
    """Stop a background job that has not ended."""
    with common.client(context) as client:
        common.print_message(client.ops.cancel_job(job_id))
