"""One registry of figures: counts, errors by code, latencies, caches, vendors, breakers, pools, queue, loop lag.

Prometheus reads the registry; operators read the same figures through OpsService, whose medians and percentiles come from
windows of the last calls. The time of a call that failed enters no latency.
"""

from __future__ import annotations

import threading
import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from hexar.core.telemetry.calls import Calls
from hexar.core.telemetry.models import ModelRates
from hexar.core.telemetry.operations import Kind, Operations

#: Calls that a window remembers.
WINDOW = 1024
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
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Seconds over the last ``samples`` calls."""

    mean: float
    median: float
    p95: float
    samples: int


class Window:
    """The last :data:`WINDOW` times, seconds."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=WINDOW)

    def add(self, seconds: float) -> None:
        """Remember one time."""
        self._times.append(seconds)

    def summary(self) -> LatencySummary | None:
        """Mean, median and 95th percentile (nearest rank), or None where nothing was measured."""
        times = sorted(self._times)
        if not times:
            return None
        count = len(times)
        middle = (times[(count - 1) // 2] + times[count // 2]) / 2
        return LatencySummary(sum(times) / count, middle, times[min(count - 1, -(-count * 95 // 100) - 1)], count)


@dataclass(slots=True)
class MethodFigures:
    """One RPC method's calls."""

    count: int = 0
    errors: Tally[str] = field(default_factory=Tally)
    latency: Window = field(default_factory=Window)
    first_event: Window = field(default_factory=Window)


@dataclass(slots=True)
class AgentFigures:
    """One agent's calls."""

    calls: int = 0
    failures: Tally[str] = field(default_factory=Tally)
    latency: Window = field(default_factory=Window)


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
    """All figures of one process.

    Thread-safety: :meth:`agent_called`, :meth:`worked` and those of models may be called from any thread, the rest on the
    event loop.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.since = time.time()
        self.methods: dict[str, MethodFigures] = {}
        self.agents: dict[str, AgentFigures] = {}
        self.in_flight = 0
        self.operations = Operations()
        self.calls = Calls()
        self.models = ModelRates()
        #: How requests for answers got theirs ("hit", "joined", "miss", "semantic"), and what models were spared by it.
        self.answers: Tally[str] = Tally()
        self.saved_tokens = 0
        self.saved_micros: Tally[str] = Tally()
        self.gauges = Gauges()
        self._lock = threading.Lock()
        self._requests = Counter("hexar_requests", "RPCs that ended", ["method", "code"], registry=self.registry)
        self._latency = Histogram(
            "hexar_request_seconds", "Time of RPCs that ended with OK", ["method"], registry=self.registry, buckets=_BUCKETS
        )
        self._first = Histogram(
            "hexar_first_event_seconds",
            "Time to the first event of a stream that says something; of a chat to its first token",
            ["method"],
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self._agent_calls = Counter(
            "hexar_agent_calls", "Calls of vendor and model agents", ["agent", "failure"], registry=self.registry
        )
        self._agent_latency = Histogram(
            "hexar_agent_seconds", "Time of agent calls that succeeded", ["agent"], registry=self.registry, buckets=_BUCKETS
        )
        self._rate_limited = Counter(
            "hexar_rate_limited", "RPCs refused because their tenant's rate was used up", ["method"], registry=self.registry
        )
        self.registry.register(self.gauges)
        self._ok_children: dict[str, tuple[Counter, Histogram, Histogram]] = {}

    def method(self, name: str) -> MethodFigures:
        """The figures of RPC method ``name``."""
        return self.methods.setdefault(name, MethodFigures())

    def request_ended(self, method: str, code: str, seconds: float, first_event: float | None) -> None:
        """Count one RPC. ``first_event`` is seconds to its first event, None for a unary call or where none was sent."""
        figures = self.method(method)
        figures.count += 1
        if code != "OK":
            figures.errors[code] += 1
            self._requests.labels(method, code).inc()
            self.operations.failed(Kind.RPC, method, code, fault=code not in NO_FAULT)
            return
        children = self._ok_children.get(method)
        if children is None:
            children = self._ok_children[method] = (
                self._requests.labels(method, "OK"),
                self._latency.labels(method),
                self._first.labels(method),
            )
        figures.latency.add(seconds)
        self.operations.ended(Kind.RPC, method, seconds)
        children[0].inc()
        children[1].observe(seconds)
        if first_event is not None:
            figures.first_event.add(first_event)
            self.operations.ended(Kind.FIRST_EVENT, method, first_event)
            children[2].observe(first_event)

    def rate_limited(self, method: str) -> None:
        """Count one RPC that was refused for its tenant's rate. By method only: there may be any number of tenants."""
        self._rate_limited.labels(method).inc()

    def answered(self, how: str, tier: str, seconds: float | None) -> None:
        """Count one request for an answer: ``how`` it got it, from which ``tier``, and the time until it was sent whole."""
        self.answers[how] += 1
        if seconds is not None:
            self.operations.ended(Kind.TIER, tier, seconds)

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
        with self._lock:
            figures = self.agents.setdefault(agent, AgentFigures())
            figures.calls += 1
            if failure:
                figures.failures[failure] += 1
            else:
                figures.latency.add(seconds)
        self.worked(Kind.AGENT, agent, seconds, failure)
        self._agent_calls.labels(agent, failure).inc()
        if not failure:
            self._agent_latency.labels(agent).observe(seconds)


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
