"""Texts in English and Spanish become terms and filters."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.agents.gear.request.numbers import parse_number
from hexar.agents.gear.request.understanding import Brands, stated_levels, stated_terrain, understand
from hexar.v1 import common_pb2, query_pb2

BRANDS = Brands()
BRANDS.learn(["Aurora Peaks", "Ride"])


def read(text: str, **given_filters: object):
    return understand(text, query_pb2.Filters(**given_filters), BRANDS)


def price(filters: query_pb2.Filters, field: str) -> tuple[float, str] | None:
    if not filters.HasField(field):
        return None
    money = getattr(filters, field)
    return money.micros / 1e6, money.currency_code


@pytest.mark.parametrize(
    ("text", "terms", "low", "high"),
    [
        ("beginner snowboard under $400", "snowboard", None, (400, "USD")),
        ("tabla de snowboard menos de 400 €", "tabla de snowboard", None, (400, "EUR")),
        ("boots between 200 and 300 dollars", "boots", (200, "USD"), (300, "USD")),
        ("botas entre 200 y 300 euros", "botas", (200, "EUR"), (300, "EUR")),
        ("botas de 200 a 300€", "botas", (200, "EUR"), (300, "EUR")),
        ("gloves $20-$50", "gloves", (20, "USD"), (50, "USD")),
        ("gloves $50 - 20", "gloves", (20, "USD"), (50, "USD")),
        ("snowboard 400€", "snowboard", None, (400, "EUR")),
        ("jacket less than 1.200,50 €", "jacket", None, (1200.5, "EUR")),
        ("jacket less than €1,200.50", "jacket", None, (1200.5, "EUR")),
        ("jacket under 1.200", "jacket", None, (1200, "")),
        ("chaqueta por menos de 1 200 €", "chaqueta", None, (1200, "EUR")),
        ("chaqueta por menos de 1\u00a0200\u00a0€", "chaqueta", None, (1200, "EUR")),
        ("splitboard up to 1.5k euros", "splitboard", None, (1500, "EUR")),
        ("snowboard no más de 400 euros", "snowboard", None, (400, "EUR")),
        ("snowboard no more than US$ 400", "snowboard", None, (400, "USD")),
        ("snowboard not under £300", "snowboard", (300, "GBP"), None),
        ("snowboard over 300 and under 500 dollars", "snowboard", (300, "USD"), (500, "USD")),
        ("casco más de 50 y menos de 90 euros", "casco", (50, "EUR"), (90, "EUR")),
        ("snowboard around $500", "snowboard", (400, "USD"), (600, "USD")),
        ("snowboard, presupuesto de 350€", "snowboard", None, (350, "EUR")),
        ("boots $250 or less", "boots", None, (250, "USD")),
        ("boots ＄250 max", "boots", None, (250, "USD")),
        ("snowboard 158 for 400 €", "snowboard", None, (400, "EUR")),
        ("under $400", "", None, (400, "USD")),
    ],
)
def test_prices(text: str, terms: str, low: tuple[float, str] | None, high: tuple[float, str] | None):
    """Bounds, ranges, number formats and currencies; the phrase leaves the terms."""
    understood = read(text)
    assert price(understood.filters, "price_min") == low
    assert price(understood.filters, "price_max") == high
    assert understood.terms == terms


@pytest.mark.parametrize(
    "text",
    [
        "tent under 3 kg", "backpack over 40 liters", "mochila de menos de 2 kilos", "snowboard 158", "boots size 42",
        "snowboard 2023-2024", "tent for 4 people", "jacket 20000mm waterproof", "undercover 400", "boots under 30 cm",
        "snowboard from 2024", "skis 5 to 7 years",
    ],
)  # fmt: skip
def test_numbers_that_are_no_prices(text: str):
    """Weights, sizes, years and people set no price; what is no measure and no size stays in the terms."""
    understood = read(text)
    assert not understood.filters.HasField("price_min")
    assert not understood.filters.HasField("price_max")
    read_as = len(understood.filters.measures) + len(understood.filters.sizes)
    assert any(char.isdigit() for char in understood.terms) or read_as == 1


@pytest.mark.parametrize(
    ("text", "level", "terms"),
    [
        ("snowboard for beginners", query_pb2.SKILL_LEVEL_BEGINNER, "snowboard"),
        ("tabla para principiantes", query_pb2.SKILL_LEVEL_BEGINNER, "snowboard"),
        ("Beginner-friendly board", query_pb2.SKILL_LEVEL_BEGINNER, "snowboard"),
        ("esquís de nivel intermedio", query_pb2.SKILL_LEVEL_INTERMEDIATE, "esquís"),
        ("advanced freeride skis", query_pb2.SKILL_LEVEL_ADVANCED, "skis"),
        ("tabla para expertos", query_pb2.SKILL_LEVEL_EXPERT, "snowboard"),
        ("beginner to intermediate skis", query_pb2.SKILL_LEVEL_BEGINNER, "skis"),
        ("skis not for beginners", query_pb2.SKILL_LEVEL_UNSPECIFIED, "skis"),
        ("esquís, no para principiantes", query_pb2.SKILL_LEVEL_UNSPECIFIED, "esquís"),
        ("skis for all levels", query_pb2.SKILL_LEVEL_UNSPECIFIED, "skis"),
        ("expertise", query_pb2.SKILL_LEVEL_UNSPECIFIED, "expertise"),
    ],
)
def test_levels(text: str, level: int, terms: str):
    """Words of a level, bounded by words; a negated one sets nothing."""
    understood = read(text)
    assert understood.filters.skill_level == level
    assert understood.terms == terms


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("boots in stock", True), ("botas en stock", True), ("botas disponibles", True), ("boots available now", True),
        ("boots out of stock", False), ("boots not in stock", False), ("botas no disponibles", False),
        ("unavailable boots", False), ("stocking", False),
    ],
)  # fmt: skip
def test_stock(text: str, wanted: bool):
    """What can be delivered now, and not its negation."""
    assert read(text).filters.in_stock is wanted


@pytest.mark.parametrize(
    ("text", "terrain"),
    [
        ("powder snowboard", ["powder"]), ("tabla para nieve polvo", ["powder"]), ("all-mountain board", ["all-mountain"]),
        ("freestyle or backcountry", ["park", "backcountry"]), ("parka", []), ("parking", []), ("pistachio", []),
    ],
)  # fmt: skip
def test_terrain(text: str, terrain: list[str]):
    """Terrains by their names in the table, bounded by words."""
    assert list(read(text).filters.terrain) == terrain


@pytest.mark.parametrize(
    ("text", "brands", "terms"),
    [
        ("snowboard from Burton", ["Burton"], "snowboard"),
        ("BURTON snowboard", ["Burton"], "snowboard"),
        ("mochila de Osprey", ["Osprey"], "mochila"),
        ("jacket by the north face", ["The North Face"], "jacket"),
        ("aurora peaks bindings", ["Aurora Peaks"], "bindings"),
        ("snowboard by ride", ["Ride"], "snowboard"),
        ("snowboard to ride", [], "snowboard to ride"),
        ("casco marca Foobar", ["Foobar"], "casco"),
        ("bindings compatible with Burton", [], "bindings compatible with burton"),
        ("made by hand", [], "made by hand"),
    ],
)
def test_brands(text: str, brands: list[str], terms: str):
    """Known brands, in any case; an everyday word only where the text says that it is a brand."""
    understood = read(text)
    assert list(understood.filters.brands) == brands
    assert understood.terms == terms


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("beginner snowboard under $400", "en"), ("tabla de snowboard para principiantes", "es"), ("snowboard", "und"),
        ("¿Tienen cascos?", "es"), ("what is the best jacket", "en"), ("quiero una mochila", "es"), ("Burton", "und"),
    ],
)  # fmt: skip
def test_languages(text: str, language: str):
    """English, Spanish, or not determined."""
    assert read(text).language == language


def test_a_field_wins_over_the_text():
    """Field by field: what the request sets stays, the phrase still leaves the terms and is not among the phrases."""
    understood = read(
        "beginner snowboard from Burton under $400 for powder",
        price_max=common_pb2.Money(currency_code="USD", micros=250_000_000),
        skill_level=query_pb2.SKILL_LEVEL_EXPERT,
        brands=["Jones"],
        terrain=["park"],
    )
    assert price(understood.filters, "price_max") == (250, "USD")
    assert understood.filters.skill_level == query_pb2.SKILL_LEVEL_EXPERT
    assert list(understood.filters.brands) == ["Jones"]
    assert list(understood.filters.terrain) == ["park"]
    assert understood.terms == "snowboard"
    assert understood.phrases == ()


def test_a_text_bound_that_contradicts_a_given_one_is_dropped():
    """ "over 500" beside a given maximum of 300 would leave nothing."""
    maximum = common_pb2.Money(currency_code="USD", micros=300_000_000)
    assert not read("snowboard over $500", price_max=maximum).filters.HasField("price_min")
    assert price(read("snowboard over $100", price_max=maximum).filters, "price_min") == (100, "USD")


def test_phrases_are_as_they_were_written():
    """In the order of the text, with their case and spaces."""
    assert read("Snowboard For Beginners,  under  $400, In Stock").phrases == ("For Beginners", "under  $400", "In Stock")


@given(st.text(max_size=200))
def test_any_text_is_read(text: str):
    """No text raises; what became a filter is a part of the text; no bound is negative."""
    understood = read(text)
    assert all(phrase in text for phrase in understood.phrases)
    for field in ("price_min", "price_max"):
        bound = price(understood.filters, field)
        assert bound is None or bound[0] >= 0


@given(st.integers(0, 999_999), st.integers(0, 99), st.sampled_from([(".", ","), (",", "."), (" ", ","), ("'", ".")]))
def test_numbers_of_any_format_are_read(whole: int, cents: int, marks: tuple[str, str]):
    """Thousands and decimal marks of either habit give the same number."""
    thousands, decimal = marks
    written = f"{whole:,}".replace(",", thousands) + f"{decimal}{cents:02d}"
    assert parse_number(written) == pytest.approx(whole + cents / 100)


@pytest.mark.parametrize(
    "unit",
    ["1", "1,111", "$", "under ", "between 1 ", "no ", "1 1 ", "de 1 a 1 ", "max $1 ", "burton ", "from brand x ", "\ufdfa", "ñ",
     "for beginners ", "\u202e", "1.111.111 ", "not not ", "menos de "],
)  # fmt: skip
def test_hostile_texts_are_read_in_time(unit: str):
    """A thousand characters made to backtrack or to unfold cost milliseconds, and no terms longer than the text."""
    text = (unit * 1000)[:1000]
    understood = read(text)
    times = []
    for _ in range(3):
        began = time.process_time()
        read(text)
        times.append(time.process_time() - began)
    assert min(times) < 0.05
    assert len(understood.terms) <= len(text)


@pytest.mark.parametrize(
    ("text", "levels"),
    [("Beginner", (1,)), ("Beginner - Advanced", (1, 2, 3)), ("Intermediate to Expert", (2, 3, 4)), ("All levels", (1, 2, 3, 4)),
     ("principiante", (1,)), ("Not for beginners", ()), ("Blue", ())],
)  # fmt: skip
def test_levels_of_specifications(text: str, levels: tuple[int, ...]):
    """A range states all levels between its ends."""
    assert stated_levels(text) == levels


def test_terrain_of_specifications():
    """All terrains that a specification names."""
    assert stated_terrain("Powder / All-Mountain") == ("powder", "all-mountain")


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("boots in sizes 40-42", ["40", "40.5", "41", "41.5", "42"]),
        ("trail shoes 38 to 40", ["38", "38.5", "39", "39.5", "40"]),
        ("zapatillas tallas 44 a 45", ["44", "44.5", "45"]),
        ("boots EU 43-44", ["eu 43", "eu 43.5", "eu 44"]),
        ("jackets in sizes S-L", ["S", "M", "L"]),
        ("fleece xs to m", ["XS", "S", "M"]),
        ("skis 165-167 cm", ["165", "166", "167"]),
        ("shoes 38 to 44 euros", []),
        ("tent for 2-4 people", []),
        ("snowboard 2023-2024", []),
        ("boots 44-38", []),
        ("backpack 30-40 l", []),
    ],
)
def test_ranges_of_sizes(text: str, sizes: list[str]):
    """Every size of a range will do; other ranges are no sizes."""
    assert list(read(text).filters.sizes) == sizes


def test_a_word_is_read_by_its_sound_only_where_it_is_spanish():
    """ "Kasko" is "casco"; English words that sound like a Spanish one stay what they are."""
    for text, head in (("kasko", "helmet"), ("chaketa azul", "jacket"), ("votas", "boot")):
        assert understand(text, query_pb2.Filters(), Brands()).things == ((head,) if head else ()), text
    for text in ("quite good", "shock cord", "korea"):
        assert not understand(text, query_pb2.Filters(), Brands()).corrections, text
