"""Times over windows: percentiles as exact as promised, of one process and of several together."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from hexar.core.telemetry.histogram import SPANS, Rings, Slot, bucket
from hexar.core.telemetry.operations import Kind, Operations, added, without_windows

SECONDS = st.lists(st.floats(1e-5, 300), min_size=1, max_size=60)


def slot_of(times: list[float]) -> Slot:
    """A slot that holds ``times``."""
    slot = Slot()
    for seconds in times:
        slot.count += 1
        slot.total += seconds
        slot.buckets[bucket(seconds)] += 1
    return slot


@given(SECONDS, st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_is_off_by_a_thirty_second_at_most(times: list[float], share: float) -> None:
    """Against the sorted times themselves, by nearest rank."""
    exact = sorted(times)[max(1, math.ceil(share * len(times))) - 1]
    found = slot_of(times).quantile(share)
    assert found is not None
    assert abs(found - exact) <= exact / 32 + 1e-12


@given(SECONDS, SECONDS)
def test_slots_of_two_processes_add_up_to_one(one: list[float], other: list[float]) -> None:
    """Adding loses nothing, also by way of JSON."""
    total = Slot.load(slot_of(one).dump())
    total.add(slot_of(other))
    whole = slot_of(one + other)
    assert (total.count, total.buckets) == (whole.count, whole.buckets)
    assert abs(total.total - whole.total) < 1e-6


@given(st.lists(st.floats(0, 4000), min_size=1, max_size=80))
def test_a_window_holds_what_ended_in_its_span(ends: list[float]) -> None:
    """All of it, nothing twice, and nothing that is older than a span and a twelfth."""
    rings, now = Rings(), 0.0
    for end in sorted(ends):
        rings.at(10_000 + end).count += 1
        now = 10_000 + end
    for span, window in zip(SPANS, rings.windows(now), strict=True):
        ages = [now - 10_000 - end for end in ends]
        assert sum(age <= span - 1e-6 for age in ages) <= window.count <= sum(age <= span * 13 / 12 + 1e-6 for age in ages)


def test_failures_are_counted_and_enter_no_time() -> None:
    """Neither the mean, nor the longest, nor a percentile."""
    clock = [100.0]
    operations = Operations(lambda: clock[0])
    operations.ended(Kind.RPC, "m", 0.2)
    operations.ended(Kind.RPC, "m", 0.4)
    operations.failed(Kind.RPC, "m", "INTERNAL")
    operations.failed(Kind.RPC, "m", "CANCELLED", fault=False)
    (row,) = operations.dump()
    assert (row["count"], row["errors"], row["min"], row["max"]) == (4, {"INTERNAL": 1, "CANCELLED": 1}, 0.2, 0.4)
    window = Slot.load(row["windows"][0])
    assert (window.count, window.errors, window.faults, window.samples) == (4, 2, 1, 2)
    assert window.mean is not None
    assert abs(window.mean - 0.3) < 1e-9
    clock[0] += 200
    (row,) = operations.dump()
    assert [Slot.load(dump).count for dump in row["windows"]] == [0, 4, 4]


def test_what_ended_processes_counted_stays_in_the_sums() -> None:
    """Their totals, not their windows."""
    operations = Operations(lambda: 1.0)
    operations.ended(Kind.JOB, "k", 1.0)
    dump = operations.dump()
    (row,) = added([dump, without_windows(dump)])
    assert (row["count"], row["total"], Slot.load(row["windows"][2]).count) == (2, 2.0, 1)
