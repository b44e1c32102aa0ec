"""Merging what all readings of one product say."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.core.merge import Precedence, Reading, merge
from tests.core.merge import oracle_merge

GEAR: tuple[Precedence, ...] = ("current", "static", "vendor", "sku")
ORDERS: list[Precedence] = ["current", "static", "live", "newest", "vendor", "sku"]
#: small domains, so that readings tie and contradict each other often
VALUES: st.SearchStrategy[dict[Any, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["", "Harbour", "Harbor"]),
        "brand": st.sampled_from([None, "Nord", "Süd"]),
        "rating": st.sampled_from([None, 0, 4.5, False]),
        "terrain": st.sampled_from([(), ("park",), ["powder"]]),
        "extra": st.sampled_from([{}, {"flex": 5}, set(), frozenset({1})]),
        ("attribute", "color"): st.sampled_from([("Color", "red"), ("colour", "blue")]),
    },
)
READING = st.builds(
    Reading,
    st.sampled_from(["alpine", "peak", "Ölpine"]),
    st.sampled_from(["1", "2"]),
    VALUES,
    live=st.booleans(),
    stale=st.booleans(),
    fetched_at=st.sampled_from([None, 1.0, 2, 3.5]),
)
PRECEDENCE = st.lists(st.sampled_from(ORDERS), max_size=6).map(tuple)


@given(readings=st.lists(READING, max_size=40), precedence=PRECEDENCE)
def test_the_kernel_equals_the_oracle(readings: list[Reading], precedence: tuple[Precedence, ...]) -> None:
    """Fields, sources, order and offers are those that the oracle finds by looking at all readings for each field."""
    merged = merge(readings, precedence)
    fields, sources, ordered, offers = oracle_merge.merge(readings, precedence)
    assert merged.fields == fields
    assert {name: id(reading) for name, reading in merged.sources.items()} == {k: id(v) for k, v in sources.items()}
    assert list(map(id, merged.readings)) == list(map(id, ordered))
    assert list(map(id, merged.offers)) == list(map(id, offers))


@given(readings=st.lists(READING, max_size=12, unique_by=lambda one: (one.vendor, one.sku, one.live)), data=st.data())
def test_readings_may_come_in_any_order(readings: list[Reading], data: st.DataObject) -> None:
    """Where the precedence tells all readings apart, the order in which vendors answered does not matter."""
    shuffled = data.draw(st.permutations(readings))
    one, other = merge(readings, GEAR), merge(shuffled, GEAR)
    assert (one.fields, one.readings, one.offers) == (other.fields, other.readings, other.offers)
    assert one.sources == other.sources


@given(readings=st.lists(READING, max_size=12), precedence=PRECEDENCE)
def test_nothing_is_invented(readings: list[Reading], precedence: tuple[Precedence, ...]) -> None:
    """Each field is, unchanged, the value of a reading that states it, and each offer is a live reading of its vendor."""
    merged = merge(readings, precedence)
    assert merged.fields.keys() == merged.sources.keys()
    for name, value in merged.fields.items():
        assert merged.sources[name].values[name] is value
    assert all(offer.live for offer in merged.offers)
    stated = {(one.vendor, one.sku) for one in readings if one.live}
    assert [(offer.vendor, offer.sku) for offer in merged.offers] == sorted(stated)


def test_each_vendor_keeps_its_own_offer() -> None:
    """A cheaper offer of one vendor leaves the other vendor's offer and its currency alone."""
    peak = Reading("peak", "1", {"price": 399, "currency": "USD"}, live=True)
    alpine = Reading("alpine", "A", {"price": 350, "currency": "EUR"}, live=True)
    assert merge([peak, alpine], GEAR).offers == (alpine, peak)


def test_the_precedence_decides_who_speaks() -> None:
    """Of one field another reading speaks under another precedence."""
    old = Reading("alpine", "1", {"name": "static"}, live=False, fetched_at=1.0)
    new = Reading("beta", "1", {"name": "live"}, live=True, fetched_at=2.0)
    stale = Reading("aaa", "1", {"name": "stale"}, live=False, stale=True, fetched_at=9.0)
    readings = [stale, new, old]
    names = {order: merge(readings, order).fields["name"] for order in (GEAR, ("live", "vendor"), ("newest",), ("vendor",))}
    assert names == {GEAR: "static", ("live", "vendor"): "live", ("newest",): "stale", ("vendor",): "stale"}


def test_unknown_stays_absent() -> None:
    """None, empty text and empty collections neither appear nor displace what is known; zero and False are values."""
    first = Reading("a", "1", {"name": "", "tags": [], "year": None, "weight": 0, "vegan": False}, live=True)
    second = Reading("b", "1", {"name": "n", "weight": 5}, live=True)
    assert merge([first, second], GEAR).fields == {"name": "n", "weight": 0, "vegan": False}


def test_wrong_input_is_refused() -> None:
    """A reading that is none, another name in the precedence and a time that is no number raise."""
    with pytest.raises(TypeError):
        merge([{"name": "n"}], GEAR)  # type: ignore[type-var]
    with pytest.raises(ValueError, match="precedence"):
        merge([], ("cheapest",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="fetched_at"):
        Reading("a", "1", {}, live=True, fetched_at=math.nan)


@pytest.mark.parametrize("count", [1, 32, 33, 5000])
def test_many_readings_of_one_product(count: int) -> None:
    """However many vendors list it, the first in precedence speaks and all offers are kept."""
    readings = [Reading(f"v{i:05d}", "\ud800", {"name": f"n{i}", "x" * i: i}, live=True) for i in range(count)]
    merged = merge(reversed(readings), GEAR)
    assert merged.fields["name"] == "n0"
    assert len(merged.offers) == count
