"""What the operators' service says, as messages: of reports, jobs, breakers, cached entries."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from hexar.core.resilience import BreakerState, CircuitBreaker
from hexar.core.telemetry.alerts import Alert
from hexar.core.telemetry.histogram import SPANS, Slot
from hexar.core.telemetry.operations import Kind
from hexar.core.telemetry.reports import Report
from hexar.v1 import common_pb2
from hexar.v1 import ops_pb2 as pb

BREAKER = {state: f"BREAKER_STATE_{state.name}" for state in BreakerState}
_KIND = {kind: f"OPERATION_KIND_{kind.name}" for kind in Kind}


def timestamp(seconds: float) -> Timestamp:
    """Unix seconds as a protobuf timestamp."""
    value = Timestamp()
    value.FromMicroseconds(int(seconds * 1e6))
    return value


def duration(seconds: float) -> Duration:
    """Seconds as a protobuf duration."""
    value = Duration()
    value.FromMicroseconds(round(seconds * 1e6))
    return value


def money(micros: int, currency: str) -> common_pb2.Money | None:
    """A sum; None where it has no currency."""
    return common_pb2.Money(currency_code=currency, micros=micros) if currency else None


def latency(slot: Slot, longest: float = math.inf) -> pb.Latency | None:
    """The times of a window as a message; None where nothing ended well.

    The middle of a bucket may lie past the ``longest`` time that there was; a percentile does not.
    """
    if slot.mean is None:
        return None
    median, p95, p99 = (duration(min(slot.quantile(share) or 0.0, longest)) for share in (0.5, 0.95, 0.99))
    return pb.Latency(mean=duration(slot.mean), median=median, p95=p95, p99=p99, samples=slot.samples)


def operation(row: Mapping[str, Any]) -> pb.OperationReport:
    """One operation of a report."""
    made = pb.OperationReport(kind=_KIND[Kind(row["kind"])], name=row["name"], count=row["count"], errors=row["errors"])
    well = row["count"] - sum(row["errors"].values())
    if well:
        made.min.CopyFrom(duration(row["min"]))
        made.max.CopyFrom(duration(row["max"]))
        made.mean.CopyFrom(duration(row["total"] / well))
    for span, dump in zip(SPANS, row["windows"], strict=True):
        slot = Slot.load(dump)
        made.windows.append(
            pb.Window(
                span=duration(span), count=slot.count, errors=slot.errors, latency=latency(slot, row["max"]), faults=slot.faults
            )
        )
    return made


def call_record(row: Mapping[str, Any]) -> pb.CallRecord:
    """One call of a report."""
    return pb.CallRecord(
        ended_at=timestamp(row["ended"]),
        method=row["method"],
        code=row["code"],
        took=duration(row["seconds"]),
        first_event=None if row["first"] is None else duration(row["first"]),
        request_id=row["request_id"],
        tenant=row["tenant"],
        cache=row["cache"],
        tier=row["tier"],
        worker=row["worker"],
    )


def alert(one: Alert) -> pb.Alert:
    """An alert."""
    return pb.Alert(
        rule=one.rule,
        subject=one.subject,
        text=one.text,
        firing=one.resolved_at is None,
        value=one.value,
        limit=one.limit,
        since=timestamp(one.since),
        resolved_at=None if one.resolved_at is None else timestamp(one.resolved_at),
    )


def caches(report: Report) -> list[pb.CacheKindStats]:
    """The cache kinds of a report."""
    made = []
    for name, row in sorted(report["caches"].items()):
        hits = sum(row["hits"].values())
        asked = hits + row["misses"]
        made.append(
            pb.CacheKindStats(
                kind=name,
                hits=row["hits"],
                misses=row["misses"],
                stale=row["stale"],
                ttl=duration(row["ttl"]),
                hit_rate=hits / asked if asked else None,
            )
        )
    return made


def tiers(report: Report) -> list[pb.TierStatus]:
    """The tiers of a report."""
    return [
        pb.TierStatus(
            tier=name,
            bytes=row["bytes"],
            limit_bytes=row["limit"],
            entries=row["entries"],
            evictions=row["evictions"],
            failures=row["failures"],
        )
        for name, row in report["tiers"].items()
    ]


def models(report: Report) -> list[pb.ModelFigures]:
    """What each system used of each model."""
    sums: defaultdict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for _, model, system, currency, *counts in report["usage"]:
        known = sums[model, system, currency]
        sums[model, system, currency] = [one + other for one, other in zip(known, counts, strict=True)]
    made = []
    for (model, system, currency), (calls, prompt, completion, micros) in sorted(sums.items()):
        tokens, seconds = report["rates"].get(model, (0, 0.0))
        made.append(
            pb.ModelFigures(
                model=model,
                system=system,
                calls=calls,
                prompt_tokens=prompt,
                completion_tokens=completion,
                cost=money(micros, currency),
                tokens_per_second=tokens / seconds if seconds else 0.0,
            )
        )
    return made


def answers(report: Report) -> pb.AnswerFigures:
    """How requests for answers got theirs."""
    how, saved = report["answers"], report["saved"]
    return pb.AnswerFigures(
        kept=how.get("hit", 0),
        joined=how.get("joined", 0),
        produced=how.get("miss", 0),
        similar=how.get("semantic", 0),
        running=report["running"],
        saved_tokens=saved["tokens"],
        saved_cost=[common_pb2.Money(currency_code=name, micros=micros) for name, micros in sorted(saved["micros"].items())],
    )


def agents(report: Report) -> list[pb.AgentStatus]:
    """Pools and breakers."""
    return [
        pb.AgentStatus(
            agent=name,
            breaker=BREAKER[BreakerState[row["breaker"]]],
            consecutive_failures=row["failures"],
            busy_threads=row["busy"],
            threads=row["threads"],
            queued=row["queued"],
        )
        for name, row in sorted(report["agents"].items())
    ]


def breaker(one: CircuitBreaker) -> pb.Breaker:
    """A circuit breaker."""
    state = one.state
    return pb.Breaker(
        agent=one.name,
        state=BREAKER[state],
        consecutive_failures=one.failures,
        opens_for=None if state is BreakerState.CLOSED else duration(one.seconds_left),
        elsewhere=one.opened_elsewhere,
    )


def methods(report: Report) -> Iterable[pb.MethodReport]:
    """RPCs as they were reported before there were operations: over the last hour."""
    first = {row["name"]: row for row in report["operations"] if row["kind"] == Kind.FIRST_EVENT}
    for row in report["operations"]:
        if row["kind"] == Kind.RPC:
            events = first.get(row["name"])
            yield pb.MethodReport(
                method=row["name"],
                count=row["count"],
                errors=row["errors"],
                latency=latency(Slot.load(row["windows"][-1]), row["max"]),
                first_event=None if events is None else latency(Slot.load(events["windows"][-1]), events["max"]),
            )


def called_agents(report: Report) -> Iterable[pb.AgentReport]:
    """Agents likewise."""
    for row in report["operations"]:
        if row["kind"] == Kind.AGENT:
            times = latency(Slot.load(row["windows"][-1]), row["max"])
            yield pb.AgentReport(agent=row["name"], calls=row["count"], failures=row["errors"], latency=times)
