"""Merging static knowledge with the live readings of vendors."""

import itertools
import math
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.core.merge import LIVE_FIRST, OFFER_FIELDS, Merged, Product, combine, merge
from tests.core.merge import oracle_merge

VENDORS = ("alpine", "peak", "summit", "")
GTINS = ("4006381333931", "036000291452", "1234567890123", "")


def row(static: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Small domains, so that rows meet, tie and contradict each other often."""
    fields: dict[str, st.SearchStrategy[Any]] = {
        "product_id": st.sampled_from(["", "p1", "p2", "p9"]),
        "sku": st.sampled_from(["", "s1", "s2"]),
        "gtin": st.sampled_from(GTINS),
        "fetched_at": st.sampled_from([None, 1.0, 2, 3.5]),
        "tier": st.sampled_from(["", "l1", "l2"]),
        "stale": st.booleans(),
        "name": st.sampled_from(["", "Harbour", "Harbor"]),
        "brand": st.sampled_from([None, "Nord", "Süd"]),
        "rating": st.sampled_from([None, 4.5, 4, 3.0]),
        "reviews": st.sampled_from([(), (("a", 1),), ["b"]]),
        "price": st.sampled_from([None, 10, 10.5, "10"]),
        "currency": st.sampled_from(["", "USD"]),
        "stock": st.sampled_from([None, 0, 3]),
        "attributes": st.sampled_from([{}, {"flex": "5", "shape": "twin"}, {"shape": "twin", "flex": "5"}]),
    }
    if static:
        fields["id"] = st.sampled_from(["p1", "p2", "p3"])
        fields["vendor"] = st.sampled_from(VENDORS)
        return st.fixed_dictionaries({"id": fields.pop("id")}, optional=fields)
    return st.fixed_dictionaries({}, optional=fields)


STATIC = st.lists(row(static=True), max_size=5)
LIVE = st.dictionaries(st.sampled_from(VENDORS[:3]), st.lists(row(static=False), max_size=4), max_size=3)


def plain(merged: Merged) -> dict[str, Any]:
    """A merged result in the shape of the oracle's."""
    return {
        product.id: {
            "fields": product.fields,
            "provenance": {name: plain_source(source) for name, source in product.provenance.items()},
            "offers": {key: (plain_source(offer.source), offer.values) for key, offer in product.offers.items()},
        }
        for product in merged.products.values()
    }


def plain_source(source: Any) -> tuple[Any, ...]:
    return (source.vendor, source.fetched_at, source.tier, source.stale, source.live)


@given(static=STATIC, live=LIVE)
def test_the_kernel_equals_the_oracle(static: list[dict[str, Any]], live: dict[str, list[dict[str, Any]]]) -> None:
    """Every field, provenance and offer is the one that the oracle finds by gathering all readings first."""
    assert plain(merge(static, live)) == oracle_merge.merge(static, live)


@given(static=STATIC, live=LIVE, data=st.data())
def test_vendors_may_come_in_any_order_and_grouping(
    static: list[dict[str, Any]], live: dict[str, list[dict[str, Any]]], data: st.DataObject
) -> None:
    """Merging all vendors at once, one after the other, or as separately merged parts gives the same."""
    whole = merge(static, live)
    order = data.draw(st.permutations(sorted(live)))
    step = merge(static, {})
    for vendor in order:
        step = step.merge({vendor: live[vendor]})
    assert step == whole
    parts = [merge(static, {vendor: live[vendor]}) for vendor in order] + [merge(static, {})]
    left = parts[0]
    for part in parts[1:]:
        left = left | part
    right = parts[-1]
    for part in reversed(parts[:-1]):
        right = combine(part, right)
    assert left == right == whole
    assert list(left) == list(whole)


@given(static=STATIC, live=LIVE, data=st.data())
def test_rows_may_come_in_any_order(
    static: list[dict[str, Any]], live: dict[str, list[dict[str, Any]]], data: st.DataObject
) -> None:
    """The order of a vendor's rows and of the static rows does not matter either."""
    shuffled = {vendor: data.draw(st.permutations(rows)) for vendor, rows in live.items()}
    assert merge(data.draw(st.permutations(static)), shuffled) == merge(static, live)


@given(static=STATIC, live=LIVE)
def test_merging_again_changes_nothing(static: list[dict[str, Any]], live: dict[str, list[dict[str, Any]]]) -> None:
    """A vendor's rows that arrive twice are as if they had arrived once."""
    whole = merge(static, live)
    assert whole.merge(live) == whole
    assert whole | whole == whole


@given(static=STATIC, live=LIVE)
def test_nothing_is_invented(static: list[dict[str, Any]], live: dict[str, list[dict[str, Any]]]) -> None:
    """Each value of the result is, unchanged, the value of that field in a row of the source that it names."""
    rows = [(r.get("vendor") or "", False, r) for r in static] + [(v, True, r) for v, rs in live.items() for r in rs]
    for product in merge(static, live).products.values():
        assert product.fields.keys() == product.provenance.keys()
        assert not product.fields.keys() & OFFER_FIELDS
        for name, value in product.fields.items():
            source = product.provenance[name]
            assert any(
                vendor == source.vendor and is_live == source.live and found.get(name) is value
                for vendor, is_live, found in rows
            )


def test_each_vendor_keeps_its_own_offer() -> None:
    """A later, cheaper offer of one vendor leaves the other vendor's offer and its currency alone."""
    merged = merge(
        {"p1": {"name": "Harbour 154"}},
        {
            "peak": [{"product_id": "p1", "price": 399, "currency": "USD", "fetched_at": 1.0}],
            "alpine": [{"product_id": "p1", "price": 350, "currency": "EUR", "fetched_at": 9.0, "sku": "A1"}],
        },
    )
    product = merged["p1"]
    assert {key: offer.values for key, offer in product.offers.items()} == {
        ("peak", ""): {"price": 399, "currency": "USD"},
        ("alpine", "A1"): {"price": 350, "currency": "EUR", "sku": "A1"},
    }
    assert [offer.values["price"] for offer in product.offers_of("peak")] == [399]
    assert product.fields == {"name": "Harbour 154"}


def test_two_skus_of_one_vendor_are_two_offers() -> None:
    """One product under two SKUs at one vendor has both prices."""
    rows = [{"product_id": "p", "sku": "a", "price": 1}, {"product_id": "p", "sku": "b", "price": 2}]
    assert [offer.values["price"] for offer in merge({}, {"peak": rows})["p"].offers_of("peak")] == [1, 2]


def test_an_offer_is_one_reading() -> None:
    """A newer price without a currency does not borrow the currency of an older reading."""
    rows = [
        {"product_id": "p", "price": 10, "currency": "EUR", "fetched_at": 1.0},
        {"product_id": "p", "price": 12, "fetched_at": 2.0},
    ]
    assert merge({}, {"peak": rows})["p"].offers["peak", ""].values == {"price": 12}


def test_live_price_comes_before_a_static_one_that_was_read_later() -> None:
    """For offers and ratings a live reading stands before static knowledge, whatever the clock says."""
    merged = merge(
        [{"id": "p", "vendor": "peak", "price": 1, "rating": 3.0, "fetched_at": 100.0}],
        {"peak": [{"product_id": "p", "price": 2, "rating": 4.0, "fetched_at": 50.0, "stale": True, "tier": "l2"}]},
    )
    assert merged["p"].offers["peak", ""].values == {"price": 2}
    assert merged["p"].fields["rating"] == 4.0
    source = merged["p"].provenance["rating"]
    assert (source.vendor, source.fetched_at, source.tier, source.stale, source.live) == ("peak", 50.0, "l2", True, True)


def test_knowledge_is_what_was_read_last() -> None:
    """A description that was read later stands, and ties break by the vendor's name."""
    static = {"p": {"description": "old", "fetched_at": 1.0}}
    live = {
        "zenith": [{"product_id": "p", "description": "zenith's", "fetched_at": 5}],
        "alpine": [{"product_id": "p", "description": "alpine's", "fetched_at": 5.0}],
    }
    assert merge(static, live)["p"].fields["description"] == "alpine's"


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        ({"product_id": "p1", "gtin": "036000291452"}, "p1"),
        ({"sku": "A-1"}, "p1"),
        ({"sku": "A-2"}, "alpine/A-2"),
        ({"gtin": "0036000291452"}, "p2"),
        ({"gtin": "0 36000 29145 2"}, "p2"),
        ({"gtin": "036000291453", "name": "n"}, "alpine/n"),
        ({"gtin": "4006381333931"}, "gtin:04006381333931"),
    ],
)
def test_a_live_row_joins_by_id_then_sku_then_gtin(live: dict[str, str], expected: str) -> None:
    """The first key that leads to a product decides; a GTIN with a wrong check digit leads nowhere."""
    static = [{"id": "p1", "vendor": "alpine", "sku": "A-1"}, {"id": "p2", "gtin": "036000291452"}]
    merged = merge(static, {"alpine": [{**live, "price": 5}]})
    assert [name for name in merged if any(o.values.get("price") == 5 for o in merged[name].offers.values())] == [expected]


def test_a_row_that_names_nothing_is_left_out() -> None:
    """Without an id, SKU, GTIN or name there is no product to add to."""
    assert len(merge({}, {"peak": [{"price": 5}]})) == 0


def test_unknown_stays_absent() -> None:
    """None, empty text and empty collections neither appear nor displace what is known; zero and False are values."""
    merged = merge(
        {"p": {"name": "n", "weight": 0, "vegan": False, "tags": [], "color": "", "year": None, "attributes": {}}},
        {"peak": [{"product_id": "p", "name": "", "stock": 0, "price": None, "fetched_at": 9.0}]},
    )
    assert merged["p"].fields == {"name": "n", "weight": 0, "vegan": False}
    assert merged["p"].offers["peak", ""].values == {"stock": 0}
    assert merge({}, {"peak": [{"product_id": "p", "name": "n", "price": ""}]})["p"].offers == {}


def test_a_merged_result_is_never_changed() -> None:
    """Merging more vendors leaves the earlier result as it was."""
    first = merge({"p": {"name": "n"}}, {})
    second = first.merge({"peak": [{"product_id": "p", "price": 5, "name": "m", "fetched_at": 1.0}]})
    assert (first["p"].fields, first["p"].offers) == ({"name": "n"}, {})
    assert second["p"].fields == {"name": "m"}
    third = second | first
    assert third == second
    assert isinstance(third["p"], Product)


def test_wrong_rows_are_refused() -> None:
    """A static row without an id, a row that is no mapping, and a time that is no number raise."""
    with pytest.raises(ValueError, match="id"):
        merge([{"name": "n"}], {})
    with pytest.raises(TypeError):
        merge({}, {"peak": [["name", "n"]]})  # type: ignore[list-item]
    with pytest.raises(ValueError, match="fetched_at"):
        merge({}, {"peak": [{"product_id": "p", "fetched_at": math.nan}]})
    with pytest.raises(TypeError):
        merge({}, {"peak": [{"product_id": "p", "fetched_at": "yesterday"}]})


def test_every_grouping_of_five_vendors_agrees() -> None:
    """All 120 orders of five vendors that contradict each other in every field give one result."""
    live = {
        name: [{"product_id": "p", "name": name, "rating": len(name), "price": i, "fetched_at": float(i % 2)}]
        for i, name in enumerate(("ann", "bob", "cid", "dora", "eve"))
    }
    results = [merge({}, {name: live[name] for name in order}) for order in itertools.permutations(live)]
    assert all(result == results[0] for result in results)
    assert results[0]["p"].fields == {"name": "bob", "rating": 3}
    assert "rating" in LIVE_FIRST


def nested(depth: int) -> Any:
    """A list in a list, ``depth`` times."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


HOSTILE_ROWS: dict[str, dict[Any, Any]] = {
    "names that are no text": {1: "one", None: "none", ("a", 2): "pair", b"x": 3},
    "100 KB of everything": {"name": "x" * 100_000, "sku": "y" * 100_000, "gtin": "7" * 100_000, "z" * 100_000: 1},
    "a million tokens": {"description": "a " * 1_000_000, "gtin": "1 " * 1_000_000},
    "lone surrogates": {"sku": "\ud800", "name": "\udfff", "\ud800": "\ud800", "tier": "\ud800"},
    "NUL and marks": {"sku": "\0", "name": "\u202e\u200f\0", "brand": "\U0001f468\u200d\U0001f469"},
    "100,000 fields": {f"field{i}": i for i in range(100_000)},
    "nesting": {"attributes": nested(900), "sku": "s"},
    "values of odd types": {"sku": 5, "product_id": 7, "stock": math.nan, "price": 10**400, "tags": {1, 2}, "tier": 3},
}


@pytest.mark.parametrize("row", HOSTILE_ROWS.values(), ids=HOSTILE_ROWS.keys())
def test_hostile_rows_neither_crash_nor_stall(row: dict[Any, Any]) -> None:
    """Whatever a vendor sends is kept as it is, in its own product; twice is once."""
    static = [{"id": "p", "name": "n"}]
    once = merge(static, {"peak": [row]})
    assert once["p"].fields == {"name": "n"}
    again = once.merge({"peak": [dict(row)], "alpine": [row]})
    assert all(name in again for name in once)
    assert again == merge(static, {"alpine": [row], "peak": [row, dict(row)]})


def test_rows_may_be_any_mapping_and_any_iterable() -> None:
    """A read-only mapping, a generator of rows and ids that are numbers are as good as dicts, lists and text."""
    rows = (MappingProxyType({"product_id": 5, "price": i}) for i in range(3))
    merged = merge({5: MappingProxyType({"name": "n"})}, {"peak": rows})  # type: ignore[dict-item]
    assert list(merged) == ["5"]
    assert merged["5"].offers["peak", ""].get("price") == 0
    assert merged["5"].offers["peak", ""].get("stock", "?") == "?"


def test_many_names_of_fields_are_told_apart() -> None:
    """Thousands of names, each a new object in each row, never take each other's kind."""
    rows = [
        {"product_id": "p", **{f"f{i}": i for i in range(n, n + 300)}, "".join(["pri", "ce"]): n, "fetched_at": float(n)}
        for n in range(0, 3000, 100)
    ]
    product = merge({}, {"peak": rows})["p"]
    assert product.fields == {f"f{i}": i for i in range(3200)}
    assert product.offers["peak", ""].values == {"price": 2900}
