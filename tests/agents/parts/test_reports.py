"""Damage reports as people write them: what the damage is on, which side, which generation, and what must be known to choose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.agents.parts.catalogue.reading import CatalogueStore
from hexar.agents.parts.catalogue.records import Position, Side
from hexar.agents.parts.catalogue.view import Catalogues
from hexar.agents.parts.components.phrases import read
from hexar.agents.parts.fit.choosing import choices
from hexar.agents.parts.fit.match import match_names
from hexar.agents.parts.fit.rules import Damage, implied
from hexar.agents.parts.importers.run import import_catalogue
from hexar.agents.parts.vehicles.resolve import ManufacturerRow, ModelRow, VariantRow, VehicleIndex
from hexar.core.fuzzy import FuzzyIndex
from hexar.core.resilience.dispatch import Dispatcher
from hexar.core.store import Database
from hexar.v1 import parts_pb2 as pb
from tests.agents.parts.test_pipeline import ask, report, results

WORDS = frozenset(["door", "lock", "mirror", "headlight", "wing", "light", "bumper", "handle", "panel", "cover", "lamp"])


@pytest.mark.parametrize(
    ("text", "words", "side", "position"),
    [
        ("scratch on door", ("door",), Side.UNSPECIFIED, Position.UNSPECIFIED),
        ("dent in the left front door", ("front", "door"), Side.LEFT, Position.FRONT),
        ("door has a deep scratch", ("door",), Side.UNSPECIFIED, Position.UNSPECIFIED),
        ("scratches on door handle", ("door", "handle"), Side.UNSPECIFIED, Position.UNSPECIFIED),
        ("rayón en puerta delantera izquierda", ("puerta", "front"), Side.LEFT, Position.FRONT),
        ("golpe en la aleta dcha", ("aleta",), Side.RIGHT, Position.UNSPECIFIED),
        ("mirror (R)", ("mirror",), Side.RIGHT, Position.UNSPECIFIED),
        ("headlight, l", ("headlight",), Side.LEFT, Position.UNSPECIFIED),
        ("door handle - L", ("door", "handle"), Side.LEFT, Position.UNSPECIFIED),
        ("(L) mirror", ("mirror",), Side.LEFT, Position.UNSPECIFIED),
        ("faro (D)", ("faro",), Side.RIGHT, Position.UNSPECIFIED),
        ("aleta (I)", ("aleta",), Side.LEFT, Position.UNSPECIFIED),
        ("headlamps L", ("headlight",), Side.LEFT, Position.UNSPECIFIED),
        ("faro del izq", ("faro", "front"), Side.LEFT, Position.FRONT),
        ("piloto tras. dcho", ("piloto", "rear"), Side.RIGHT, Position.REAR),
    ],
)
def test_a_report_is_read(text: str, words: tuple[str, ...], side: Side, position: Position) -> None:
    """The damage leaves the name, and a letter that is set apart is a side."""
    reading = read(text, WORDS)
    assert (reading.words, reading.side, reading.position) == (words, side, position)


@given(
    st.sampled_from(["scratch on", "dent in", "crack in the", "hole in", "rayón en", "golpe en la", "arañazo en"]),
    st.sampled_from(["door", "bumper", "mirror", "headlight", "door handle"]),
    st.sampled_from(
        [("", Side.UNSPECIFIED), (" (L)", Side.LEFT), (", r", Side.RIGHT), (" LH", Side.LEFT), (" dcho", Side.RIGHT)]
    ),
)
def test_damage_and_side_leave_any_name(damage: str, name: str, side: tuple[str, Side]) -> None:
    """Whatever happened to a thing, it is the thing."""
    reading = read(f"{damage} {name}{side[0]}", WORDS)
    assert (reading.text, reading.side) == (name, side[1])


@pytest.mark.parametrize(
    ("query", "allowed"),
    [
        ("faro del izq", {0}),
        ("faro delantero dcho", {1}),
        ("piloto tras izq", {2}),
        ("piloto tras. dcha", {3}),
        ("faros izquierdos", {0, 2}),
    ],
)
def test_spanish_abbreviations_hold_inside_the_index(query: str, allowed: set[int]) -> None:
    """The compiled index keeps sides and ends apart by itself."""
    index = FuzzyIndex(["front left headlight", "front right headlight", "rear left tail light", "rear right tail light"])
    assert {match.index for match in index.search(query)} <= allowed
    assert index.search(query)


# -- what it is a kind of ------------------------------------------------------------------------------------------------


async def test_a_kind_that_is_not_listed_falls_back_and_says_so(catalogues: Catalogues, pool: Dispatcher) -> None:
    """The catalogue lists bumpers and no bumper covers: bumpers are shown, at less confidence."""
    found = results(await ask(catalogues, pool, report("front bumper cover", "front bumper", skip_propagation=True)))
    cover, bumper = found["front bumper cover"], found["front bumper"]
    assert cover.status == pb.COMPONENT_STATUS_FOUND
    assert cover.shown_instead == "bumper"
    assert "of which it is a kind" in cover.reason
    assert {part.article.id for part in cover.parts} == {part.article.id for part in bumper.parts}
    assert cover.confidence < bumper.confidence
    assert not bumper.shown_instead


@pytest.mark.parametrize(
    ("text", "left"), [("adaptive zoomatic headlight", "adaptive zoomatic"), ("faro zoomatico", "zoomatico")]
)
async def test_an_unknown_word_is_left_out_and_told(catalogues: Catalogues, pool: Dispatcher, text: str, left: str) -> None:
    """What the thing is remains: at the end of an English name, at the beginning of a Spanish one."""
    found = results(await ask(catalogues, pool, report(text, skip_propagation=True)))[text]
    assert {part.article.name for part in found.parts} == {"Headlight"}
    assert found.groups[0].score < 0.9


def test_matching_names_falls_back_as_well(catalogues: Catalogues) -> None:
    """MatchParts shows the same."""
    view = catalogues.view("default")
    (found,) = match_names(view, pb.MatchPartsRequest(), ["bumper cover"], None)
    assert found.status == pb.COMPONENT_STATUS_FOUND
    assert {entry.article.name for entry in found.articles} == {"Bumper"}
    assert "of which it is a kind" in found.reason


# -- the generation ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def golfs() -> VehicleIndex:
    """Generations that overlap: the old convertible is built on beside the new hatchback."""
    makers = [ManufacturerRow(0, "m0", "VW")]
    named = [
        ("VW GOLF V (1K1)", 2003, 2009), ("VW GOLF VI (5K1)", 2008, 2013), ("VW GOLF VI Convertible (517)", 2011, 2016),
        ("VW GOLF VI Estate (AJ5)", 2009, 2013), ("VW GOLF VII (5G1)", 2012, 2020), ("VW GOLF VII Estate (BA5)", 2013, 2020),
    ]  # fmt: skip
    models = [ModelRow(key, f"o{key}", name, 0, first, last) for key, (name, first, last) in enumerate(named)]
    variants = [
        VariantRow(key, f"v{key}", "1.4 TSI", key, 0, model.year_from, model.year_to, (), "Petrol", 1395, 90, 4, "")
        for key, model in enumerate(models)
    ]
    return VehicleIndex(makers, models, variants)


@pytest.mark.parametrize(
    ("text", "variants"),
    [
        ("VW Golf 2015", {"v4", "v5"}), ("VW Golf 2010", {"v1", "v3"}), ("VW Golf 2006", {"v0"}), ("VW Golf 2012", {"v1", "v2", "v3", "v4"}),
        ("VW Golf convertible 2015", {"v2"}), ("VW Golf VI 2012", {"v1", "v2", "v3"}), ("VW Golf estate 2015", {"v5"}),
        ("VW Golf 5K1 2012", {"v1"}),
    ],
)  # fmt: skip
def test_the_generation_follows_the_year(golfs: VehicleIndex, text: str, variants: set[str]) -> None:
    """The one that was built in that year; both in the year of a change; what was told decides."""
    found = golfs.resolve(text)
    assert {match.variant.id for match in found.variants if match.variant} == variants


def test_the_note_names_the_generation(golfs: VehicleIndex) -> None:
    """With its years."""
    assert "of 2015 is VW GOLF VII (5G1) (2012 to 2020)" in golfs.resolve("VW Golf 2015").notes


# -- many parts ------------------------------------------------------------------------------------------------------------


async def test_one_brand_does_not_fill_the_answer(bucket: Callable[..., Path], database: Database, pool: Dispatcher) -> None:
    """Of many parts each fact of the vehicle and each brand has its turn, and the answer says what must be known."""
    articles = [
        {
            "id": str(key), "name": "Brake Pad Set, disc brake", "partNo": f"P-{key}", "brand": "AAA" if key % 5 else f"B{key}",
            "techDetails": {
                "Fitting Position": ("Front Axle", "Rear Axle")[key % 2],
                "Brake System": ("ATE", "TRW")[key // 2 % 2],
                "Thickness [mm]": ("15", "15,2", "20")[key % 3],
            },
        }
        for key in range(2000, 2120)
    ]  # fmt: skip
    fitments = ["manufacturer_id,model_id,variant_id,category_id,product_group_id,article_id,products_id"]
    fitments += [f"1,10,100,7,70,{article['id']},9" for article in articles]
    import_catalogue(database, bucket(**{"articles.jsonl": articles, "fitments.csv": fitments}))
    request = report("brake pads", skip_propagation=True, max_parts=12)
    request.vehicle.variant_id = "100"
    found = results(await ask(Catalogues(CatalogueStore(database)), pool, request))["brake pads"]
    assert found.total_parts == 120
    facts = {choice.name: {value.value: value.parts for value in choice.values} for choice in found.choices}
    assert facts["axle"] == {"Front Axle": 60, "Rear Axle": 60}
    assert facts["brake system"] == {"ATE": 60, "TRW": 60}
    assert set(facts["thickness"].values()) == {80, 40}
    assert "one must know: axle (Front Axle, Rear Axle); brake system" in found.reason
    details = [{detail.name: detail.value for detail in part.article.details} for part in found.parts]
    assert {(row["Fitting Position"], row["Brake System"]) for row in details} == {
        (axle, system) for axle in ("Front Axle", "Rear Axle") for system in ("ATE", "TRW")
    }
    assert len({part.article.brand for part in found.parts}) > 1


def test_facts_that_tell_parts_apart_are_counted() -> None:
    """Near sizes are one, a doubled name joins two, and what all share tells nothing."""
    rows = {
        key: SimpleNamespace(
            details=(
                ("Fitting Position", "Front Axle" if key % 2 else "Rear Axle"),
                ("Brake System", ("ATE", "Teves", "Ate-Teves", "TRW", "Lucas / TRW", "Lucas")[key % 6]),
                ("Thickness [mm]", ("15,2", "15", "19,8", "20,3")[key % 4]),
                ("Height [mm]", "42,7"),
                ("EAN Numbers", str(key)),
            )
        )
        for key in range(48)
    }
    told = choices(rows)  # type: ignore[arg-type]
    assert [choice.name for choice in told] == ["axle", "brake system", "thickness"]
    assert dict(told[0].values) == {"Front Axle": 24, "Rear Axle": 24}
    assert sorted(count for _, count in told[1].values) == [24, 24]
    assert sorted(count for _, count in told[2].values) == [24, 24]


# -- what is implied -------------------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.builds(
            Damage,
            st.integers(0, 5),
            st.sampled_from(["bumper", "wing", "headlight", "door", "tail-light"]),
            st.integers(0, 2),
            st.sampled_from([Side.UNSPECIFIED, Side.LEFT, Side.RIGHT]),
            st.sampled_from([Position.UNSPECIFIED, Position.FRONT, Position.REAR]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_nothing_implied_is_repeated(damages: list[Damage]) -> None:
    """No component twice in one place, and none without a place beside the same one with it; likelihoods stay likelihoods."""
    found = implied(damages)
    places = Counter((entry.component, entry.side, entry.position) for entry in found)
    assert set(places.values()) <= {1}
    for entry in found:
        assert 0 < entry.likelihood <= 1
        others = [other for other in found if other.component == entry.component and other is not entry]
        for other in others:
            agrees = not entry.side or not other.side or entry.side == other.side
            agrees = agrees and (not entry.position or not other.position or entry.position == other.position)
            assert not agrees, (entry, other)


def test_the_side_of_what_is_implied_is_shown(catalogues: Catalogues) -> None:
    """A left wing implies the left liner, once, also where the bumper implies it without a side."""
    damages = [Damage(0, "wing", 2, Side.LEFT, Position.UNSPECIFIED), Damage(1, "bumper", 2, Side.UNSPECIFIED, Position.FRONT)]
    liners = [entry for entry in implied(damages) if entry.component == "wheel-arch-liner"]
    assert [(entry.side, entry.position, entry.indices) for entry in liners] == [(Side.LEFT, Position.FRONT, (0, 1))]
