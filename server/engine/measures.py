"""What rules and targets measure, worked out of reports: by metric, the value of each subject.

Times and error rates are those of the last five minutes; rates of caches are what was looked up between two reports of which
the older one is about five minutes old. What was not measured is not there.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Any

from hexar.core.telemetry.histogram import SPANS, Slot, merged
from hexar.core.telemetry.operations import Kind
from hexar.core.telemetry.reports import Report

#: Fewer calls say nothing about a rate.
FEW = 20
#: The window of five minutes.
FIVE_MINUTES = SPANS.index(300.0)
_TIMED = {Kind.RPC: "rpc", Kind.AGENT: "agent", Kind.MODEL: "model", Kind.TOOL: "tool", Kind.JOB: "job"}
#: The operators' own calls, and what waits for a person or a job, are no measure of the service.
_NOT_MEASURED = ("hexar.v1.OpsService/",)
_SOURCE = "source"

Values = dict[str, dict[str, float]]


class Lookups:
    """Hits and misses of the last five minutes, from totals that are told now and then."""

    def __init__(self) -> None:
        self._told: deque[tuple[float, dict[str, tuple[int, int]]]] = deque()

    def rates(self, now: float, caches: Mapping[str, Any]) -> dict[str, float]:
        """Tell the totals as they are ``now``: the rate of hits of each kind since five minutes ago, where enough asked."""
        totals = {name: (sum(row["hits"].values()), row["misses"]) for name, row in caches.items()}
        self._told.append((now, totals))
        while len(self._told) > 1 and self._told[1][0] <= now - SPANS[FIVE_MINUTES]:
            self._told.popleft()
        before = self._told[0][1] if self._told[0][0] < now else {}
        found = {}
        for name, (hits, misses) in totals.items():
            old_hits, old_misses = before.get(name, (0, 0))
            hits, asked = hits - old_hits, hits + misses - old_hits - old_misses
            if asked >= FEW:
                found[name] = hits / asked
        return found


def measures(report: Report, hit_rates: Mapping[str, float], budgets: Mapping[str, float], redis_up: bool | None) -> Values:
    """Everything that is measured. ``budgets`` are the shares that tenants have spent; ``redis_up`` None: there is none."""
    values: defaultdict[str, dict[str, float]] = defaultdict(dict)
    calls = Slot()
    tiers: defaultdict[str, list[Slot]] = defaultdict(list)
    for row in report["operations"]:
        kind, name, slot = Kind(row["kind"]), row["name"], Slot.load(row["windows"][FIVE_MINUTES])
        if kind is Kind.TIER:
            tiers["miss_seconds" if name == _SOURCE else "hit_seconds"].append(slot)
        if kind not in _TIMED or name.startswith(_NOT_MEASURED):
            continue
        if kind is Kind.RPC:
            calls.add(slot)
        _add_times(values, _TIMED[kind], name, slot)
    for metric, slots in tiers.items():
        if (mean := merged(slots).mean) is not None:
            values[metric][""] = mean
    if calls.count >= FEW:
        values["error_rate"][""] = calls.faults / calls.count
    values["cache_hit_rate"] = dict(hit_rates)
    values["tokens_per_second"] = {name: tokens / seconds for name, (tokens, seconds) in report["rates"].items()}
    memory = report["tiers"]["memory"]
    values["memory_share"][""] = memory["bytes"] / memory["limit"] if memory["limit"] else 0.0
    values["queued_jobs"][""] = report["queued"]
    values["oldest_job_seconds"][""] = report["oldest"] or 0.0
    values["loop_lag_seconds"][""] = report["lag"]
    values["budget_share"] = dict(budgets)
    values["open_breakers"] = {name: float(row["breaker"] == "OPEN") for name, row in report["agents"].items()}
    if redis_up is not None:
        values["redis_down"][""] = float(not redis_up)
    return dict(values)


def _add_times(values: Mapping[str, dict[str, float]], prefix: str, name: str, slot: Slot) -> None:
    if (mean := slot.mean) is not None and prefix == "rpc":
        values["rpc_mean_seconds"][name] = mean
    if (p95 := slot.quantile(0.95)) is not None:
        values[f"{prefix}_p95_seconds"][name] = p95
    if slot.count >= FEW and prefix != "rpc":
        values[f"{prefix}_error_rate"][name] = slot.faults / slot.count
