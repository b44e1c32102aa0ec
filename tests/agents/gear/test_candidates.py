"""Which listings a query is about."""

import pytest

from hexar.agents.gear.candidates import Batch, ParsedQuery, relevance
from hexar.agents.gear.request.criteria import Criteria
from hexar.agents.gear.request.spelling import spelled
from hexar.agents.gear.request.words import category_head, fold, head, stem, tokens
from hexar.agents.vendors.model import Availability, Listing, Money, Variant
from hexar.v1 import common_pb2, query_pb2
from tests.agents.gear.conftest import listing, usd


def found(terms: str, *listings: Listing) -> list[str]:
    """The names of the relevant listings, the most relevant first."""
    batches = [
        Batch(vendor, [one for one in listings if one.vendor == vendor]) for vendor in sorted({one.vendor for one in listings})
    ]
    scores = relevance(batches, ParsedQuery.read(spelled(terms, lambda word: False)[0]))
    ranked = sorted(
        (
            (-score, one.name)
            for batch in batches
            for one, score in zip(batch.listings, scores[batch.vendor], strict=True)
            if score
        ),
    )
    return [name for _, name in ranked]


SHOP = (
    listing("a", "1", "Burton Custom Camber", brand="Burton", category="Snowboards"),
    listing("a", "2", "Burton Moto BOA Snowboard Boots", brand="Burton", category="Footwear > Snowboard Boots"),
    listing("a", "3", "Botas de snowboard DC Phase", brand="DC"),
    listing("b", "1", "Jones Mountain Twin Snowboard", brand="Jones"),
    listing("b", "2", "Union Force Binding", brand="Union", category="Snowboard Bindings"),
    listing("b", "3", "Tabla de snow Nitro Prime", brand="Nitro"),
    listing("b", "4", "TrailMaster X4 Tent", category="Tents", description="A tent for four people"),
    listing("b", "5", "Mystery 158"),
)


@pytest.mark.parametrize(
    ("terms", "names"),
    [
        ("snowboard", {"Burton Custom Camber", "Jones Mountain Twin Snowboard", "Tabla de snow Nitro Prime"}),
        ("snowboards", {"Burton Custom Camber", "Jones Mountain Twin Snowboard", "Tabla de snow Nitro Prime"}),
        ("tabla de snowboard", {"Burton Custom Camber", "Jones Mountain Twin Snowboard", "Tabla de snow Nitro Prime"}),
        ("snwoboard", {"Burton Custom Camber", "Jones Mountain Twin Snowboard", "Tabla de snow Nitro Prime"}),
        ("snowboard boots", {"Burton Moto BOA Snowboard Boots", "Botas de snowboard DC Phase"}),
        ("botas", {"Burton Moto BOA Snowboard Boots", "Botas de snowboard DC Phase"}),
        ("fijaciones de snowboard", {"Union Force Binding"}),
        ("tent", {"TrailMaster X4 Tent"}),
        ("tienda de campaña", {"TrailMaster X4 Tent"}),
        ("mystery", {"Mystery 158"}),
        ("burton", {"Burton Custom Camber", "Burton Moto BOA Snowboard Boots"}),
        ("burtn", {"Burton Custom Camber", "Burton Moto BOA Snowboard Boots"}),
        ("surfboard", set()),
        ("quantum chromodynamics", set()),
    ],
)
def test_what_is_wanted(terms: str, names: set[str]):
    """By the thing that is named, in both languages, with typos; other things are not part of the answer."""
    assert set(found(terms, *SHOP)) == names


def test_more_of_what_was_asked_stands_first():
    """Words beside the thing rank its listings, and do not remove the others."""
    assert found("jones snowboard", *SHOP)[0] == "Jones Mountain Twin Snowboard"
    assert len(found("jones snowboard", *SHOP)) == 3


def test_a_sport_beside_the_thing_sets_it_apart():
    """Hiking boots are no snowboard boots; a helmet serves skis and boards; boots that name no sport are kept."""
    shop = [
        listing("a", "1", "Hiking Boots"), listing("a", "2", "Snowboard Boots"), listing("a", "3", "Boots"),
        listing("a", "4", "Ski Helmet"), listing("a", "5", "Bike Helmet"), listing("a", "6", "Ski boots"),
    ]  # fmt: skip
    assert set(found("snowboard boots", *shop)) == {"Snowboard Boots", "Boots"}
    assert set(found("botas de senderismo", *shop)) == {"Hiking Boots", "Boots"}
    assert set(found("snowboard helmet", *shop)) == {"Ski Helmet"}
    assert len(found("boots", *shop)) == 4


def test_numbers_are_never_misspelt():
    """158 is not 159."""
    assert found("thing 159", listing("a", "1", "Other 159 Thing"), listing("a", "2", "Thing 158"))[0] == "Other 159 Thing"


def test_the_order_of_vendors_does_not_matter():
    """The same figures, bit for bit."""
    batches = [Batch(vendor, [one for one in SHOP if one.vendor == vendor]) for vendor in "ab"]
    wanted = ParsedQuery.read("snowboard burton camber")
    forward, backward = relevance(batches, wanted), relevance(batches[::-1], wanted)
    assert all((forward[vendor] == backward[vendor]).all() for vendor in "ab")


def test_a_vendor_that_repeats_a_sku_has_one_listing():
    """The first stays."""
    batch = Batch("a", [listing("a", "1", "First"), listing("a", "1", "Second")])
    assert [one.name for one in batch.listings] == ["First"]


@pytest.mark.parametrize(
    ("text", "thing"),
    [
        ("snowboard boots", "boot"), ("botas de snowboard", "boot"), ("boots for snowboard", "boot"), ("snowboard bag", "bag"),
        ("Saco de dormir Nemo", "sleeping bag"), ("Ski goggles (helmet compatible)", "goggles"), ("Mega Death", ""),
        ("Snowboard, bindings included", "snowboard"), ("chaqueta de esquí", "jacket"), ("Chaussures", ""),
    ],
)  # fmt: skip
def test_the_thing_that_a_text_names(text: str, thing: str):
    """The head noun, in English at the end and in Spanish at the front."""
    assert head(text) == thing


def test_words_are_folded():
    """Case, accents, plurals, widths and invisible characters."""
    assert fold("ＥＳＱＵÍS\u200b Ñu") == "esquis nu"
    assert [stem(word) for word in ("boards", "botas", "glass", "fijaciones", "batteries")] == [
        "board", "bota", "glass", "fijacion", "battery",
    ]  # fmt: skip
    assert [token.text for token in tokens("Tablas de Snowboard")] == ["snowboard"]
    assert category_head("Sports > Winter | Snowboard / Boots") == "boot"


def filters(**fields: object) -> Criteria:
    return Criteria(query_pb2.Filters(**fields))


def money(amount: int, currency: str = "USD") -> common_pb2.Money:
    return common_pb2.Money(currency_code=currency, micros=amount * 1_000_000)


def test_price_and_stock_must_be_of_one_offer():
    """An offer in range that is sold out does not pass with the stock of a dearer one."""
    cheap = listing("a", "1", "x", price=usd(300), availability=Availability.OUT_OF_STOCK)
    dear = listing("b", "1", "x", price=usd(500))
    both = filters(price_max=money(400), in_stock=True)
    assert not both.offers_pass([cheap, dear])
    assert filters(price_max=money(400)).offers_pass([cheap, dear])
    assert filters(in_stock=True).offers_pass([cheap, dear])


def test_prices_of_variants_count():
    """One variant must have the price and the stock."""
    variants = (
        Variant(title="S", price=usd(100), availability=Availability.OUT_OF_STOCK),
        Variant(title="L", price=usd(200), availability=Availability.IN_STOCK),
    )
    offer = listing("a", "1", "x", price=usd(100), variants=variants)
    assert not filters(price_max=money(150), in_stock=True).offers_pass([offer])
    assert filters(price_max=money(150)).offers_pass([offer])
    assert filters(price_max=money(250), in_stock=True).offers_pass([offer])


def test_no_price_and_other_currencies_never_meet_a_price_filter():
    """A filter without a currency compares amounts."""
    unpriced = listing("a", "1", "x", price=None)
    euro = listing("a", "1", "x", price=Money("EUR", 100_000_000))
    assert not filters(price_max=money(400)).offers_pass([unpriced, euro])
    assert filters(price_max=money(400, "")).offers_pass([euro])
    assert not filters(price_min=money(200, "")).offers_pass([euro])


def test_brands_categories_levels_and_terrain():
    """What is not stated passes where the contract says so, and the name speaks for a missing brand or category."""
    assert filters(brands=["north face"]).brand_passes(("the", "north", "face")[1:], "")
    assert filters(brands=["Burton"]).brand_passes(("burton", "snowboards"), "")
    assert filters(brands=["Burton"]).brand_passes((), "Burton Custom")
    assert not filters(brands=["Burton"]).brand_passes((), "Custom")
    assert not filters(brands=["Burton"]).brand_passes(("jones",), "Burton killer")
    assert filters(categories=["Snowboard"]).category_passes("Snowboards", "x")
    assert filters(categories=["tablas de snowboard"]).category_passes("Snowboards", "x")
    assert not filters(categories=["snowboard"]).category_passes("Snowboard Boots", "x")
    assert filters(categories=["snowboard boots"]).category_passes("Boots", "x")
    assert not filters(categories=["snowboard boots"]).category_passes("Hiking Boots", "x")
    assert filters(categories=["boots"]).category_passes("", "Hiking boots Lowa")
    assert not filters(categories=["boots"]).category_passes("", "Mystery")
    assert filters(skill_level=1).level_passes(())
    assert not filters(skill_level=1).level_passes((3, 4))
    assert filters(terrain=["nieve polvo"]).terrain_passes(("powder",))
    assert filters(terrain=["powder"]).terrain_passes(())
    assert not filters(terrain=["powder"]).terrain_passes(("park",))
