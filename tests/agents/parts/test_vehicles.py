"""From descriptions and VINs to variants."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.agents.parts.catalogue.view import CatalogueView
from hexar.agents.parts.vehicles.models import parse
from hexar.agents.parts.vehicles.resolve import VehicleIndex
from hexar.agents.parts.vehicles.rows import ManufacturerRow, ModelRow, VariantRow
from hexar.agents.parts.vehicles.vin import check_digit, read_vin


@pytest.fixture(scope="module")
def index() -> VehicleIndex:
    """Five makes with models that are easily taken for each other."""
    makers = [
        ManufacturerRow(k, f"m{k}", n) for k, n in enumerate(["VAUXHALL", "VW", "VW (FAW)", "BMW", "MERCEDES-BENZ", "MINI"])
    ]
    named = [
        ("VAUXHALL ASTRA Mk V (H) (A04)", 0, 2004, 2010), ("VAUXHALL ASTRA Mk V (H) Estate (A04)", 0, 2005, 2010),
        ("VAUXHALL ASTRA Mk VI (J)", 0, 2009, 2015), ("VW GOLF VII (5G1)", 1, 2012, 2020),
        ("VW GOLF SPORTSVAN VII (AM1)", 1, 2014, 0), ("VW (FAW) GOLF VII (BN1)", 2, 2013, 2020),
        ("VW POLO (9N_)", 1, 2001, 2009), ("BMW 1 (E81)", 3, 2006, 2012), ("BMW 3 (E90)", 3, 2004, 2011),
        ("MERCEDES-BENZ A-CLASS (W176)", 4, 2012, 2018), ("MINI MINI (F56)", 5, 2013, 0),
    ]  # fmt: skip
    models = [ModelRow(k, f"o{k}", *row) for k, row in enumerate(named)]
    engines = [
        (0, "1.6", 1598, "Petrol"), (0, "1.7 CDTi", 1686, "Diesel"), (1, "1.6", 1598, "Petrol"), (2, "1.4 Turbo", 1364, "Petrol"),
        (3, "1.4 TSI", 1395, "Petrol"), (3, "2.0 TDI", 1968, "Diesel"), (4, "1.6 TDI", 1598, "Diesel"), (5, "1.4 TSI", 1395, "Petrol"),
        (7, "118 d", 1995, "Diesel"), (7, "116 i", 1596, "Petrol"), (9, "A 200 CDI", 1796, "Diesel"), (10, "Cooper S", 1998, "Petrol"),
    ]  # fmt: skip
    variants = [
        VariantRow(
            k, f"v{k}", name, m, models[m].manufacturer_key, models[m].year_from, models[m].year_to, (), fuel, cc, 80, 4, ""
        )
        for k, (m, name, cc, fuel) in enumerate(engines)
    ]
    return VehicleIndex(makers, models, variants)


def ids(index: VehicleIndex, *args: str, **fields: object) -> set[str]:
    return {match.variant.id for match in index.resolve(*args, **fields).variants if match.variant}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2008 Vauxhal Astra 1.6 estate", {"v2"}),
        ("Vauxhall Astra 2008 1.6", {"v0", "v2"}),
        ("Vauxhall Astra 2008 diesel", {"v1"}),
        ("astra 2012", {"v3"}),
        ("Volkswagen Golf 2015 1.4 TSI", {"v4"}),
        ("VW Gofl 2016 TDI", {"v5"}),
        ("golf sportsvan 2015", {"v6"}),
        ("faw vw golf 2015", {"v7"}),
        ("BMW 118d 2008", {"v8"}),
        ("Merc A200 2014", {"v10"}),
        ("mercedes a class 2014", {"v10"}),
        ("mini cooper s 2015", {"v11"}),
    ],
)
def test_descriptions_reach_their_variants(index: VehicleIndex, text: str, expected: set[str]) -> None:
    """Misspellings, aliases, engines, bodies and fuels; several that match are all kept."""
    assert ids(index, text) == expected


def test_years_are_hard(index: VehicleIndex) -> None:
    """A model outside its years is not returned, and the answer says when it was built."""
    found = index.resolve(make="Vauxhall", model="Astra", year=1990)
    assert not found.variants
    assert any("not built in 1990" in note for note in found.notes)
    assert found.alternatives


def test_engines_are_hard(index: VehicleIndex) -> None:
    """An engine that no variant has finds none; the others are alternatives, not answers."""
    found = index.resolve(make="VW", model="Golf", year=2015, engine="1.9 TDI")
    assert not found.variants
    assert {match.variant.id for match in found.alternatives if match.variant} == {"v4", "v5"}


def test_a_model_without_variants_is_known_but_empty(index: VehicleIndex) -> None:
    """It says so; a licensed edition of the same name is an alternative at most."""
    found = index.resolve("VW Polo 2005")
    assert [model.name for model in found.models] == ["VW POLO (9N_)"]
    assert not found.variants
    assert any("no variant" in note for note in found.notes)


@pytest.mark.parametrize("text", ["Acura Integra 1995", "Zorblax 9000", "Trabant 601", "%s' OR 1=1", "\u0000\u202e"])
def test_an_unknown_vehicle_is_never_a_known_one(index: VehicleIndex, text: str) -> None:
    """What is near is told as near, with low confidence."""
    found = index.resolve(text)
    assert not found.variants
    assert all(match.confidence <= 0.5 for match in found.alternatives)


def test_an_unknown_make_tells_the_nearest_models(index: VehicleIndex) -> None:
    """The make is unknown, the model's name is not."""
    found = index.resolve(make="Opel", model="Astra", year=2008)
    assert found.manufacturer is None
    assert found.alternatives[0].model.name.startswith("VAUXHALL ASTRA")


@given(st.text(max_size=120), st.integers(0, 2100))
def test_any_description_can_be_resolved(index: VehicleIndex, text: str, year: int) -> None:
    """Nothing raises, and whatever is returned covers the year."""
    found = index.resolve(text, year=year)
    for match in found.variants:
        assert match.variant is not None
        if year:
            assert match.variant.year_from <= year
            assert not match.variant.year_to or year <= match.variant.year_to


@pytest.mark.parametrize(
    ("name", "bases", "body", "generation", "codes"),
    [
        ("VAUXHALL ASTRA Mk V (H) Estate (A04)", ("astra",), "estate", 5, {"a04"}),
        ("TOYOTA ALPHARD / VELLFIRE (_H3_)", ("alphard", "vellfire"), "", 0, {"h3"}),
        ("BMW 1 (E81)", ("1",), "", 0, {"e81"}),
        ("MERCEDES-BENZ A-CLASS (W169)", ("a class",), "", 0, {"w169"}),
        ("FORD B-MAX Van (JK)", ("b max",), "van", 0, {"jk"}),
        ("LAND ROVER DEFENDER Station Wagon (L316)", ("defender",), "estate", 0, {"l316"}),
    ],
)
def test_model_names_are_taken_apart(name: str, bases: tuple[str, ...], body: str, generation: int, codes: set[str]) -> None:
    """Base, body, generation and chassis codes of names as catalogues write them."""
    makers = ("VAUXHALL", "TOYOTA", "BMW", "MERCEDES-BENZ", "FORD", "LAND ROVER")
    maker = next(entry for entry in makers if name.startswith(entry))
    parsed = parse(name, maker)
    assert (parsed.bases, parsed.body, parsed.generation) == (bases, body, generation)
    assert codes <= parsed.codes


def test_a_vin_is_checked_where_the_law_says_so() -> None:
    """A North American check digit must hold; a European VIN has none to hold."""
    good = read_vin("1m8gdm9axkp042788")
    assert (good.problem, good.check_digit_valid, good.region) == ("", True, "North America")
    bad = read_vin("1M8GDM9AXKP042789")
    assert "check digit" in bad.problem
    european = read_vin("WVWZZZ1KZ8W000001")
    assert (european.problem, european.make, european.check_digit_required) == ("", "VW", False)
    assert set(european.model_years) == {2008}
    assert "17 characters" in read_vin("123").problem
    assert "I, O and Q" in read_vin("WVWZZZ1KZ8WOOOOO1").problem


def test_check_digits_agree_with_the_regulations_example() -> None:
    """All ones weigh 89, and 89 modulo 11 is 1."""
    assert check_digit("1" * 17) == "1"


def test_every_single_slip_in_a_vin_is_found() -> None:
    """A changed digit always changes the remainder: the weights are no multiples of 11."""
    vin = "1M8GDM9AXKP042788"
    for place in (11, 12, 13, 14, 15, 16):
        for digit in "0123456789":
            changed = vin[:place] + digit + vin[place + 1 :]
            assert bool(read_vin(changed).problem) == (changed != vin)


def test_the_vin_fills_in_make_and_year(view: CatalogueView) -> None:
    """A VIN with a model name is enough."""
    found = view.vehicles.resolve(model="Golf", vin=read_vin("WVWZZZAUZFW000001"))
    assert {match.model.name for match in found.variants} == {"Golf VII"}
    assert any("read from the VIN" in note for note in found.notes)


@pytest.mark.chaos
def test_real_vehicles_resolve_inside_their_years(real: object, hexar_data: object) -> None:
    """Every variant of the real catalogue is found again from its own make, model and first year."""
    view: CatalogueView = real.view  # type: ignore[attr-defined]
    lost = []
    for variant in view.vehicles.variants[::7]:
        model = view.vehicles.models[variant.model_key]
        maker = view.vehicles.manufacturers[variant.manufacturer_key]
        name = model.name.removeprefix(maker.name).split("(")[0]
        found = view.vehicles.resolve(
            make=maker.name, model=name, year=max(variant.year_from, model.year_from), engine=variant.name
        )
        if variant.id not in {match.variant.id for match in found.variants if match.variant}:
            lost.append((maker.name, name, variant.name))
    assert len(lost) <= len(view.vehicles.variants[::7]) * 0.03, lost[:20]


@given(st.text("ABCDEFGHJKLMNPRSTUVWXYZ0123456789", min_size=2, max_size=2), st.text("0123456789", min_size=14, max_size=14))
def test_the_vin_of_a_small_maker_names_no_other(country: str, rest: str) -> None:
    """A 9 in third place is shared by makers of few vehicles, whatever larger make has the same beginning."""
    assert read_vin(f"{country}9{rest}").make == ""
    assert read_vin("WVWZZZ1KZAW000001").make == "VW"
