"""Figures of several processes as one: what is counted is added up, also what ended processes had counted.

A process sends all its metric families when it is asked; nothing is shared while it works. Counters and histograms are summed
over the processes that are and those that were, so that they never go down. A gauge gets the label ``worker``; one that tells
of something they share (the job queue) is taken once, at its largest.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from hexar.core.telemetry.metrics import SharedGauge

#: Families as they travel: name, help, type, shared, and samples of [name, labels, value].
Families = list[dict[str, Any]]
_Sample = tuple[str, tuple[tuple[str, str], ...]]
_COUNTED = ("counter", "histogram", "summary")
#: When a series began: of several, the first.
_CREATED = "_created"


def read(registry: CollectorRegistry) -> Families:
    """All families of ``registry``. Blocks where a source of it does."""
    return [
        {
            "name": metric.name,
            "help": metric.documentation,
            "type": metric.type,
            "shared": isinstance(metric, SharedGauge),
            "samples": [[sample.name, sample.labels, sample.value] for sample in metric.samples],
        }
        for metric in registry.collect()
    ]


class Totals:
    """The figures of all processes, kept by process. Everything belongs to one thread."""

    def __init__(self) -> None:
        self._last: dict[int, Families] = {}
        self._ended: dict[str, dict[_Sample, float]] = {}
        self._shape: dict[str, dict[str, Any]] = {}

    def update(self, process: int, families: Families) -> None:
        """``families`` are what ``process`` (its pid) says now."""
        for family in families:
            self._shape.setdefault(family["name"], family)
        self._last[process] = families

    def retire(self, process: int) -> None:
        """``process`` is gone: what it counted stays in the sums."""
        for family in self._last.pop(process, ()):
            if family["type"] in _COUNTED:
                _add(self._ended.setdefault(family["name"], {}), family)

    def collect(self, workers: dict[int, int]) -> Iterable[Metric]:
        """The families of all. ``workers`` gives the number of each process whose gauges are shown, by pid."""
        counted = {name: dict(values) for name, values in self._ended.items()}
        gauges: dict[str, dict[_Sample, float]] = {}
        for process, families in self._last.items():
            for family in families:
                name = family["name"]
                if family["type"] in _COUNTED:
                    _add(counted.setdefault(name, {}), family)
                elif process in workers:
                    values = gauges.setdefault(name, {})
                    for sample, labels, value in family["samples"]:
                        if family["shared"]:
                            key = (sample, _key(labels))
                            values[key] = max(values.get(key, value), value)
                        else:
                            values[sample, _key(labels | {"worker": str(workers[process])})] = value
        for name, values in {**counted, **gauges}.items():
            shape = self._shape[name]
            metric = Metric(name, shape["help"], shape["type"])
            for (sample, labels), value in values.items():
                metric.add_sample(sample, dict(labels), value)
            yield metric


def _key(labels: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(labels.items())


def _add(sums: dict[_Sample, float], family: dict[str, Any]) -> None:
    for sample, labels, value in family["samples"]:
        key = (sample, _key(labels))
        if sample.endswith(_CREATED):
            sums[key] = min(sums.get(key, value), value)
        else:
            sums[key] = sums.get(key, 0.0) + value
