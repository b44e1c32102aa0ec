"""Whether two listings are one product, and which of many belong together."""

import gzip
import itertools
import json
import math
import random
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.core.merge import DEFAULT_THRESHOLD, Prepared, cluster, same_product
from tests.core.merge import oracle_matching

WORDS = [
    "sony",
    "black",
    "cyber-shot",
    "dsc-h50",
    "dsch50b",
    "dsc",
    "h50",
    "camera",
    "9.1",
    "megapixel",
    "2.7'",
    '2.7"',
    "16:9",
    "print",
    "shop",
    "printshop",
    "deluxe",
    "v3",
    "v",
    "3.0",
    "v2",
    ".0",
    "2006",
    "2007",
    "win",
    "98",
    "me",
    "2000",
    "xp",
    "mac",
    "upgrade",
    "full",
    "left",
    "right",
    "front",
    "2-pack",
    "4",
    "gb",
    "4gb",
    "8",
    "GB",
    "1,299.00",
    "Ünïcode",
    "ﬁt",
    "iii",
    "profesional",
    "professional",
    "kca-ip300v",
    "kcaip300v",
    "1080p",
    "12345",
    "966193-0403",
    "a-b-c",
    "x/y",
    "100ml",
    "'",
    '"',
    "-",
    ".",
    ",",
    "…",
    "-10",
    "°C",
    "2x16gb",
    "ddr5-6000",
    "ddr5",
    "(2",
    "x",
    "16GB)",
    "hero12",
    "hero",
    "12",
    "D.O.A.",
    "doa",
    "2025/26",
    "'26",
    "25/26",
    "2026",
    "men's",
    "Damenjacke",
    "Bergstiefel",
    "Ersatzakku",
    "jacket",
    "mochila",
    "pack",
    "65",
    "65L",
    "3-pack",
    "pack of 3",
    "x4",
    "4x",
    "3er",
    "strap for",
    "S24+",
    "700x35C",
    "hx9911/09",
    "12 oz",
    "355 ml",
    "50 °F",
    "10 °C",
    "800 W",
    "Custom",
    "X",
    "schwarz",
    "white",
    "waterproof",
    "1/4-zip",
    "for Mac",
    "24.000 mAh",
    "24000mAh",
    "SN850X 1TB",
    "SN850X 2 TB",
    "mac edition",
    "(win 98 me 2000)",
    "6.0 (pc)",
    "GP5000",
    "Grand Prix 5000",
    "TNF",
    "The North Face",
    "sm58",
    "sm58s",
    "M8100",
    "derailleur",
    "fx820r",
    "fx820p",
    "fx820",
    "ECAM22.110.B",
    "SPF50+",
    "medium",
    "M",
    "v. 3",
    "(R)",
    "Pulse™",
    "cassette set",
    "🎿",
    "\x00",
    "\ud800",
]
TEXT = st.one_of(
    st.lists(st.sampled_from(WORDS), max_size=10).map(" ".join),
    st.text("abxyzABC0123459 .,-/_'\"éßİﬁ٣漢\u0301\u202e\0\ud800", max_size=20),
)
NAMES = [
    "title",
    "name",
    "brand",
    "manufacturer",
    "model",
    "mpn",
    "gtin",
    "upc",
    "sku",
    "price",
    "description",
    "category",
    "year",
    "size",
    "color",
    "vendor",
    "currency",
    "material",
    "unknown",
]
GTINS = st.sampled_from(["4006381333931", "036000291452", "00036000291452", "1234567890123", "2012345678903", "96385074", "0"])
ROW = st.dictionaries(
    st.sampled_from(NAMES), st.one_of(TEXT, GTINS, st.sampled_from(["M", "medium", "2021", "154 cm"])), max_size=7
)


@given(left=ROW, right=ROW)
def test_the_kernel_equals_the_oracle(left: dict[str, str], right: dict[str, str]) -> None:
    """The compiled score is the plain one."""
    assert same_product(left, right) == pytest.approx(oracle_matching.same_product(left, right), abs=1e-9)


@given(left=ROW, right=ROW)
def test_the_score_is_symmetric_and_within_bounds(left: dict[str, str], right: dict[str, str]) -> None:
    """Left and right may change places, to the last bit, and no input leads out of 0..1."""
    value = same_product(left, right)
    assert value == same_product(right, left)
    assert 0.0 <= value <= 1.0


@given(row=ROW)
def test_equal_rows_score_one(row: dict[str, str]) -> None:
    """A listing is the same as itself, unless it says nothing at all."""
    assert same_product(row, dict(row)) == (1.0 if any(value.strip() for value in row.values()) else 0.0)


@given(left=ROW, right=ROW, name=st.sampled_from(NAMES))
def test_a_missing_value_is_neutral(left: dict[str, str], right: dict[str, str], name: str) -> None:
    """An empty value is as good as none."""
    left.pop(name, None)
    assert same_product({**left, name: ""}, right) == same_product(left, right)


SAME = [
    ({"title": "Technics SL-1200 MK2 turntable"}, {"title": "technics sl1200mk2 direct drive turntable"}),
    ({"title": "Broderbund Print Shop 21 Deluxe"}, {"title": "PrintShop deluxe 21"}),
    ({"title": "Nordica Enforcer 94 ski", "brand": "Nordica"}, {"title": "Enforcer 94", "brand": "NORDICA"}),
    ({"name": "Café Crème maker KX-200"}, {"name": "cafe creme maker KX200"}),
    ({"gtin": "4006381333931", "title": "Pen"}, {"ean": "04006381333931", "title": "Stabilo point 88"}),
    (
        {"brand": "Acme", "model": "RT-90", "year": "2021", "size": "Medium"},
        {"brand": "ACME", "model": "rt 90", "year": 2021, "size": "M"},
    ),
]
DIFFERENT = [
    ({"title": "Photo Editor 3 upgrade"}, {"title": "Photo Editor 3 full version"}),
    ({"title": "Chess Master v3"}, {"title": "Chess Master v4"}),
    ({"title": "Town Builder 2006"}, {"title": "Town Builder 2007"}),
    ({"title": "Northwind headlight left", "brand": "Northwind"}, {"title": "Northwind headlight right", "brand": "Northwind"}),
    ({"title": "Kodiak DX-200 camera"}, {"title": "Kodiak DX-300 camera"}),
    ({"title": "USB stick Swift 4 GB"}, {"title": "USB stick Swift 8 GB", "price": "90", "brand": "x"}),
    ({"title": "Stabilo pen", "gtin": "4006381333931"}, {"title": "Stabilo pen", "gtin": "036000291452"}),
    ({"title": "Custom board", "year": "2021"}, {"title": "Custom board", "year": "2022"}),
    ({"title": "Custom board", "size": "154"}, {"title": "Custom board", "size": "158"}),
    ({"price": "10"}, {"price": "10.00"}),
    ({"title": "…"}, {"title": "!!"}),
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_the_same_product(left: dict[str, Any], right: dict[str, Any]) -> None:
    """Spelling, order, glued codes, accents and sizes by another name do not hide that it is one product."""
    assert same_product(left, right) >= DEFAULT_THRESHOLD


@pytest.mark.parametrize(("left", "right"), DIFFERENT)
def test_different_products(left: dict[str, Any], right: dict[str, Any]) -> None:
    """One differing number, side, code, licence or GTIN outweighs any likeness."""
    assert same_product(left, right) < DEFAULT_THRESHOLD


def test_a_wrong_or_private_gtin_says_nothing() -> None:
    """A bad check digit and a number that shops assign themselves neither unite nor divide."""
    for gtin in ("4006381333930", "2012345678903", "000000000000", "12"):
        assert same_product({"title": "pen", "gtin": gtin}, {"title": "lamp shade", "gtin": gtin}) < DEFAULT_THRESHOLD
        with_it = same_product({"title": "red pen", "gtin": gtin}, {"title": "blue pen", "gtin": "4006381333931"})
        assert with_it == same_product({"title": "red pen"}, {"title": "blue pen"})


def test_only_mappings_are_listings() -> None:
    """A list of values is refused; values that are no text or number are not read."""
    with pytest.raises(TypeError):
        same_product(["title"], {})  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        cluster([{"title": "x"}, "y"])  # type: ignore[list-item]
    odd: Any = {"title": "harbour", "attributes": {"a": 1}, "image": b"x", 5: "five", "year": True}
    assert same_product(odd, {"title": "harbour"}) == same_product({"title": "harbour"}, {"title": "Harbour"})


HOSTILE = {
    "one token of 100 KB": "x" * 100_000,
    "one number of 100 KB": "7" * 100_000,
    "a million tokens": "ab " * 1_000_000,
    "a million different tokens": " ".join(map(str, range(200_000))),
    "hyphens without end": "a1-" * 300_000,
    "dots without end": "1." * 300_000,
    "quotes": "5'" * 300_000,
    "lone surrogates": "\ud800\udfff" * 1000 + "sl1200",
    "NUL and controls": "\0\x01\x7f" * 1000 + "sl\0-1200",
    "right to left": "\u202e\u200f0021-LS \u0627\u0644\u0642\u0645\u0631" * 500,
    "emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 5000,
    "combining": "e\u0301" * 5000 + "\u0301" * 5000,
    "ligature that grows": "\ufdfa" * 5000,
    "case that grows": "\u0130\u00df\u1e9e" * 5000,
    "near words": " ".join("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrst"[i:] + "q" * i for i in range(46)),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_neither_crashes_nor_stalls(text: str) -> None:
    """Whatever a vendor writes into whatever field, a pair is scored in bounded time, and like the oracle does."""
    for name in ("title", "description", "sku", "model", "gtin", "price", "size", "year", "other", text[:3000]):
        left, right = {name: text, "title": text}, {name: text[1:], "title": text[: len(text) // 2]}
        start = time.process_time()
        value = same_product(left, right)
        assert time.process_time() - start < 10  # milliseconds on an idle machine, more under a sanitizer
        assert 0.0 <= value <= 1.0
        assert value == same_product(right, left)
    left, right = {"title": text[:8000], "x": text[:5000]}, {"title": text[3:8003], "x": text[:4000]}
    assert same_product(left, right) == pytest.approx(oracle_matching.same_product(left, right), abs=1e-9)


def test_many_fields_are_read_up_to_a_limit() -> None:
    """A row of 100,000 fields is scored, not read to its end."""
    row = {f"field{i}": "value" for i in range(100_000)}
    assert 0.0 <= same_product(row, {**row, "title": "x"}) <= 1.0


# clusters --------------------------------------------------------------------------------------------------------------

LISTING = st.fixed_dictionaries(
    {
        "title": st.sampled_from(
            ["Nord Harbour 154", "nord harbour board", "Harbour KX-200", "Harbour KX200 black", "Süd Fjord 9", "lamp"]
        )
    },
    optional={
        "gtin": st.sampled_from(["4006381333931", "036000291452", ""]),
        "year": st.sampled_from(["2021", "2022", ""]),
        "size": st.sampled_from(["154", "M", "medium"]),
        "brand": st.sampled_from(["Nord", "Süd"]),
        "vendor": st.sampled_from(["peak", "alpine"]),
        "sku": st.sampled_from(["a", "b"]),
        "position": st.sampled_from(["left", "right"]),
    },
)
LISTINGS = st.lists(LISTING, max_size=14)


def veto(a: Mapping[str, str], b: Mapping[str, str]) -> bool:
    """Whether the stated rules keep two listings apart."""
    for name in ("gtin", "year"):
        if a.get(name) and b.get(name) and a[name] != b[name]:
            return True
    sizes = {"medium": "m"}
    if (
        a.get("size")
        and b.get("size")
        and sizes.get(a["size"].lower(), a["size"].lower()) != sizes.get(b["size"].lower(), b["size"].lower())
    ):
        return True
    same_vendor = a.get("vendor") and a.get("vendor") == b.get("vendor")
    if same_vendor and a.get("sku") and b.get("sku") and a["sku"] != b["sku"]:
        return not (a.get("gtin") and a.get("gtin") == b.get("gtin"))
    return False


@given(listings=LISTINGS, threshold=st.sampled_from([0.0, 0.3, DEFAULT_THRESHOLD, 0.9]))
def test_clusters_are_an_ordered_partition_without_vetoes(listings: list[dict[str, str]], threshold: float) -> None:
    """Each listing is in one cluster, in ascending order, with none that it must not meet."""
    clusters = cluster(listings, threshold)
    assert sorted(itertools.chain.from_iterable(clusters)) == list(range(len(listings)))
    assert clusters == sorted(sorted(members) for members in clusters)
    for members in clusters:
        for i, j in itertools.combinations(members, 2):
            assert listings[i] == listings[j] or not veto(listings[i], listings[j])


@given(listings=LISTINGS, data=st.data())
def test_clusters_do_not_depend_on_the_order_of_the_input(listings: list[dict[str, str]], data: st.DataObject) -> None:
    """A permutation of the listings permutes the clusters."""
    order = data.draw(st.permutations(range(len(listings))))
    shuffled = cluster([listings[i] for i in order])
    assert sorted(sorted(order[k] for k in members) for members in shuffled) == cluster(listings)


@given(listings=LISTINGS)
def test_prepared_listings_are_as_good_as_rows(listings: list[dict[str, str]]) -> None:
    """What is read once and clustered often ends in the same clusters, alone or beside rows."""
    prepared = [Prepared(row) for row in listings]
    assert cluster(prepared) == cluster(prepared) == cluster([*prepared[:3], *listings[3:]]) == cluster(listings)
    with pytest.raises(TypeError):
        Prepared(["title"])  # type: ignore[arg-type]


def test_equal_gtins_meet_under_any_name() -> None:
    """A GTIN unites what no word would."""
    rows = [
        {"title": "pen", "gtin": "4006381333931"},
        {"title": "Stabilo 88", "ean": "04006381333931"},
        {"title": "pen holder"},
    ]
    assert cluster(rows) == [[0, 1], [2]]


def test_two_skus_of_a_vendor_stay_apart_even_through_a_third() -> None:
    """A listing elsewhere that looks like both cannot join a vendor's two SKUs."""
    rows = [
        {"vendor": "peak", "sku": "1", "title": "Nord Harbour board"},
        {"vendor": "peak", "sku": "2", "title": "Nord Harbour board"},
        {"vendor": "alpine", "sku": "9", "title": "Nord Harbour board"},
    ]
    assert sorted(map(len, cluster(rows))) == [1, 2]
    for row in rows:
        row["gtin"] = "4006381333931"
    assert cluster(rows) == [[0, 1, 2]]


def test_sides_stay_apart_even_through_a_third() -> None:
    """The listing that names no side joins one of the sides, never both."""
    rows = [{"title": f"Northwind NX500 headlight {side}".strip()} for side in ("left", "right", "")]
    of = {index: number for number, members in enumerate(cluster(rows)) for index in members}
    assert of[0] != of[1]


def test_empty_rows_are_alone() -> None:
    """Two listings that say nothing are not one product."""
    assert cluster([{}, {"title": ""}, {}]) == [[0], [1], [2]]
    assert cluster([]) == []


@pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan])
def test_a_threshold_is_within_0_and_1(threshold: float) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="threshold"):
        cluster([], threshold)


def catalogue(products: int, seed: int) -> list[dict[str, str]]:
    """Four vendors' listings of each product, in its own words, in random order."""
    rng = random.Random(seed)
    names = ["".join(rng.choice("bdfgklmnprst") + rng.choice("aeiou") for _ in range(3)) for _ in range(300)]
    rows = []
    for i in range(products):
        brand, name, code = rng.choice(names[:20]), rng.choice(names), f"{rng.choice('ABCDE')}X{rng.randrange(100, 9999)}"
        for vendor in ("alpine", "peak", "summit", "valley"):
            words = [brand, name, "board", *([code] if rng.random() < 0.7 else [])]
            rng.shuffle(words)
            rows.append(
                {
                    "product": "",
                    "vendor": vendor,
                    "sku": f"{vendor}{i}",
                    "title": " ".join(words),
                    "price": str(rng.randrange(100, 900)),
                }
            )
    rng.shuffle(rows)
    return rows


@pytest.mark.parametrize(
    "rows",
    [
        catalogue(5000, 1),
        [{"title": "the same words again", "vendor": str(i), "sku": str(i)} for i in range(20_000)],
        [{"title": " ".join(f"w{(i * k) % 97}" for k in range(1, 60))} for i in range(20_000)],
    ],
    ids=["catalogue", "all alike", "nothing rare"],
)
def test_twenty_thousand_listings_take_seconds(rows: list[dict[str, str]]) -> None:
    """Neither a real catalogue nor one made to fill every block compares all pairs."""
    start = time.process_time()
    clusters = cluster(rows)
    assert time.process_time() - start < 30
    assert sum(map(len, clusters)) == len(rows)


@pytest.mark.parametrize(("name", "floor"), [("Abt-Buy", 0.80), ("Amazon-Google", 0.59)])
def test_labelled_pairs(hexar_data: Path, name: str, floor: float) -> None:
    """Without training, one threshold serves two kinds of shop."""
    with gzip.open(hexar_data / "matching" / name / "test.jsonl.gz", "rt", encoding="utf-8") as lines:
        pairs = [json.loads(line) for line in lines]
    hit = wrong = missed = 0
    for pair in pairs:
        says = same_product(pair["left"], pair["right"]) >= DEFAULT_THRESHOLD
        hit += says and pair["label"]
        wrong += says and not pair["label"]
        missed += not says and pair["label"]
    assert 2 * hit / (2 * hit + wrong + missed) >= floor
