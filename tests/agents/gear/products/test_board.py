"""Any order of arrival folds to the same products, and to the list that is named as final."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.agents.gear.analysis.analyst import Mention
from hexar.agents.gear.analysis.knowledge import Knowledge
from hexar.agents.gear.candidates import Batch, ParsedQuery
from hexar.agents.gear.fold import Shown, diff, fold, ranking
from hexar.agents.gear.products.board import Board
from hexar.agents.gear.products.ranking import FEATURES, Preferences, Weights
from hexar.agents.gear.products.values import valid_gtin
from hexar.agents.gear.request.criteria import Criteria
from hexar.agents.gear.request.understanding import Brands, understand
from hexar.agents.vendors.model import Availability, Listing, Money
from hexar.core.cache import Tier
from hexar.v1 import query_pb2
from tests.agents.gear.conftest import listing, usd

NAMES = ("Burton Ripcord Snowboard 2024", "Jones Flagship Snowboard", "Nitro Prime", "Capita Mega Death Snowboard 2025",
         "Moto Snowboard Boots", "Tabla de snowboard Prime")  # fmt: skip


def board(text: str, limit: int = 20, user: query_pb2.UserContext | None = None, **filters: object) -> Board:
    understood = understand(text, query_pb2.Filters(**filters), Brands())
    criteria = Criteria(understood.filters)
    return Board(ParsedQuery.read(understood.terms), criteria, Preferences(criteria, user), Weights(), limit)


listings = st.builds(
    lambda sku, name, brand, category, price, stock, gtin, tags: Listing(
        vendor="", sku=sku, name=name, fetched_at=1.0, brand=brand, category=category, price=price, availability=stock,
        gtin=gtin, tags=tags,
    ),
    sku=st.sampled_from(["1", "2", "3", "4", "5", "6"]),
    name=st.sampled_from(NAMES),
    brand=st.sampled_from(["", "Burton", "Jones", "Nitro"]),
    category=st.sampled_from(["", "Snowboards", "Snowboard Boots"]),
    price=st.sampled_from([None, usd(300), usd(450), Money("EUR", 350_000_000)]),
    stock=st.sampled_from(list(Availability)),
    gtin=st.sampled_from(["", "4006381333931", "73513537"]),
    tags=st.sampled_from([(), ("beginner",), ("expert", "powder")]),
)  # fmt: skip
vendors = st.dictionaries(st.sampled_from("abcd"), st.lists(listings, max_size=6), min_size=1)
texts = st.sampled_from(["snowboard", "beginner snowboard under $400", "powder board in stock", "boots", "", "prime"])


def owned(vendor: str, rows: list[Listing]) -> Batch:
    return Batch(vendor, [Listing(**{name: getattr(row, name) for name in Listing.__dataclass_fields__ if name != "vendor"},
                                  vendor=vendor) for row in rows])  # fmt: skip


@given(vendors, texts, st.integers(1, 5), st.data())
def test_every_order_of_arrival_ends_in_the_same_list(shops, text, limit, data):
    """The fold of the events is the board's final list, and both are equal for every order of vendors and knowledge."""
    batches = {vendor: owned(vendor, rows) for vendor, rows in shops.items()}
    knowledge = {
        (vendor, batch.skus[0]): Knowledge.of(
            vendor, batch.skus[0], batch.listings[0], [Mention("pro", "comfort", "review", vendor, "1", "Comfortable.")], 5.0
        )
        for vendor, batch in batches.items()
        if batch.skus
    }
    results = []
    for _ in range(2):
        order = data.draw(st.permutations(sorted(batches)))
        early = data.draw(st.sets(st.sampled_from(sorted(batches))))
        now = board(text, limit)
        events = []
        for vendor in order:
            if vendor in early:  # first the stale offers of the day before, then the live ones
                now.place(owned(vendor, shops[vendor][:2]), Tier.DISK, stale=True)
                events += now.advance()
            now.place(batches[vendor], Tier.SOURCE, stale=False)
            events += now.advance()
            now.learn(one for key, one in knowledge.items() if key[0] == vendor)
            events += now.advance()
        final = fold(events)
        assert [one.product.product_id for one in final] == now.ranking()
        assert {one.product.product_id: one for one in final} == dict(now.state)
        results.append((final, now.matched, now.listings))
    assert results[0] == results[1]


@given(vendors, texts)
def test_no_value_is_invented(shops, text):
    """Every field of every product is what the source that it names states."""
    now = board(text)
    batches = {vendor: owned(vendor, rows) for vendor, rows in shops.items()}
    for batch in batches.values():
        now.place(batch, Tier.SOURCE, stale=False)
    for shown in fold(now.advance()):
        product = shown.product
        stated = {(one.vendor, one.sku): one for batch in batches.values() for one in batch.listings}
        offers = {(offer.vendor, offer.sku): offer for offer in product.offers}
        assert len(offers) == len(product.offers)
        for key, offer in offers.items():
            assert offer.HasField("price") == (stated[key].price is not None)
            if stated[key].price is not None:
                assert offer.price.micros == stated[key].price.micros
        for field in ("name", "brand", "category", "gtin"):
            value = getattr(product, field)
            assert bool(value) == (field in product.field_sources)
            if value:
                vendor = product.sources[product.field_sources[field]].vendor
                assert any(getattr(stated[key], field) == value for key in offers if key[0] == vendor)
        assert not product.HasField("rating")
        assert not product.HasField("analysis")
        assert not product.description
        assert sum(part.value for part in shown.rank.contributions) == pytest.approx(shown.rank.score, abs=1e-12)
        assert tuple(part.feature for part in shown.rank.contributions) == FEATURES


states = st.dictionaries(st.sampled_from("abcdef"), st.tuples(st.sampled_from("xyz"), st.integers(0, 3)))


@given(states, states)
def test_a_diff_turns_one_state_into_another(before, after):
    """Upserts carry what changed, moves what only moved, retracts what is gone; unchanged products send nothing."""

    def state(rows):
        return {
            key: Shown(query_pb2.Product(product_id=key, name=name), query_pb2.Rank(score=score))
            for key, (name, score) in rows.items()
        }

    old, new = state(before), state(after)
    sending = [query_pb2.QueryEvent(upsert=query_pb2.ProductUpsert(product=one.product, rank=one.rank)) for one in old.values()]
    events = list(diff(old, new, lambda _: "outranked"))
    folded = fold(sending + events)
    assert [one.product.product_id for one in folded] == ranking(new)
    assert {one.product.product_id: one for one in folded} == new
    unchanged = [key for key in old.keys() & new.keys() if old[key] == new[key]]
    assert len(events) == len(old.keys() | new.keys()) - len(unchanged)


def test_a_product_that_turns_out_to_be_another_is_retracted_as_merged():
    """The id is that of the smallest listing, so an earlier vendor takes the product over."""
    now = board("snowboard")
    now.place(Batch("z", [listing("z", "1", "Burton Ripcord Snowboard", gtin="4006381333931")]), Tier.SOURCE, stale=False)
    (first,) = now.advance()
    now.place(Batch("a", [listing("a", "1", "Burton Ripcord Snowboard", gtin="4006381333931")]), Tier.SOURCE, stale=False)
    retract, upsert = now.advance()
    assert retract.retract.product_id == first.upsert.product.product_id
    assert retract.retract.reason == "merged"
    assert {offer.vendor for offer in upsert.upsert.product.offers} == {"a", "z"}


def test_what_is_beyond_the_limit_is_outranked_and_what_knowledge_excludes_is_filtered():
    """Each retract says why."""
    now = board("expert snowboard", limit=1)
    weak = listing("a", "1", "Nitro Prime Snowboard", tags=("expert",), availability=Availability.OUT_OF_STOCK)
    now.place(Batch("a", [weak]), Tier.SOURCE, stale=False)
    now.advance()
    strong = listing("b", "1", "Jones Flagship Snowboard", category="Snowboards", gtin="4006381333931")
    now.place(Batch("b", [strong]), Tier.SOURCE, stale=False)
    assert [event.retract.reason for event in now.advance() if event.HasField("retract")] == ["outranked"]
    heavy = listing("b", "1", "Jones Flagship Snowboard", attributes={"skill level": "Beginner"})
    now.learn([Knowledge.of("b", "1", heavy, [], 1.0)])
    events = now.advance()
    assert [event.retract.reason for event in events if event.HasField("retract")] == ["filtered"]
    assert now.matched == 1


def test_product_ids_do_not_depend_on_who_came_first():
    """All orders of four vendors give one id."""
    shops = [Batch(name, [listing(name, "1", "Burton Ripcord Snowboard", gtin="4006381333931")]) for name in "abcd"]
    seen = set()
    for order in itertools.permutations(shops):
        now = board("snowboard")
        for batch in order:
            now.place(batch, Tier.SOURCE, stale=False)
            now.advance()
        seen.add(tuple(now.ranking()))
    assert len(seen) == 1


def test_ratings_are_weighed_and_unrated_stays_unrated():
    """The mean over vendors by their counts; zero ratings are none; the heavy and light reading of one listing count once."""
    now = board("snowboard")
    now.place(
        Batch("a", [listing("a", "1", "Ripcord Snowboard", gtin="4006381333931", rating=5.0, rating_count=1)]),
        Tier.SOURCE,
        stale=False,
    )
    now.place(Batch("b", [listing("b", "1", "Ripcord Snowboard", gtin="4006381333931", rating=4.0, rating_count=3),
                          listing("b", "2", "Other Snowboard", rating=0.0, rating_count=0)]), Tier.SOURCE, stale=False)  # fmt: skip
    now.learn([Knowledge.of("b", "1", listing("b", "1", "Ripcord", rating=4.0, rating_count=3), [], 1.0)])
    now.advance()
    products = {shown.product.name: shown.product for shown in now.state.values()}
    assert products["Ripcord"].rating.value == pytest.approx(4.25)
    assert products["Ripcord"].rating.count == 4
    assert not products["Other Snowboard"].HasField("rating")


def test_a_user_ranks_what_suits_them_first():
    """Skill, budget, brand and terrain of the context; what a product does not state neither helps nor hurts."""
    shelf = Batch("a", [
        listing("a", "1", "Jones Snowboard", brand="Jones", price=usd(900), tags=("expert", "powder")),
        listing("a", "2", "Burton Snowboard", brand="Burton", price=usd(350), tags=("beginner", "park")),
        listing("a", "3", "Plain Snowboard", price=None, availability=Availability.UNKNOWN),
    ])  # fmt: skip
    beginner = query_pb2.UserContext(skill_level=1, brands=["burton"], terrain=["park"])
    beginner.budget.currency_code, beginner.budget.micros = "USD", 400_000_000
    expert = query_pb2.UserContext(skill_level=4, brands=["jones"], terrain=["nieve polvo"])
    for user, first in ((beginner, "Burton Snowboard"), (expert, "Jones Snowboard")):
        now = board("snowboard", user=user)
        now.place(shelf, Tier.SOURCE, stale=False)
        now.advance()
        assert now.state[now.ranking()[0]].product.name == first
        plain = next(shown for shown in now.state.values() if shown.product.name == "Plain Snowboard")
        assert {part.feature for part in plain.rank.contributions if not part.missing} == {"relevance"}


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "Snowboard \ud800"},
        {"attributes": {"a\udfff": "b"}},
        {"price": Money("USD", 2**70)},
        {"price": Money("USD", -5)},
        {"list_price": Money("USD", 2**63)},
        {"rating": float("nan"), "rating_count": 3},
        {"rating": 4.0, "rating_count": 2**40},
        {"rating": 6.0, "rating_count": -4},
        {"year": 10**9},
        {"attributes": {"Skill level": "beginner " * 5000, "a" * 3000: "b"}},
        {"name": "x" * 100_000},
        {"name": "\u202eSnowboard\x00 ٣ 🎿"},
    ],
)
def test_one_hostile_listing_does_not_spoil_the_others(fields: dict[str, object]):
    """What the contract cannot carry is left out; the rest of the vendor's listings are shown."""
    hostile = listing("a", "1", "Nitro Prime Snowboard")
    hostile = Listing(**{**{name: getattr(hostile, name) for name in Listing.__dataclass_fields__}, **fields})
    now = board("snowboard")
    now.place(Batch("a", [hostile, listing("a", "2", "Jones Flagship Snowboard")]), Tier.SOURCE, stale=False)
    events = now.advance()
    assert "Jones Flagship Snowboard" in {shown.product.name for shown in fold(events)}
    for shown in fold(events):
        assert shown.product.SerializeToString()
        assert not shown.product.HasField("rating") or 0 <= shown.product.rating.value <= 5


@pytest.mark.parametrize(
    ("text", "valid"),
    [("4006381333931", True), ("73513537", True), ("036000291452", True), ("4006381333930", False), ("0" * 13, False),
     ("abc", False), ("", False), ("٤٠٠٦٣٨١٣٣٣٩٣١", False)],
)  # fmt: skip
def test_check_digits(text: str, valid: bool):
    """Only a GTIN with a valid check digit is shown."""
    assert bool(valid_gtin(text)) is valid
