"""Figures of several processes as one: sums that never go down, gauges by process."""

from __future__ import annotations

import orjson
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

from hexar.core.telemetry.calls import CallRecord
from hexar.core.telemetry.metrics import Metrics, counter, gauge
from hexar.server.process.supervision.figures import Families, Totals, read


class Source:
    """One process's figures, with some that are read when they are asked for."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.hits, self.busy, self.queued = 0.0, 0.0, 0.0
        self.metrics.gauges.add(self._read)

    def _read(self) -> list[Metric]:
        return [
            counter("hits", "Hits", [({"tier": "memory"}, self.hits)]),
            gauge("busy", "Busy threads", [({"agent": "a"}, self.busy)]),
            gauge("queued", "Jobs that wait", [({"kind": "k"}, self.queued)], shared=True),
        ]

    def read(self) -> Families:
        """What it sends to the supervisor, as it arrives there."""
        families: Families = orjson.loads(orjson.dumps(read(self.metrics.registry)))
        return families


def ended(metrics: Metrics, seconds: float) -> None:
    """One call of "m" that ended well."""
    metrics.count([CallRecord(0.0, "m", "OK", seconds, None, "r", "acme", "", "")])


def shown(totals: Totals, workers: dict[int, int]) -> dict[str, float]:
    """The endpoint's samples, by name and labels, in the text that Prometheus reads."""

    class Collector:
        def collect(self) -> list[Metric]:
            return list(totals.collect(workers))

    registry = CollectorRegistry()
    registry.register(Collector())
    lines = generate_latest(registry).decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def test_counters_and_histograms_are_summed_and_gauges_kept_apart() -> None:
    """Two processes: counts, buckets and sums add up; a gauge has one value a process; what they share is shown once."""
    one, two, totals = Source(), Source(), Totals()
    for source, seconds in ((one, 0.02), (one, 0.2), (two, 0.02)):
        ended(source.metrics, seconds)
    one.hits, two.hits, one.busy, two.busy, one.queued, two.queued = 3, 4, 1, 2, 5, 6
    totals.update(101, one.read())
    totals.update(102, two.read())
    found = shown(totals, {101: 1, 102: 2})
    assert found['hexar_requests_total{code="OK",method="m"}'] == 3
    assert found['hexar_request_seconds_bucket{le="0.025",method="m"}'] == 2
    assert found['hexar_request_seconds_bucket{le="+Inf",method="m"}'] == 3
    assert abs(found['hexar_request_seconds_sum{method="m"}'] - 0.24) < 1e-9
    assert found['hits_total{tier="memory"}'] == 7
    assert (found['busy{agent="a",worker="1"}'], found['busy{agent="a",worker="2"}']) == (1, 2)
    assert found['queued{kind="k"}'] == 6


def test_what_an_ended_process_counted_stays() -> None:
    """Its counters and buckets remain in the sums, its gauges go, and a successor with its pid is added to them."""
    one, totals = Source(), Totals()
    ended(one.metrics, 0.02)
    one.hits, one.busy = 3, 1
    totals.update(101, one.read())
    totals.retire(101)
    found = shown(totals, {})
    assert (found['hits_total{tier="memory"}'], found['hexar_requests_total{code="OK",method="m"}']) == (3, 1)
    assert not any(name.startswith("busy") for name in found)
    next_one = Source()
    ended(next_one.metrics, 0.02)
    next_one.hits = 1
    totals.update(101, next_one.read())
    found = shown(totals, {101: 1})
    assert (found['hits_total{tier="memory"}'], found['hexar_requests_total{code="OK",method="m"}']) == (4, 2)
    assert found['hexar_request_seconds_count{method="m"}'] == 2


def test_a_process_that_drains_is_counted_without_its_gauges() -> None:
    """While a replaced process ends, what it counts is in the sums; its gauges would double those of its successor."""
    old, fresh, totals = Source(), Source(), Totals()
    old.hits, fresh.hits, old.busy, fresh.busy = 3, 1, 9, 2
    totals.update(101, old.read())
    totals.update(102, fresh.read())
    found = shown(totals, {102: 1})
    assert found['hits_total{tier="memory"}'] == 4
    assert found['busy{agent="a",worker="1"}'] == 2
