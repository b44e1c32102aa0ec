"""What a request asks for and excludes is met by the answer, and the answer says what each condition cost."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.agents.gear.candidates import Batch, ParsedQuery
from hexar.agents.gear.products.board import Board
from hexar.agents.gear.products.ranking import ORDER, Preferences, Weights
from hexar.agents.gear.request.criteria import Criteria
from hexar.agents.gear.request.measures import stated_measures
from hexar.agents.gear.request.sizes import size_key
from hexar.agents.gear.request.spelling import spelled
from hexar.agents.gear.request.understanding import Brands, understand
from hexar.agents.vendors.base import LightRequest
from hexar.agents.vendors.model import Availability, Listing, Money, Variant
from hexar.core.cache import Tier
from hexar.core.errors import InvalidArgument
from hexar.v1 import query_pb2
from tests.agents.gear.conftest import Ask, Engine, Shelf, listing, usd
from tests.bench.quality.understood import figures

IN, OUT = Availability.IN_STOCK, Availability.OUT_OF_STOCK


def answer(text: str, *shop: Listing, **filters: object) -> tuple[list[str], list[query_pb2.Narrowing]]:
    """The names of the products shown, best first, and what narrowed the answer."""
    understood = understand(text, query_pb2.Filters(**filters), Brands())  # type: ignore[arg-type]
    criteria = Criteria(understood.filters)
    board = Board(
        ParsedQuery.read(understood.terms, understood.things),
        criteria,
        Preferences(criteria, None, understood.ordering),
        Weights(),
        20,
    )
    for vendor, rows in itertools.groupby(sorted(shop, key=lambda row: row.vendor), key=lambda row: row.vendor):
        board.place(Batch(vendor, list(rows)), Tier.SOURCE, stale=False)
    board.advance()
    return [parts.name for parts in board.shown()], board.narrowed(understood.filters, understood.terms)


def only(narrowed: list[query_pb2.Narrowing]) -> query_pb2.Narrowing:
    (one,) = narrowed
    return one


BOARDS = (
    listing("a", "1", "Burton Ripcord Snowboard", brand="Burton", category="Snowboards", tags=("beginner",), price=usd(300)),
    listing("a", "2", "Jones Flagship Snowboard", brand="Jones", category="Snowboards", tags=("expert",), price=usd(700)),
    listing("a", "3", "Nitro Prime Snowboard", brand="Nitro", category="Snowboards", price=usd(500)),
    listing("a", "4", "Capita DOA Snowboard", brand="Capita", category="Snowboards", tags=("all levels",), price=usd(450)),
)


def test_the_labelled_requests_are_understood() -> None:
    """Each condition of each request is read, and none is invented."""
    measured = figures()
    assert measured["requests"] >= 120
    assert measured["understood"] >= 0.95


@pytest.mark.parametrize(
    ("text", "gone", "condition"),
    [
        ("snowboard not for beginners", {"Burton Ripcord Snowboard"}, query_pb2.CONDITION_LEVEL),
        ("tabla que no sea para expertos", {"Jones Flagship Snowboard"}, query_pb2.CONDITION_LEVEL),
        (
            "snowboard, not Burton nor Jones",
            {"Burton Ripcord Snowboard", "Jones Flagship Snowboard"},
            query_pb2.CONDITION_BRAND,
        ),
        ("tabla sin Nitro", {"Nitro Prime Snowboard"}, query_pb2.CONDITION_BRAND),
    ],
)
def test_what_is_excluded_is_not_shown(text: str, gone: set[str], condition: int) -> None:
    """And the answer says how many products the negation cost, and which."""
    shown, narrowed = answer(text, *BOARDS)
    assert set(shown) == {one.name for one in BOARDS} - gone
    one = only(narrowed)
    assert (one.condition, one.products, one.alone) == (condition, len(gone), len(gone))
    assert {nearest.name for nearest in one.nearest} == gone


def test_a_thing_that_comes_with_another_is_excluded_by_it() -> None:
    """ "Without bindings" takes the package out, and not the board that only goes with any binding."""
    package = listing("a", "5", "Burton Starter Snowboard + Bindings", category="Snowboards")
    fits = listing("a", "6", "Burton Process Snowboard", category="Snowboards", description="Fits all bindings.")
    for text in ("snowboard without bindings", "tabla sin fijaciones"):
        shown, narrowed = answer(text, package, fits)
        assert shown == ["Burton Process Snowboard"]
        assert only(narrowed).condition == query_pb2.CONDITION_EXCLUDED_TERM


@given(st.permutations([199, 250, 399, 400, 899]), st.sampled_from(["cheapest snowboard", "la tabla de snowboard más barata"]))
def test_the_cheapest_stands_first(prices: list[int], text: str) -> None:
    """Whatever else the ranking weighs: an unrated board out of a sale before a rated one."""
    shop = [
        listing("a", str(n), f"{name} Snowboard", price=usd(price), rating=5.0 if price > 300 else None, rating_count=90)
        for n, (name, price) in enumerate(zip(("Aro", "Bora", "Cima", "Duna", "Eolo"), prices, strict=True))
    ]
    by_price = [one.name for one in sorted(shop, key=lambda one: one.price.micros)]  # type: ignore[union-attr]
    assert answer(text, *shop)[0] == by_price
    assert answer("most expensive snowboard", *shop)[0] == by_price[::-1]


def test_an_order_leaves_what_states_nothing_to_the_end() -> None:
    """No weight, no rating, a price in a currency of its own: last, and never as if it were zero."""
    shop = [
        listing("a", "1", "Aro 2 Tent", attributes={"Weight": "2.4 kg", "Max load": "0.2 kg"}, rating=4.0, rating_count=50),
        listing("a", "2", "Bora 2 Tent", attributes={"Weight (g)": "1,900"}, price=Money("EUR", 1_000_000)),
        listing("a", "3", "Cima 2 Tent", price=usd(350)),
        listing("a", "4", "Duna 2 Tent", price=usd(90), rating=4.8, rating_count=80),
    ]
    assert answer("lightest tent", *shop)[0][:2] == ["Bora 2 Tent", "Aro 2 Tent"]
    assert answer("best rated tent", *shop)[0][:2] == ["Duna 2 Tent", "Aro 2 Tent"]
    assert answer("cheapest tent", *shop)[0] == ["Duna 2 Tent", "Cima 2 Tent", "Aro 2 Tent", "Bora 2 Tent"]


def test_a_size_is_one_that_can_be_had() -> None:
    """Stated by the vendor, and in stock: not sold out, not another width, not in the name alone."""

    def board(number: int, *sizes: tuple[str, Availability]) -> Listing:
        variants = tuple(Variant(sku=f"{number}-{size}", size=size, availability=state) for size, state in sizes)
        return listing("a", str(number), f"{['Aro', 'Bora', 'Cima', 'Duna'][number]} Snowboard", variants=variants)

    shop = [
        board(0, ("158W", IN), ("162W", IN)),
        board(1, ("158W", OUT), ("154", IN)),
        board(2, ("158", IN)),
        listing("a", "3", "Duna Snowboard 158W"),
        listing("b", "4", "Eolo Snowboard", sizes=("154", "158 Wide")),
    ]
    for text in ("snowboard 158W", "tabla de snowboard talla 158 w", "158 wide snowboard"):
        shown, narrowed = answer(text, *shop)
        assert set(shown) == {"Aro Snowboard", "Eolo Snowboard"}
        one = only(narrowed)
        assert (one.condition, one.products) == (query_pb2.CONDITION_SIZE, 3)
        assert {nearest.name: nearest.has for nearest in one.nearest}["Bora Snowboard"] == "154"


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("158W", "158 w", True), ("158 Wide", "158w", True), ("Medium", "M", True), ("158 cm", "158", True), ("10,5", "10.5", True),
        ("158W", "158", False), ("EU 42", "US 42", False), ("10.5", "105", False), ("XL", "L", False),
    ],
)  # fmt: skip
def test_sizes_are_compared_without_their_spelling(left: str, right: str, same: bool) -> None:
    """What differs in spelling only is one size; a width, a system, a half are another."""
    assert (size_key(left) == size_key(right)) is same


def test_numbers_with_units_are_limits() -> None:
    """A bag for another cold, a pack of another volume are not what is asked for; one that states nothing may be."""
    shop = [
        listing("a", "1", "Aro Sleeping Bag -10", attributes={"Comfort": "-10 °C"}),
        listing("a", "2", "Bora Sleeping Bag -5°C"),
        listing("a", "3", "Cima Sleeping Bag 10 °C"),
        listing("a", "4", "Duna Sleeping Bag"),
    ]
    for text in ("sleeping bag -10 degrees", "saco de dormir de 10 grados bajo cero", "sleeping bag 14 °F"):
        shown, narrowed = answer(text, *shop)
        assert set(shown) == {"Aro Sleeping Bag -10", "Duna Sleeping Bag"}
        one = only(narrowed)
        assert (one.condition, one.products) == (query_pb2.CONDITION_MEASURE, 2)
        assert (one.nearest[0].name, one.nearest[0].has) == ("Bora Sleeping Bag -5°C", "-5 °C")


@given(st.integers(1, 90), st.integers(0, 9), st.sampled_from(["l", " l", " L", " litros", " liters", "-liter"]))
def test_stated_measures_are_read(whole: int, tenth: int, unit: str) -> None:
    """In either language, glued or not."""
    assert stated_measures(f"Mochila Atlas {whole}.{tenth}{unit}") == ((query_pb2.QUANTITY_VOLUME, float(f"{whole}.{tenth}")),)


def test_a_currency_that_nobody_uses_is_told() -> None:
    """Nothing is converted, nothing passes as zero: the answer says which currencies there are, and what is near."""
    shown, narrowed = answer("snowboard under 400 EUR", *BOARDS)
    assert shown == []
    one = only(narrowed)
    assert (one.condition, one.products, one.alone) == (query_pb2.CONDITION_CURRENCY, 4, 4)
    assert one.detail == "the limit is in EUR, the offers are in USD; nothing is converted"
    assert all(nearest.price.currency_code == "USD" for nearest in one.nearest)


def test_a_currency_of_several_countries_is_not_guessed() -> None:
    """ "Pesos" limit nothing, and the answer says so."""
    understood = understand("tabla por menos de 8000 pesos", query_pb2.Filters(), Brands())
    assert not understood.filters.HasField("price_max")
    assert [(one.phrase, bool(one.reason)) for one in understood.message().not_applied] == [("por menos de 8000 pesos", True)]


def test_several_things_at_once() -> None:
    """Boots and bindings are both, and the board is neither."""
    boots = listing("a", "5", "Burton Moto Snowboard Boots", category="Snowboard Boots")
    bindings = listing("a", "6", "Union Force Binding", category="Snowboard Bindings")
    for text in ("boots and bindings", "botas y fijaciones de snowboard"):
        assert set(answer(text, *BOARDS, boots, bindings)[0]) == {boots.name, bindings.name}


def test_words_that_no_product_is_about() -> None:
    """An empty answer says that it was the words."""
    shown, narrowed = answer("kayak", *BOARDS)
    assert (shown, only(narrowed).condition, only(narrowed).products) == ([], query_pb2.CONDITION_TERMS, 4)


shops = st.lists(
    st.builds(
        lambda price, stock, tags, code: {"price": Money(code, price * 1_000_000), "availability": stock, "tags": tags},
        st.integers(100, 900), st.sampled_from([IN, OUT]), st.sampled_from([(), ("beginner",), ("expert",)]),
        st.sampled_from(["USD", "USD", "EUR"]),
    ),
    min_size=1, max_size=12,
)  # fmt: skip


@given(shops, st.integers(100, 900))
def test_every_product_is_shown_or_counted(rows: list[dict[str, object]], limit: int) -> None:
    """Each condition counts the products that fail it; those that fail it alone are what the answer would gain."""
    names = [f"{first}{second} Snowboard" for first in ["Aro", "Bora", "Cima", "Duna"] for second in ("nix", "lun", "tep")]
    shop = [listing("a", str(n), name, **row) for n, (name, row) in enumerate(zip(names, rows, strict=False))]
    shown, narrowed = answer(f"snowboard under {limit} USD in stock not for experts", *shop)
    by_condition = {one.condition: one for one in narrowed}
    failing: dict[int, set[str]] = {condition: set() for condition in (1, 2, 3, 7)}
    for one in shop:
        assert one.price is not None
        if one.price.currency != "USD":
            failing[query_pb2.CONDITION_CURRENCY].add(one.name)
        elif one.price.micros > limit * 1_000_000:
            failing[query_pb2.CONDITION_PRICE].add(one.name)
        if one.availability is OUT:
            failing[query_pb2.CONDITION_STOCK].add(one.name)
        if "expert" in one.tags:
            failing[query_pb2.CONDITION_LEVEL].add(one.name)
    assert set(shown) == {one.name for one in shop} - set().union(*failing.values())
    for condition, gone in failing.items():
        others = set().union(*(names for other, names in failing.items() if other != condition))
        counted = by_condition.get(query_pb2.Condition.ValueType(condition), query_pb2.Narrowing())
        assert (counted.products, counted.alone) == (len(gone), len(gone - others))
        assert {nearest.name for nearest in counted.nearest} <= gone - others
    assert [one.products for one in narrowed] == sorted((one.products for one in narrowed), reverse=True)


# -- spelling ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["boats", "casio", "tests", "boost", "mexicano", "hometown", "ripcord", "polos", "flagship"])
def test_other_words_are_not_misspelt_ones(word: str) -> None:
    """A word that is near another one is left alone where it may well be itself."""
    assert spelled(word, lambda _: False) == (word, [])


def test_words_of_a_vendor_are_right() -> None:
    """What a shop calls its product is not put right."""
    assert spelled("snowbord", lambda _: False)[0] == "snowboard"
    assert spelled("snowbord", lambda word: word == "snowbord") == ("snowbord", [])


async def test_vendors_are_asked_in_the_right_spelling(engine: Engine, ask: Ask) -> None:
    """And the answer says what was read as what."""
    asked: list[str] = []

    class Listening(Shelf):
        def light(self, request: LightRequest, deadline: object, *, cancel: object = None) -> list[Listing]:
            asked.append(request.terms)
            return super().light(request, deadline, cancel=cancel)  # type: ignore[arg-type]

    answered = await ask(engine.pipeline(Listening("a", BOARDS)), text="chepest snwoboard")
    assert asked == ["snowboard"]
    understood = answered.events[0].started.understood
    assert [(one.written, one.read) for one in understood.corrections] == [("chepest", "cheapest"), ("snwoboard", "snowboard")]
    assert understood.ordering == query_pb2.ORDERING_CHEAPEST


async def test_an_answer_says_what_narrowed_it(engine: Engine, ask: Ask) -> None:
    """From end to end, with an order that is given as a field."""
    pipeline = engine.pipeline(Shelf("a", BOARDS))
    answered = await ask(
        pipeline, text="snowboard in 158W under $460", ordering=query_pb2.ORDERING_CHEAPEST, filters=query_pb2.Filters()
    )
    conditions = {one.condition: one.products for one in answered.completed.narrowed}
    assert conditions == {query_pb2.CONDITION_SIZE: 4, query_pb2.CONDITION_PRICE: 2}
    wide = await ask(pipeline, text="snowboard", ordering=query_pb2.ORDERING_CHEAPEST)
    assert not wide.completed.narrowed
    upserts = [event.upsert for event in wide.events if event.WhichOneof("event") == "upsert"]
    assert {part.feature for part in upserts[0].rank.contributions} >= {ORDER}


@pytest.mark.parametrize(
    ("filters", "field"),
    [
        ({"measures": [query_pb2.Measure(min=1)]}, "filters.measures[0].quantity"),
        ({"measures": [query_pb2.Measure(quantity=query_pb2.QUANTITY_VOLUME)]}, "filters.measures[0]"),
        ({"measures": [query_pb2.Measure(quantity=query_pb2.QUANTITY_VOLUME, min=2, max=1)]}, "filters.measures[0].min"),
        ({"measures": [query_pb2.Measure(quantity=query_pb2.QUANTITY_VOLUME, max=float("nan"))]}, "filters.measures[0].max"),
        ({"sizes": [" "]}, "filters.sizes[0]"),
        ({"excluded_brands": ["x" * 500]}, "filters.excluded_brands[0]"),
    ],
)
async def test_bad_conditions_are_refused(engine: Engine, ask: Ask, filters: dict[str, object], field: str) -> None:
    """With the path of the field."""
    with pytest.raises(InvalidArgument) as caught:
        await ask(engine.pipeline(Shelf("a", BOARDS)), text="x", filters=query_pb2.Filters(**filters))  # type: ignore[arg-type]
    assert caught.value.violations[0][0] == field
