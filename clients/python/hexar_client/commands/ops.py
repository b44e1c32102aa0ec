"""``hexar ops``: operate a running server."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from google.protobuf.duration_pb2 import Duration
from rich.console import Group
from rich.table import Table
from rich.text import Text

from hexar.v1 import ops_pb2
from hexar_client.commands import common, output

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None, help="Operate a running server.")
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
def report(
    context: typer.Context,
    all_processes: Annotated[bool, typer.Option("--all", help="The sums of all processes under the same supervisor.")] = False,
) -> None:
    """Requests, latencies, errors, agents."""
    with common.client(context) as client:
        found = client.ops.report(all_processes=all_processes)
    if output.is_json(context):
        output.print_json(found)
        return
    console = output.console()
    of = f"{found.counted} processes" if found.counted > 1 else found.instance
    console.print(Text(f"{of}  since {found.since.ToDatetime():%Y-%m-%d %H:%M:%SZ}  {found.in_flight} in flight"))
    answers = [f"{getattr(found.answers, name):,} {name}" for name in ("kept", "joined", "produced", "similar")]
    console.print(Text(f"answers: {', '.join(answers)}"))
    console.print(Text(), _methods(found), Text(), _agents(found), sep="\n")
    for alert in found.alerts:
        if alert.firing:
            console.print(Text(f"{alert.rule}: {alert.text}", style="red"))


@app.command("cache")
@output.answers
def cache_stats(
    context: typer.Context,
    entries: Annotated[
        bool, typer.Option("--entries", help="What memory keeps, entry by entry, the latest used first.")
    ] = False,
    kind: Annotated[str, typer.Option(help="With --entries: one kind only.")] = "",
    size: Annotated[int, typer.Option(help="With --entries: how many.")] = 20,
) -> None:
    """Hits and misses by kind and tier; or what is kept."""
    with common.client(context) as client:
        output.show(context, client.ops.cache_entries(kind, limit=size) if entries else client.ops.cache_stats())


@app.command()
@output.answers
def invalidate(  # an option is a parameter
    context: typer.Context,
    kind: Annotated[str, typer.Option(help="A cache kind.")] = "",
    dependency: Annotated[str, typer.Option(help="A name that entries depend on, as `ops cache --entries` shows it.")] = "",
    portfolio: Annotated[str, typer.Option(help="A portfolio: its answers.")] = "",
    vendor: Annotated[str, typer.Option(help="A vendor: its products, and the answers made of them.")] = "",
    product: Annotated[str, typer.Option(help="The id of a product: what was read of the vendors that carry it.")] = "",
    entry: Annotated[str, typer.Option(help="The key of one entry.")] = "",
    everything: Annotated[bool, typer.Option("--everything", help="All cached values of the tenant.")] = False,
    yes: common.Yes = False,
) -> None:
    """Forget cached values."""
    target: dict[str, Any] = {
        "kind": kind,
        "dependency": dependency,
        "portfolio": portfolio,
        "vendor": vendor,
        "product": product,
        "entry": entry,
        "everything": everything,
    }
    if sum(map(bool, target.values())) != 1:
        raise typer.BadParameter(f"give exactly one of {', '.join(f'--{name}' for name in target)}")
    if everything:
        common.confirm("Forget all cached values of the tenant?", yes)
    with common.client(context) as client:
        output.show(context, client.ops.invalidate(**target))


@app.command()
@output.answers
def vendors(context: typer.Context) -> None:
    """The configured vendors, with how often and how fast they answered."""
    with common.client(context) as client:
        found = client.ops.vendors()
    if output.is_json(context):
        output.print_json(found)
        return
    shown = _figures("vendor", ("calls", "errors", "mean", "max"))
    for row in found.vendors:
        times = [_time(row.calls.mean), _time(row.calls.max)] if row.calls.count else ["", ""]
        shown.add_row(Text(row.name), f"{row.calls.count:,}", f"{sum(row.calls.errors.values()) or ''}", *times)
    output.console().print(shown if found.vendors else "no vendor is configured")


@app.command()
@output.answers
def breakers(
    context: typer.Context,
    reset: Annotated[str, typer.Option(help="Close the breaker of this agent: it is asked again at once.")] = "",
) -> None:
    """The circuit breakers of vendors and models; or close one."""
    with common.client(context) as client:
        output.show(context, client.ops.reset_breaker(reset) if reset else client.ops.breakers())


@app.command()
@output.answers
def options(
    context: typer.Context,
    on: Annotated[str, typer.Option(help="Turn this one on.")] = "",
    off: Annotated[str, typer.Option(help="Turn this one off, until the process ends.")] = "",
) -> None:
    """What can be turned off and on while the server runs; or turn one."""
    if on and off:
        raise typer.BadParameter("give --on or --off")
    with common.client(context) as client:
        found = [client.ops.set_option(on or off, on=bool(on))] if on or off else list(client.ops.options().options)
    if output.is_json(context):
        output.print_lines(found)
        return
    rows = [{"option": one.name, "is": "on" if one.on else "off", "off means": one.description} for one in found]
    output.console().print(output.Rows(rows))


@app.command()
@output.answers
def drain(context: typer.Context, instance: str, yes: common.Yes = False) -> None:
    """Take a process out of service, named as `ops status` does: it lets its calls end, and ends."""
    common.confirm(f"End {instance}?", yes)
    with common.client(context) as client:
        output.show(context, client.ops.drain(instance))


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
        if watch and output.is_json(context):
            output.watch(context, lambda: client.ops.jobs(request), common.WATCH_SECONDS, lambda _: False)
        if output.is_json(context):
            output.print_json(client.ops.jobs(request))
            return
        with output.live_view(auto_refresh=False) as live:
            while True:
                live.update(_jobs(client.ops.jobs(request).jobs), refresh=True)
                if not watch:
                    return
                time.sleep(common.WATCH_SECONDS)


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


@app.command("retry-job")
@output.answers
def retry_job(context: typer.Context, job_id: str) -> None:
    """Queue a job again that is dead or cancelled."""
    with common.client(context) as client:
        output.show(context, client.ops.retry_job(job_id))


@output.answers
def top(
    context: typer.Context,
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks.")] = common.WATCH_SECONDS,
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
) -> None:
    """Watch what a server does, until Ctrl-C."""
    with common.client(context) as client, output.live_view(auto_refresh=False, screen=not once) as live:
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
    agents = Table(box=None, pad_edge=False)
    for name in ("agent", "breaker", "busy", "queued"):
        agents.add_column(name, justify="left" if name in ("agent", "breaker") else "right")
    for agent in found.agents:
        state = ops_pb2.BreakerState.Name(agent.breaker).removeprefix("BREAKER_STATE_").lower()
        agents.add_row(agent.agent, state, f"{agent.busy_threads}/{agent.threads}", str(agent.queued))
    problems = [Text(problem, style="red") for problem in found.problems]
    return Group(head, *problems, Text(), _methods(figures), Text(), agents)


def _figures(first: str, names: Sequence[str]) -> Table:
    """An empty table whose first column names what the figures of the others are of."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column(first)
    for name in names:
        shown.add_column(name, justify="right", no_wrap=True)
    return shown


def _time(took: Duration) -> str:
    return output.span(took.ToTimedelta().total_seconds())


def _latency(found: ops_pb2.Latency) -> list[str]:
    times = (found.mean, found.median, found.p95, found.p99)
    return [_time(each) for each in times] if found.samples else [""] * len(times)


def _methods(found: ops_pb2.GetReportResponse) -> Table:
    shown = _figures("method", ("calls", "errors", "mean", "median", "p95", "p99"))
    for row in found.methods:
        errors = sum(row.errors.values())
        shown.add_row(
            Text(row.method.rpartition("/")[2]), f"{row.count:,}", f"{errors:,}" if errors else "", *_latency(row.latency)
        )
    return shown


def _agents(found: ops_pb2.GetReportResponse) -> Table:
    shown = _figures("agent", ("calls", "failures", "mean", "median", "p95", "p99"))
    for row in found.agents:
        failures = sum(row.failures.values())
        shown.add_row(Text(row.agent), f"{row.calls:,}", f"{failures:,}" if failures else "", *_latency(row.latency))
    return shown


def _jobs(found: Sequence[ops_pb2.Job]) -> Table:
    shown = _figures("job", ("age",))
    for name in ("kind", "state", "tries"):
        shown.add_column(name, no_wrap=True)
    now = time.time()
    for row in found:
        state = ops_pb2.JobState.Name(row.state).removeprefix("JOB_STATE_").lower()
        age = output.span(max(0.0, now - row.created_at.ToMilliseconds() / 1000))
        shown.add_row(row.id, age, Text(row.kind), state, f"{row.attempts}/{row.max_attempts}")
    return shown
