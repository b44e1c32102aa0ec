"""One registry of figures: counts, errors by code, latencies, caches, vendors, breakers, pools, queue, loop lag.

Prometheus reads the registry; operators read the same figures through OpsService. The time of a call that failed enters no
latency.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from hexar.core.telemetry.calls import CallRecord, Calls
from hexar.core.telemetry.models import ModelRates
from hexar.core.telemetry.operations import BOUNDS, Kind, Operations

#: Calls that wait to be counted, at most, and for how long, seconds.
MAX_PENDING = 128
PENDING_SECONDS = 0.05

#: Codes and failures of calls that are their caller's own doing, or nobody's.
NO_FAULT = frozenset(
    {
        "CANCELLED",
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "UNAUTHENTICATED",
        "FAILED_PRECONDITION",
        "OUT_OF_RANGE",
        "ABORTED",
        "RESOURCE_EXHAUSTED",
        "UNIMPLEMENTED",
    }
)


class Gauges:
    """Values that are read when they are asked for: each source yields metric families."""

    def __init__(self) -> None:
        self._sources: list[Callable[[], Iterable[Metric]]] = []

    def add(self, source: Callable[[], Iterable[Metric]]) -> None:
        """Add a callable that returns metric families."""
        self._sources.append(source)

    def collect(self) -> Iterable[Metric]:
        """All families of all sources, for the registry."""
        for source in self._sources:
            yield from source()

    def describe(self) -> Iterable[Metric]:
        """Nothing ahead of time: sources are asked only when figures are read."""
        return ()


class Metrics:
    """All figures of one process. ``on_call`` is told of each call that was counted.

    Calls are counted many at a time: between two answers little of what counts is in the processor's caches, and a call alone
    costs three times as much.

    Thread-safety: :meth:`settle`, :meth:`count`, :meth:`agent_called`, :meth:`worked` and those of models may be called from
    any thread, the rest on the event loop.
    """

    def __init__(self) -> None:
        self.on_call: Callable[[CallRecord], None] | None = None
        self._pending: deque[tuple[CallRecord, bool]] = deque()
        self._settling = threading.Lock()
        self.registry = CollectorRegistry()
        self.since = time.time()
        self.in_flight = 0
        self.operations = Operations()
        self.calls = Calls()
        self.models = ModelRates()
        #: How requests for answers got theirs ("hit", "joined", "miss", "semantic"), and what models were spared by it.
        self.answers: Tally[str] = Tally()
        self.saved_tokens = 0
        self.saved_micros: Tally[str] = Tally()
        self.gauges = Gauges()
        self._rate_limited = Counter(
            "hexar_rate_limited", "RPCs refused because their tenant's rate was used up", ["method"], registry=self.registry
        )
        self.gauges.add(self._families)
        self.registry.register(self.gauges)

    def call_ended(self, call: CallRecord, *, remembered: bool = True) -> None:
        """Count one RPC, soon. ``remembered``: it may be listed among the last calls."""
        pending = self._pending
        pending.append((call, remembered))
        if len(pending) >= MAX_PENDING:
            self.settle()
        elif len(pending) == 1:
            asyncio.get_running_loop().call_later(PENDING_SECONDS, self.settle)

    def settle(self) -> None:
        """Count what waits; to be called before figures are read."""
        with self._settling:
            calls = []
            for _ in range(len(self._pending)):
                call, remembered = self._pending.popleft()
                calls.append(call)
                if remembered:
                    self.calls.add(call)
                if self.on_call is not None:
                    self.on_call(call)
            self._count(calls)

    def count(self, calls: Iterable[CallRecord]) -> None:
        """Count RPCs at once, without a trace among the last calls."""
        with self._settling:
            self._count(calls)

    def _count(self, calls: Iterable[CallRecord]) -> None:
        alike: dict[tuple[str, str, str, str], list[CallRecord]] = {}
        for call in calls:
            alike.setdefault((call.method, call.code, call.cache, call.tier), []).append(call)
        for (method, code, how, tier), same in alike.items():
            if how:
                self.answers[how] += len(same)
            if code == "OK":
                self._ended(method, tier if how else "", same)
            else:
                for _ in same:
                    self.refused(method, code)

    def _ended(self, method: str, tier: str, calls: Sequence[CallRecord]) -> None:
        now, series = time.monotonic(), self.operations.series
        times = [call.seconds for call in calls]
        series(Kind.RPC, method).add(times, now)
        if firsts := [call.first for call in calls if call.first is not None]:
            series(Kind.FIRST_EVENT, method).add(firsts, now)
        if tier:
            series(Kind.TIER, tier).add(times, now)

    def refused(self, method: str, code: str) -> None:
        """Count one RPC that ended with the status ``code``, which is not OK."""
        self.operations.failed(Kind.RPC, method, code, fault=code not in NO_FAULT)

    def _families(self) -> Iterable[Metric]:
        self.settle()
        return _families(self.operations)

    def rate_limited(self, method: str) -> None:
        """Count one RPC that was refused for its tenant's rate. By method only: there may be any number of tenants."""
        self._rate_limited.labels(method).inc()

    def saved(self, tokens: int, micros: int, currency: str) -> None:
        """Count what models were spared, since an answer was there."""
        self.saved_tokens += tokens
        if micros:
            self.saved_micros[currency] += micros

    def model_answered(self, model: str, first_token: float, seconds: float, tokens: int) -> None:
        """Count one answer of ``model``, of ``tokens``, with the times to its first token and to its end."""
        self.operations.ended(Kind.MODEL, model, seconds)
        self.operations.ended(Kind.FIRST_TOKEN, model, first_token)
        self.models.add(model, tokens, seconds - first_token)

    def model_failed(self, model: str, failure: str) -> None:
        """Count one call of ``model`` that failed; ``failure`` names its kind."""
        self.operations.failed(Kind.MODEL, model, failure)

    def worked(self, kind: Kind, name: str, seconds: float, failure: str) -> None:
        """Count one job or tool; ``failure`` names its kind, empty where it succeeded."""
        if failure:
            self.operations.failed(kind, name, failure)
        else:
            self.operations.ended(kind, name, seconds)

    def agent_called(self, agent: str, seconds: float, failure: str) -> None:
        """Count one agent call; ``failure`` names its kind, empty where it succeeded."""
        self.worked(Kind.AGENT, agent, seconds, failure)


class SharedGauge(GaugeMetricFamily):
    """A gauge of something that several processes share: each of them reads the same value."""


def gauge(name: str, text: str, values: Iterable[tuple[dict[str, str], float]], *, shared: bool = False) -> GaugeMetricFamily:
    """A family of values under one name: pairs of labels and value. ``shared``: every process would read the same."""
    rows = list(values)
    family = (SharedGauge if shared else GaugeMetricFamily)(name, text, labels=_labels(rows))
    for row, value in rows:
        family.add_metric(list(row.values()), value)
    return family


def counter(name: str, text: str, values: Iterable[tuple[dict[str, str], float]]) -> CounterMetricFamily:
    """As `gauge`, of values that only grow; Prometheus sees them as ``name``_total."""
    rows = list(values)
    family = CounterMetricFamily(name, text, labels=_labels(rows))
    for row, value in rows:
        family.add_metric(list(row.values()), value)
    return family


def _labels(rows: list[tuple[dict[str, str], float]]) -> list[str]:
    return list(rows[0][0]) if rows else []


def _families(operations: Operations) -> Iterable[Metric]:
    """RPCs and agents as Prometheus counts them: since the start, in buckets of its own."""
    rows = operations.dump()
    rpcs = [row for row in rows if row["kind"] == Kind.RPC]
    agents = [row for row in rows if row["kind"] == Kind.AGENT]
    yield counter(
        "hexar_requests",
        "RPCs that ended",
        [({"method": row["name"], "code": code}, count) for row in rpcs for code, count in _outcomes(row, "OK")],
    )
    yield _histogram("hexar_request_seconds", "Time of RPCs that ended with OK", "method", rpcs)
    yield _histogram(
        "hexar_first_event_seconds",
        "Time to the first event of a stream that says something; of a chat to its first token",
        "method",
        [row for row in rows if row["kind"] == Kind.FIRST_EVENT],
    )
    yield counter(
        "hexar_agent_calls",
        "Calls of vendor and model agents",
        [({"agent": row["name"], "failure": failure}, count) for row in agents for failure, count in _outcomes(row, "")],
    )
    yield _histogram("hexar_agent_seconds", "Time of agent calls that succeeded", "agent", agents)


def _outcomes(row: Mapping[str, Any], well: str) -> Iterable[tuple[str, float]]:
    done = row["count"] - sum(row["errors"].values())
    if done:
        yield well, float(done)
    yield from ((code, float(count)) for code, count in row["errors"].items())


def _histogram(name: str, text: str, label: str, rows: Iterable[Mapping[str, Any]]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, text, labels=[label])
    for row in rows:
        total, buckets = 0, list[tuple[str, float]]()
        for bound, count in zip((*BOUNDS, math.inf), row["le"], strict=True):
            total += count
            buckets.append(("+Inf" if bound == math.inf else str(bound), total))
        if total:
            family.add_metric([row["name"]], buckets, row["total"])
    return family
