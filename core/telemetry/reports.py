"""Reports of several processes added up: what is counted is summed, histograms bucket by bucket.

A report is the JSON object that :mod:`hexar.server.engine.report` makes of one process; the supervisor, which knows nothing of
an engine, adds up those of processes that have ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hexar.core.telemetry.calls import latest
from hexar.core.telemetry.operations import added, without_windows

Report = dict[str, Any]
#: Of two processes' breakers the one that lets fewer calls pass is shown.
_STRICT = {"CLOSED": 0, "HALF_OPEN": 1, "OPEN": 2}


def summed(reports: Sequence[Report]) -> Report:
    """The figures of several processes as those of one."""
    return {
        "since": min(one["since"] for one in reports),
        "counted": sum(one["counted"] for one in reports),
        "operations": added(one["operations"] for one in reports),
        "recent": latest([one["recent"] for one in reports]),
        "slow": latest([one["slow"] for one in reports]),
        "caches": _sum_caches([one["caches"] for one in reports]),
        "tiers": _sum_tiers([one["tiers"] for one in reports]),
        "usage": _sum_usage(row for one in reports for row in one["usage"]),
        "rates": _sum_pairs([one["rates"] for one in reports]),
        "answers": _sum_counts([one["answers"] for one in reports]),
        "saved": {
            "tokens": sum(one["saved"]["tokens"] for one in reports),
            "micros": _sum_counts([one["saved"]["micros"] for one in reports]),
        },
        "running": sum(one["running"] for one in reports),
        "in_flight": sum(one["in_flight"] for one in reports),
        # The queue is the store's: every process sees the same.
        "queued": max(one["queued"] for one in reports),
        "oldest": max((one["oldest"] for one in reports if one["oldest"] is not None), default=None),
        "lag": max(one["lag"] for one in reports),
        "agents": _sum_agents([one["agents"] for one in reports]),
        # One of the processes watches over all.
        "alerts": [alert for one in reports for alert in one["alerts"]],
        "targets": {name: value for one in reports for name, value in one["targets"].items()},
    }


def ended(one: Report) -> Report:
    """What is left of a process that has ended: what it counted, and nothing of now."""
    return one | {
        "counted": 0,
        "operations": without_windows(one["operations"]),
        "tiers": {name: row | {"bytes": 0, "limit": 0, "entries": 0} for name, row in one["tiers"].items()},
        "rates": {},
        "running": 0,
        "in_flight": 0,
        "queued": 0,
        "oldest": None,
        "lag": 0.0,
        "agents": {},
        "alerts": [],
        "targets": {},
    }


def _sum_caches(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    sums: dict[str, Any] = {}
    for name, row in (pair for one in rows for pair in one.items()):
        before = sums.get(name)
        if before is None:
            sums[name] = row
            continue
        sums[name] = {
            "hits": _sum_counts([before["hits"], row["hits"]]),
            "misses": before["misses"] + row["misses"],
            "stale": before["stale"] + row["stale"],
            "ttl": row["ttl"],
        }
    return sums


def _sum_tiers(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    sums: dict[str, Any] = {}
    for name, row in (pair for one in rows for pair in one.items()):
        sums[name] = _sum_counts([sums.get(name, {}), row])
    return sums


def _sum_counts(rows: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for row in rows:
        total.update(row)
    return dict(total)


def _sum_pairs(rows: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, list[float]]:
    sums: dict[str, list[float]] = {}
    for name, (one, other) in (pair for row in rows for pair in row.items()):
        before = sums.get(name, [0, 0.0])
        sums[name] = [before[0] + one, before[1] + other]
    return sums


def _sum_usage(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    sums: dict[tuple[str, ...], list[int]] = {}
    for tenant, model, system, currency, *counts in rows:
        before = sums.get((tenant, model, system, currency), [0, 0, 0, 0])
        sums[tenant, model, system, currency] = [one + other for one, other in zip(before, counts, strict=True)]
    return [[*key, *counts] for key, counts in sorted(sums.items())]


def _sum_agents(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    sums: dict[str, Any] = {}
    for name, row in (pair for one in rows for pair in one.items()):
        before = sums.get(name)
        if before is None:
            sums[name] = row
            continue
        strict = max(before, row, key=lambda one: _STRICT[one["breaker"]])
        sums[name] = {
            "breaker": strict["breaker"],
            "failures": max(before["failures"], row["failures"]),
            **{count: before[count] + row[count] for count in ("busy", "threads", "queued")},
        }
    return sums
