"""``hexar ops``: operate a running server."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hexar.v1 import ops_pb2
from hexar_client.commands import common, output

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Operate a running server.")
ENDED = (ops_pb2.JOB_STATE_SUCCEEDED, ops_pb2.JOB_STATE_DEAD, ops_pb2.JOB_STATE_CANCELLED)


@app.command()
@output.answers
def status(context: typer.Context, watch: common.Watch = False) -> None:
    """One glance at the process."""
    with common.client(context) as client:
        if watch:
            output.watch(context, client.ops.status, common.WATCH_SECONDS, lambda _: False)
        output.show(context, client.ops.status())


@app.command()
@output.answers
def report(context: typer.Context) -> None:
    """Requests, latencies, errors, agents."""
    with common.client(context) as client:
        output.show(context, client.ops.report())


@app.command("cache")
@output.answers
def cache_stats(context: typer.Context) -> None:
    """Hits and misses by kind and tier."""
    with common.client(context) as client:
        output.show(context, client.ops.cache_stats())


@app.command()
@output.answers
def invalidate(
    context: typer.Context,
    kind: Annotated[str, typer.Option(help="A cache kind.")] = "",
    dependency: Annotated[str, typer.Option(help="Something answers depend on, such as vendor:NAME.")] = "",
    everything: Annotated[bool, typer.Option("--everything", help="All cached values of the tenant.")] = False,
    yes: common.Yes = False,
) -> None:
    """Forget cached values."""
    if sum((bool(kind), bool(dependency), everything)) != 1:
        raise typer.BadParameter("give exactly one of --kind, --dependency, --everything")
    if everything:
        common.confirm("Forget all cached values of the tenant?", yes)
    with common.client(context) as client:
        output.show(context, client.ops.invalidate(kind=kind, dependency=dependency, everything=everything))


@app.command()
@output.answers
def warm(
    context: typer.Context,
    query: Annotated[list[str] | None, typer.Option(help="A query to answer ahead; repeat for more.")] = None,
    vendor: Annotated[list[str] | None, typer.Option(help="A vendor to read ahead; repeat for more.")] = None,
) -> None:
    """Queue jobs that fill caches ahead."""
    with common.client(context) as client:
        output.show(context, client.ops.warm(query, vendor))


@app.command()
@output.answers
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
        output.show(context, client.ops.usage(ops_pb2.GetUsageRequest(period=periods[period], model=model)))


@app.command()
@output.answers
def jobs(
    context: typer.Context,
    state: Annotated[str, typer.Option(help="queued, running, succeeded, dead or cancelled.")] = "",
    kind: Annotated[str, typer.Option(help="Kind of job.")] = "",
    size: Annotated[int, typer.Option(help="How many.")] = 20,
    watch: common.Watch = False,
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
        if watch:
            output.watch(context, lambda: client.ops.jobs(request), common.WATCH_SECONDS, lambda _: False)
        output.show(context, client.ops.jobs(request))


@app.command()
@output.answers
def job(context: typer.Context, job_id: str, watch: common.Watch = False) -> None:
    """One background job; with --watch until it has ended, and exit code 1 where it did not succeed."""
    with common.client(context) as client:
        if watch:
            output.watch(context, lambda: client.ops.job(job_id), common.WATCH_SECONDS, lambda found: found.state in ENDED)
            if client.ops.job(job_id).state != ops_pb2.JOB_STATE_SUCCEEDED:
                raise typer.Exit(1)
            return
        output.show(context, client.ops.job(job_id))


@app.command("cancel-job")
@output.answers
def cancel_job(context: typer.Context, job_id: str) -> None:
    """Stop a background job that has not ended."""
    with common.client(context) as client:
        output.show(context, client.ops.cancel_job(job_id))


@output.answers
def top(
    context: typer.Context,
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks.")] = common.WATCH_SECONDS,
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
) -> None:
    """Watch what a server does, until Ctrl-C."""
    with common.client(context) as client, Live(console=output.console(), auto_refresh=False, screen=not once) as live:
        while True:
            found, figures = client.ops.status(), client.ops.report()
            if output.is_json(context):
                output.print_lines([found, figures])
            else:
                live.update(_overview(context.obj.server, found, figures), refresh=True)
            if once:
                return
            time.sleep(every)


def _overview(server: str, found: ops_pb2.GetStatusResponse, figures: ops_pb2.GetReportResponse) -> Group:
    head = Text(f"{server}  hexar {found.version}  {'ready' if found.ready else 'not ready'}  {found.in_flight} in flight")
    head.append(f"  {found.queued_jobs} jobs queued  loop lag {found.loop_lag.ToMicroseconds() / 1000:.1f} ms")
    methods = Table(box=None, pad_edge=False)
    for name in ("method", "calls", "errors", "median ms", "p95 ms"):
        methods.add_column(name, justify="left" if name == "method" else "right")
    for row in figures.methods:
        times = (row.latency.median, row.latency.p95)
        errors = sum(row.errors.values())
        shown = (f"{each.ToMicroseconds() / 1000:.1f}" if row.latency.samples else "" for each in times)
        methods.add_row(row.method.rpartition("/")[2], f"{row.count:,}", f"{errors:,}" if errors else "", *shown)
    agents = Table(box=None, pad_edge=False)
    for name in ("agent", "breaker", "busy", "queued"):
        agents.add_column(name, justify="left" if name in ("agent", "breaker") else "right")
    for agent in found.agents:
        state = ops_pb2.BreakerState.Name(agent.breaker).removeprefix("BREAKER_STATE_").lower()
        agents.add_row(agent.agent, state, f"{agent.busy_threads}/{agent.threads}", str(agent.queued))
    problems = [Text(problem, style="red") for problem in found.problems]
    return Group(head, *problems, Text(), methods, Text(), agents)
