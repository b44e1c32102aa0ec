"""What was charged is summed by model, system and period, on both stores, and counted for the figures."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from hexar.core.errors import InvalidArgument
from hexar.core.ledger import Charge, Ledger, Period
from hexar.core.ledger import usage as usage_module
from hexar.core.ledger.usage import MAX_TENANTS, OTHERS, UsageCounters
from hexar.core.store import Database


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def set(self, *date: int) -> float:
        self.now = datetime(*date, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(database: Database, clock: Clock) -> Iterator[Ledger]:
    made = Ledger(database, clock=clock)
    yield made
    made.close()


def charge(ledger: Ledger, tenant: str, model: str, kind: str = "chat", *, cost: int = 5, estimated: bool = False) -> None:
    ledger.reserve(tenant, 0).settle(Charge(cost, "USD" if cost else "", kind, model, 10, 20, estimated))


def test_sums_by_model_system_and_period(ledger: Ledger, clock: Clock) -> None:
    """Days and months are those of UTC; another tenant's calls are not in them."""
    last_second = clock.set(2026, 2, 28, 23, 59, 59)
    charge(ledger, "a", "big")
    first_second = clock.set(2026, 3, 1)
    charge(ledger, "a", "big", estimated=True)
    charge(ledger, "a", "big", "gear")
    charge(ledger, "a", "free", cost=0)
    charge(ledger, "b", "big", cost=1000)
    clock.set(2026, 3, 31, 12)
    charge(ledger, "a", "big")
    end = clock.set(2026, 4, 1)
    days = [(row.model, row.kind, row.start, row.calls) for row in ledger.usage("a", period=Period.DAY)]
    march = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    assert days == [
        ("big", "chat", datetime(2026, 3, 31, tzinfo=UTC).timestamp(), 1),
        ("big", "chat", march, 1),
        ("big", "gear", march, 1),
        ("free", "chat", march, 1),
        ("big", "chat", datetime(2026, 2, 28, tzinfo=UTC).timestamp(), 1),
    ]
    months = [(row.model, row.kind, row.start, row.calls, row.estimated) for row in ledger.usage("a", period=Period.MONTH)]
    assert months[0] == ("big", "chat", march, 2, 1)
    assert months[-1] == ("big", "chat", datetime(2026, 2, 1, tzinfo=UTC).timestamp(), 1, 0)
    (row,) = ledger.usage("b")
    assert (row.start, row.cost_micros, row.currency, row.prompt_tokens, row.completion_tokens) == (None, 1000, "USD", 10, 20)
    assert [row.calls for row in ledger.usage("a", last_second, first_second)] == [1]
    assert [row.calls for row in ledger.usage("a", first_second, end, model="free")] == [1]
    assert ledger.usage("a", end) == []


def test_too_many_sums_are_refused(ledger: Ledger, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_module, "MAX_SUMS", 1)
    clock.set(2026, 3, 1)
    charge(ledger, "a", "one")
    charge(ledger, "a", "two")
    clock.set(2026, 3, 2)
    with pytest.raises(InvalidArgument, match="since"):
        ledger.usage("a")
    assert len(ledger.usage("a", model="one")) == 1


def test_counters_hold_what_was_charged_for_a_bounded_number_of_tenants() -> None:
    """The first tenants have figures of their own, those that come later share one."""
    counters = UsageCounters()
    for number in range(MAX_TENANTS + 5):
        counters.add(f"t{number}", Charge(7, "USD", "chat", "m", 1, 2))
    samples = {
        (sample.labels["tenant"], sample.name, sample.labels.get("direction", "")): sample.value
        for family in counters.collect()
        for sample in family.samples
    }
    assert samples["t0", "hexar_model_calls_total", ""] == 1
    assert samples["t0", "hexar_model_tokens_total", "completion"] == 2
    assert samples[OTHERS, "hexar_model_cost_micros_total", ""] == 35
    assert len({tenant for tenant, *_ in samples}) == MAX_TENANTS + 1
