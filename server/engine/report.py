"""The figures of a process as one JSON object, and those of several added up.

What is counted is summed, histograms bucket by bucket, so that percentiles are of all calls; what is now (pools, lag) is the
sum or the worst. The operators' service, the alerts and the dashboard read nothing else.
"""

from __future__ import annotations

from typing import Any

from hexar.core.cache import Caches
from hexar.core.errors import StoreUnavailable
from hexar.core.jobs.worker import STORE_AWAY
from hexar.core.memo import MEMORY
from hexar.core.telemetry.reports import Report
from hexar.server.engine import Engine


async def report(engine: Engine, worker: int) -> Report:
    """The figures of this process."""
    metrics = engine.metrics
    try:
        queued, oldest = await engine.jobs.depth()
    except (StoreUnavailable, *STORE_AWAY):
        queued, oldest = 0, None
    metrics.settle()
    calls = metrics.calls.dump(worker)
    return {
        "since": metrics.since,
        "counted": 1,
        "operations": metrics.operations.dump(),
        "recent": calls["recent"],
        "slow": calls["slow"],
        "caches": _caches(engine.caches),
        "tiers": tiers(engine),
        "usage": [list(row) for row in engine.ledger.counters.rows()],
        "rates": {name: list(pair) for name, pair in metrics.models.dump().items()},
        "answers": dict(metrics.answers),
        "saved": {"tokens": metrics.saved_tokens, "micros": dict(metrics.saved_micros)},
        "running": engine.answers.live,
        "in_flight": metrics.in_flight,
        "queued": queued,
        "oldest": oldest,
        "lag": engine.loop_lag.worst,
        "agents": {
            bulkhead.agent: {
                "breaker": bulkhead.breaker.state.name,
                "failures": bulkhead.breaker.failures,
                "busy": bulkhead.busy,
                "threads": bulkhead.threads,
                "queued": bulkhead.queued,
            }
            for bulkhead in engine.dispatcher.status()
        },
    }


def _caches(caches: Caches) -> dict[str, Any]:
    stats = caches.stats
    found: dict[str, Any] = {
        name: {"hits": {}, "misses": stats.misses[name], "stale": stats.stale[name], "ttl": kind.ttl}
        for name, kind in caches.kinds.items()
    }
    for (kind_name, tier), count in list(stats.hits.items()):
        if kind_name in found:
            found[kind_name]["hits"][tier.value] = count
    return found


def tiers(engine: Engine) -> dict[str, Any]:
    """What each tier of the caches holds, and what is kept beside them: memos, and logs of answers that may be resumed."""
    memory, backend = engine.caches.memory, engine.caches.backend
    logs, log_bytes, log_limit = engine.answers.resumable
    found: dict[str, Any] = {
        "memory": {
            "bytes": memory.used_bytes,
            "limit": memory.limit_bytes,
            "entries": len(memory),
            "evictions": memory.evictions,
            "failures": 0,
        },
        "memo": {
            "bytes": MEMORY.used_bytes,
            "limit": MEMORY.limit_bytes,
            "entries": MEMORY.entries,
            "evictions": MEMORY.evictions,
            "failures": 0,
        },
        "logs": {"bytes": log_bytes, "limit": log_limit, "entries": logs, "evictions": 0, "failures": 0},
    }
    if backend is not None:
        held = backend.held()
        found[backend.tier.value] = {
            "bytes": held.bytes,
            "limit": held.limit_bytes,
            "entries": held.entries,
            "evictions": held.evictions,
            "failures": backend.failures,
        }
    return found
