"""Figures for Prometheus beside those that systems and mechanisms bring themselves: the build, operations, tiers, answers."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.core import Metric, SummaryMetricFamily

from hexar.core.memo import MEMORY
from hexar.core.telemetry.metrics import counter, gauge
from hexar.core.telemetry.operations import Kind
from hexar.server.engine import Engine
from hexar.server.engine.report import tiers

#: RPCs and agents have histograms of their own.
_SUMMARISED = (Kind.MODEL, Kind.FIRST_TOKEN, Kind.TOOL, Kind.TIER, Kind.JOB)


def exposed(engine: Engine, version: str) -> Iterable[Metric]:
    """All of them, as they are now."""
    metrics = engine.metrics
    yield gauge("hexar_build_info", "1; its labels say what runs", [({"version": version}, 1.0)], shared=True)
    yield from _operations(engine)
    held = tiers(engine)
    yield gauge("hexar_cache_bytes", "Bytes that a tier holds", [({"tier": name}, row["bytes"]) for name, row in held.items()])
    limits = [({"tier": name}, row["limit"]) for name, row in held.items()]
    yield gauge("hexar_cache_limit_bytes", "Bytes that a tier may hold; 0: its server decides", limits)
    entries = [({"tier": name}, row["entries"]) for name, row in held.items()]
    yield gauge("hexar_cache_entries", "Entries that a tier holds", entries)
    evicted = [({"tier": name}, row["evictions"]) for name, row in held.items()]
    yield counter("hexar_cache_evictions", "Entries dropped for want of room", evicted)
    memos = MEMORY.counts()
    yield gauge("hexar_memo_bytes", "Bytes that a memo holds", [({"memo": row.name}, float(row.bytes)) for row in memos])
    yield counter("hexar_memo_hits", "Look-ups that a memo answered", [({"memo": row.name}, float(row.hits)) for row in memos])
    missed = [({"memo": row.name}, float(row.misses)) for row in memos]
    yield counter("hexar_memo_misses", "Look-ups that a memo did not answer", missed)
    stale = [({"kind": kind}, float(count)) for kind, count in list(engine.caches.stats.stale.items())]
    yield counter("hexar_cache_stale", "Values served past their time to live, and marked so", stale)
    how = [({"how": name}, float(count)) for name, count in list(metrics.answers.items())]
    yield counter("hexar_answers", "Requests for answers, by how they got theirs", how)
    yield counter("hexar_saved_tokens", "Tokens that models were spared by kept answers", [({}, float(metrics.saved_tokens))])
    saved = [({"currency": name}, float(micros)) for name, micros in list(metrics.saved_micros.items())]
    yield counter("hexar_saved_cost_micros", "What that would have cost, millionths of the currency", saved)
    rates = [({"model": name}, tokens / seconds) for name, (tokens, seconds) in metrics.models.dump().items()]
    yield gauge("hexar_model_tokens_per_second", "Of the answers of the last five minutes, behind the first token", rates)


def _operations(engine: Engine) -> Iterable[Metric]:
    times = SummaryMetricFamily(
        "hexar_operation_seconds", "Times of models, tools, tiers and jobs that ended well", labels=["kind", "name"]
    )
    failures = []
    for row in engine.metrics.operations.dump():
        kind, name = Kind(row["kind"]), row["name"]
        if kind in _SUMMARISED:
            well = row["count"] - sum(row["errors"].values())
            times.add_metric([kind.value, name], well, row["total"])
            failures += [
                ({"kind": kind.value, "name": name, "failure": code}, float(count)) for code, count in row["errors"].items()
            ]
    yield times
    yield counter("hexar_operation_failures", "Models, tools and jobs that failed", failures)
