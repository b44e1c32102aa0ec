"""Shop titles: what sets products apart, what is only another way of saying it, and what a catalogue teaches."""

from typing import Any

import pytest

from hexar.core.merge import DEFAULT_THRESHOLD, cluster, same_product
from tests.core.merge.shop_titles import pairs

#: what one title says and the other does not, where a person sees two products
APART = [
    ("a model's variant", "Kestra Vale Snowboard", "Kestra Vale Pro Snowboard"),
    ("a letter", "Kestra Vale 2026", "Kestra Vale X 2026"),
    ("a name of two words", "Kestra Vale Camber Board", "Kestra Vale Flying W Board"),
    ("a membrane", "Torvo Ridge GTX Hiking Shoes", "Torvo Ridge Hiking Shoes"),
    ("the cut of a shoe", "Torvo Ridge Shoes", "Torvo Ridge Mid Shoes"),
    ("shoe and boot", "Torvo Ridge Hiking Shoes", "Torvo Ridge Hiking Boots"),
    ("a garment", "Nimo Drift Jacket", "Nimo Drift Vest"),
    ("a garment, in two languages", "Nimo Drift Jacke", "Nimo Drift gilet"),
    ("the sign of a temperature", "Nimo Burrow -7 Sleeping Bag", "Nimo Burrow 7 Sleeping Bag"),
    ("a volume", "Nimo Trek 45 Pack", "Nimo Trek 60 Pack"),
    ("persons", "Nimo Dome 2-Person Tent", "Nimo Dome 3 Personen Zelt"),
    ("a capacity", "Vanta Store 2TB SSD", "Vanta Store 1TB SSD"),
    ("a kit", "Vanta Beam 32GB (2x16GB)", "Vanta Beam 32GB (1x32GB)"),
    ("a count", "Vanta Cells AA 4-Pack", "Vanta Cells AA 8-Pack"),
    ("a count on one side", "Vanta Cells AA", "Vanta Cells AA, 3 Stück"),
    ("women", "Torvo Swift 3 Running Shoes Men's", "Torvo Swift 3 Laufschuhe Damen"),
    ("children", "Torvo Swift 3 Running Shoes", "Torvo Swift 3 zapatillas niños"),
    ("a version", "Torvo Swift 3", "Torvo Swift 4"),
    ("a number on one side", "Torvo Swift", "Torvo Swift 4"),
    ("a colour within the name", "Vanta Storm 5080 White OC Card", "Vanta Storm 5080 OC Card"),
    ("two colours", "Vanta Storm Lüfter schwarz", "Vanta Storm ventilador blanco"),
    ("a strap for it", "Vanta Pulse Watch", "Strap for Vanta Pulse Watch"),
    ("a battery for it, in German", "Vanta Pulse Bohrer", "Ersatzakku für Vanta Pulse Bohrer"),
    ("a cover", "Nimo Dome Tent", "Nimo Dome Tent Footprint"),
    ("a lens, in Spanish", "Nimo Clear gafas de esquí", "Lente de repuesto Nimo Clear"),
    ("a season", "Kestra Vale 2025", "Kestra Vale 2025/26"),
    ("a form factor", "Vanta Store 128GB SDXC", "Vanta Store 128GB microSDXC"),
    ("a side", "Faro izquierdo Kestra", "Faro derecho Kestra"),
    ("a bundle", "Vanta Drone 3", "Vanta Drone 3 Combo"),
    ("a letter behind a number", "Vanta Spot 400 Headlamp", "Vanta Spot 400-R Headlamp"),
    ("other last letters of a code", "Vanta DHP486Z", "Vanta DHP486RTJ"),
    ("a shape, in two languages", "Nimo Glow Round Pan 24 cm", "Nimo Glow poêle ovale 24 cm"),
    ("pieces", "Nimo Castle Puzzle 1000 pieces", "Nimo Castle Puzzle 500 Teile"),
    ("a capacity under one code", "Vanta Store SN850X 1TB", "Vanta Store SN850X 2TB"),
    ("made for one system", "Vanta Pulse Mouse", "Vanta Pulse for Mac Mouse"),
    ("an edition for one system", "Vanta Pulse Keyboard", "Vanta Pulse Mac Edition Keyboard"),
    ("the version of a system that is the product", "Vanta Windows 7 Home", "Vanta Windows 10 Home"),
    ("two letters of a cut", "Nimo Trek 45 Backpack", "Nimo Trek 45 SL Backpack"),
    ("a letter behind a short code", "Vanta SM58 Microphone", "Vanta SM58S Microphone"),
    ("colours as last letters beside an equal code", "Vanta FX-820 Player FX820R", "Vanta FX-820 Player FX820P"),
    ("goods of one series", "Vanta M8100 Rear Derailleur 12-speed", "Vanta M8100 Cassette 12-speed"),
    ("concentrations of a perfume", "Nimo Dusk Eau de Toilette 100 ml", "Nimo Dusk Eau de Parfum 100 ml"),
    ("cream and lotion", "Nimo Calm Cream 340 g", "Nimo Calm Lotion 236 ml"),
    ("a low shoe", "Torvo Ridge Hiker 2.0", "Torvo Ridge Hiker 2.0 Low"),
    ("two and one", "Vanta PG-40 Ink", "Vanta PG-40 Twin Pack Ink"),
    ("another number of one maker", "Vanta KX-4100 Headphones", "Vanta KX-4200 Headphones"),
]
#: other ways of saying one thing
SAME = [
    ("a season", "Kestra Vale Snowboard 2026", "Kestra Vale Snowboard 25/26"),
    ("a short year", "Kestra Vale 2026", "Kestra Vale '26"),
    ("a season on one side", "Kestra Vale Snowboard", "Kestra Vale Snowboard 2025-2026"),
    ("the kind in another language", "Kestra Vale Snowboard", "Tabla de snowboard Kestra Vale"),
    ("a wider kind", "Kestra Vale Snowboard", "Kestra Vale All-Mountain Board"),
    ("no kind", "Torvo Swift 3 Running Shoes", "Torvo Swift 3"),
    ("a German compound", "Torvo Ridge Herren Wanderschuhe", "Torvo Ridge Men's Hiking Shoes"),
    ("a compound that no list has", "Nimo Drift Hardshelljacke", "Nimo Drift Jacket"),
    ("gender", "Nimo Trek 22 mochila hombre", "Nimo Trek 22 Men's Backpack"),
    ("men on one side", "Nimo Drift Jacket", "Nimo Men's Drift Jacket"),
    ("a membrane's name", "Torvo Ridge GTX", "Torvo Ridge GORE-TEX"),
    ("a unit", "Nimo Trek 45 Pack", "Nimo Trek 45L Backpack"),
    ("a unit's multiple", "Vanta Store 8TB Drive", "Vanta Store 8000 GB disco duro"),
    ("inches", 'Vanta View 27" monitor', "Vanta View 27-inch Bildschirm"),
    ("a fluid ounce", "Nimo Flow 32 oz Bottle", "Nimo Flow 946 ml borraccia"),
    ("degrees", "Nimo Burrow -7 Sleeping Bag", "Schlafsack Nimo Burrow -7 °C"),
    ("a count", "Vanta Cells AA 4-Pack", "Vanta Cells AA x4"),
    ("a kit", "Vanta Beam 32GB (2x16GB)", "Vanta Beam 32 GB kit of 2"),
    ("glued words", "Kestra Warpig Board", "Kestra War Pig Board"),
    ("a glued number", "Vanta Hero12", "Vanta Hero 12"),
    ("half of a name that is a description elsewhere", "Vanta PocketRocket 2 Stove", "Vanta Pocket Rocket 2 réchaud"),
    ("pieces", "Nimo Puzzle 1000 pieces Castle", "Nimo Castle puzzle 1000 Teile"),
    ("dots", "Kestra D.O.A. Board", "Kestra DOA Board"),
    ("junior", "Kestra Vale Jr", "Kestra Vale Junior - Kids'"),
    ("marketing", "Vanta Pulse Headlamp", "NEW Vanta Pulse rechargeable lightweight headlamp"),
    ("a code on one side", "Vanta Pulse 8 Headphones", "Vanta Pulse 8 Headphones VP8812BK"),
    ("a code in long", "Vanta M6100 Derailleur", "Vanta RD-M6100-SGS rear mech"),
    ("the market of a code", "Vanta Brush HX9911/09", "Vanta Brush HX9911"),
    ("versions of the system that it runs on", "Vanta Studio Deluxe", "Vanta Studio Deluxe (Win 98 ME 2000 XP)"),
    ("thousands with a point", "Vanta Pulse 737 Power Bank 24000mAh", "Vanta Pulse 737 Powerbank 24.000 mAh"),
    ("the usual system", "Vanta Studio 7", "Vanta Studio 7 for Windows 10 or later"),
    ("a bracket behind a number", "Vanta Guard 6.0", "Vanta Guard 6.0 (PC)"),
    ("trade marks", "Vanta® Pulse™ Headlamp", "Vanta (R) Pulse (TM) Headlamp"),
    ("initials glued to a number", "Vanta GP5000 tyre", "Vanta Grand Prix 5000 tyre"),
    ("a code with dots", "Vanta Bean S Coffee Machine", "Vanta Bean S ECAM22.110.B Kaffeevollautomat"),
    ("a class with a plus", "Nimo Shade Fluid SPF50+ 50 ml", "Nimo Shade fluido SPF 50+ 50ml"),
    ("a size of one letter", "Nimo Camp Duffel M", "Nimo Camp Duffel Medium"),
    ("a count and the word for it", "Vanta Beam X50 3-Pack", "Vanta Beam X50 Set 3er Pack"),
    ("a version's letter", "Vanta Studio 1.5", "Vanta Studio v. 1.5"),
    ("an article that is a noun in French", "The Fell Moor Jacket", "Fell Moor Jacket"),
    ("a wider kind in German", "Torvo Ridge Mid Wanderschuhe", "Torvo Ridge Mid Hiking Boots"),
    ("an abbreviation of a perfume", "Nimo Dusk Eau de Parfum 100 ml", "Nimo Dusk EDP 100ml"),
    ("a colour in another language", "Vanta Storm Fan black", "Vanta Storm ventilateur noir"),
]


def probability(left: str, right: str) -> float:
    """Of two titles of one brand, as two shops list them."""
    brand = ["Kestra", "Vanta", "Nimo", "Torvo"]
    of = next((name for name in brand if name in left), "")
    return same_product({"name": left, "brand": of}, {"name": right, "brand": of})


@pytest.mark.parametrize(("left", "right"), [pair[1:] for pair in APART], ids=[pair[0] for pair in APART])
def test_siblings_stay_apart(left: str, right: str) -> None:
    """What one title alone says and tells siblings apart outweighs all that both share."""
    assert probability(left, right) < DEFAULT_THRESHOLD


@pytest.mark.parametrize(("left", "right"), [pair[1:] for pair in SAME], ids=[pair[0] for pair in SAME])
def test_another_way_of_saying_it_is_no_difference(left: str, right: str) -> None:
    """Season, language, unit, spelling and marketing do not make another product."""
    assert probability(left, right) >= DEFAULT_THRESHOLD


@pytest.mark.parametrize("brand", [("Smith", "Smith Optics"), ("Black Dune", "BD"), ("Go Trail", "GoTrail")])
def test_a_brand_in_short_or_in_long_is_one_brand(brand: tuple[str, str]) -> None:
    """A brand's second word, its initials and its glued form name the same maker."""
    left, right = brand
    assert (
        same_product({"name": f"{left} Ember 7", "brand": left}, {"name": f"{right} Ember 7", "brand": right})
        >= DEFAULT_THRESHOLD
    )


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Kestra Vale Fell 574 Sneaker", "KVF 574 Sneaker"),
        ("Tarn & Fell Camalot 2", "TF Camalot 2"),
        ("De'Lorva Magna S Coffee Machine", "DeLorva Magna S Coffee Machine"),
        ("Fell to Summit Spark Tent", "FellToSummit Spark Tent"),
    ],
)
def test_a_brand_that_no_field_names(left: str, right: str) -> None:
    """Initials that lead a title, and a brand that is written as one word, are found in titles alone."""
    assert same_product({"name": left}, {"name": right}) >= DEFAULT_THRESHOLD


def test_prices_far_apart_are_two_packs() -> None:
    """A discount says little; a factor of three tells of another pack, or another thing."""
    left = {"name": "Vanta Cells Lantern", "price": "30.00"}
    assert same_product(left, {"name": "Lantern Vanta Cells", "price": "21.00"}) >= DEFAULT_THRESHOLD
    assert same_product(left, {"name": "Vanta Cells Bright Lantern", "price": "95.00"}) < DEFAULT_THRESHOLD


@pytest.mark.parametrize("held_out", [False, True])
def test_generated_titles_in_five_languages(held_out: bool) -> None:
    """Precision first, on pairs made by rule; the held-out part has other goods and other words for variants."""
    hit = wrong = missed = 0
    for label, left, right, brand, _ in pairs(1500, 11, held_out):
        says = same_product({"name": left, "brand": brand}, {"name": right, "brand": brand}) >= DEFAULT_THRESHOLD
        hit += says and label
        wrong += says and not label
        missed += not says and label
    assert hit / (hit + wrong) >= 0.97
    assert hit / (hit + missed) >= 0.85


def listings(vendor: str, titles: list[str]) -> list[dict[str, Any]]:
    """A vendor's catalogue."""
    return [{"vendor": vendor, "sku": f"{vendor}{i}", "name": title, "brand": "Kestra"} for i, title in enumerate(titles)]


def test_a_catalogue_teaches_which_words_tell_siblings_apart() -> None:
    """A word that reads like a description keeps two products apart where a vendor sells both with and without it."""
    other = listings("b", ["Kestra Vale Backpack"])
    alone = listings("a", ["Kestra Vale Waterproof Backpack"])
    assert cluster(alone + other) == [[0, 1]]
    taught = listings("a", ["Kestra Vale Waterproof Backpack", "Kestra Moor Backpack", "Kestra Moor Waterproof Backpack"])
    taught += listings("c", ["Kestra Fell Backpack", "Kestra Fell Waterproof Backpack"])
    clusters = cluster(taught + other)
    assert [0, 5] not in clusters
    assert [5] in clusters


def test_a_word_behind_a_brand_in_all_its_listings_is_of_the_brand() -> None:
    """A shop that writes a brand in long does so in each title; elsewhere the brand is written in short."""
    names = ["Vale 5 Shoes", "Moor 3 Shoes", "Fell 9 Shoes", "Tarn 2 Shoes"]
    rows = listings("a", [f"Kestra Orma {name}" for name in names])
    assert [0, 4] in cluster(rows + listings("b", ["Kestra Vale 5 Shoes"]))
    assert [0, 3] not in cluster(rows[:3] + listings("b", ["Kestra Vale 5 Shoes"]))


def test_a_word_of_all_listings_tells_nothing() -> None:
    """What a vendor writes into nearly all its titles is no difference."""
    rows = listings(
        "a", [f"Kestra {name} Everlast Board" for name in ["Vale", "Moor", "Fell", "Tarn", "Beck", "Ghyll", "Force", "Scar"]]
    )
    assert [0, 8] in cluster(rows + listings("b", ["Kestra Vale Board"]))


def test_an_equal_gtin_beats_a_year_in_a_title() -> None:
    """Two seasons in the titles do not part what one GTIN names; two years that fields state do."""
    rows = [
        {"vendor": v, "sku": v, "name": f"Kestra Vale {year}", "gtin": "4006381333931"}
        for v, year in (("a", 2025), ("b", 2026))
    ]
    assert cluster(rows) == [[0, 1]]
    assert cluster([{**row, "year": year} for row, year in zip(rows, (2025, 2026), strict=True)]) == [[0], [1]]
