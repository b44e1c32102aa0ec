"""What a component's text says, and what the catalogue calls it."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.agents.parts.catalogue.records import Position, Side
from hexar.agents.parts.catalogue.view import CatalogueView
from hexar.agents.parts.components.phrases import canonical, read
from hexar.agents.parts.data import components

WORDS = frozenset(
    {"light", "bumper", "headlight", "door", "drive", "shaft", "gear", "lift", "faro", "wing", "puerta", "mirror"}
)
LABELS = Path(__file__).with_name("labels.csv")

L, R, B, D, P = Side.LEFT, Side.RIGHT, Side.BOTH, Side.DRIVER, Side.PASSENGER
F, A = Position.FRONT, Position.REAR
NO_SIDE, NO_END = Side.UNSPECIFIED, Position.UNSPECIFIED


@pytest.mark.parametrize(
    ("text", "words", "side", "position"),
    [
        ("O/S/F headlight", "front headlight", R, F),
        ("headlight n.s.", "headlight", L, NO_END),
        ("N/S/R door", "rear door", L, A),
        ("LH h/lamp assy", "headlight", L, NO_END),
        ("wing, left-front", "wing front", L, F),
        ("RR bumper", "rear bumper", NO_SIDE, A),
        ("FR bumper", "front bumper", NO_SIDE, F),
        ("faro del. izq.", "faro front", L, F),
        ("faro del", "faro front", NO_SIDE, F),
        ("filtro del aire", "filtro aire", NO_SIDE, NO_END),
        ("puerta trasera dcha", "puerta rear", R, A),
        ("left and right headlight", "headlight", B, NO_END),
        ("front and rear bumper", "bumper", NO_SIDE, Position.BOTH),
        ("right hand drive headlight left", "headlight", L, NO_END),
        ("driver's side mirror", "mirror", D, NO_END),
        ("p/s door", "door", P, NO_END),
        ("P/S pump", "power steering pump", NO_SIDE, NO_END),
        ("rigth headlight", "headlight", R, NO_END),
        ("izqierdo faro", "faro", L, NO_END),
        ("drive shaft", "drive shaft", NO_SIDE, NO_END),
        ("light", "light", NO_SIDE, NO_END),
        ("R headlight", "headlight", NO_SIDE, NO_END),
        ("headlight (R)", "headlight", R, NO_END),
        ("headlight L", "headlight", L, NO_END),
        ("front R door", "front door", R, F),
        ("F bumper", "front bumper", NO_SIDE, F),
        ("offside/front wing", "front wing", R, F),
        ("LH & RH wing", "wing", B, NO_END),
    ],
)
def test_sides_and_positions_are_read_exactly(text: str, words: str, side: Side, position: Position) -> None:
    """Abbreviations, languages and slips; what could be either claims neither."""
    reading = read(text, WORDS)
    assert (set(reading.words), reading.side, reading.position) == (set(words.split()), side, position)


@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    """No text raises, and reading what was read changes no word's meaning to another side."""
    reading = read(text, WORDS)
    assert all(word == word.casefold() for word in reading.words)


def test_left_never_reads_as_right() -> None:
    """Every spelling of the table means its side, wherever it stands and whatever joins its letters."""
    from hexar.agents.parts.data import load

    table = load("sides.yaml")
    for name in ("left", "right"):
        for phrase in table["sides"][name]:
            for text in (f"{phrase} headlight", f"headlight {phrase}", f"HEADLIGHT, {phrase.upper()}"):
                assert read(text, WORDS).side in (Side[name.upper()],), text
    for name, phrases in table["combined"].items():
        side, position = (word.upper() for word in name.split())
        for phrase in phrases:
            reading = read(f"headlight {phrase}", WORDS)
            assert (reading.side, reading.position) == (Side[side], Position[position]), phrase


def test_the_component_files_are_sound() -> None:
    """Every component has its four lists of texts, and no alias names a side."""
    for identifier, entry in components().items():
        assert set(entry) == {"names", "groups", "en", "es"}, identifier
        for alias in (*entry["names"], *entry["en"], *entry["es"]):
            assert isinstance(alias, str), identifier
            assert alias.strip(), identifier
            assert not read(alias).side or "airbag" in alias.lower(), f"{identifier}: {alias}"


def test_no_two_components_are_called_the_same() -> None:
    """An alias means one component; what two would share is no alias of either."""
    owners: dict[str, set[str]] = {}
    for identifier, entry in components().items():
        for alias in (*entry["en"], *entry["es"]):
            owners.setdefault(canonical(alias)[0], set()).add(identifier)
    assert {alias: names for alias, names in owners.items() if len(names) > 1 or not alias} == {}


def labels() -> list[dict[str, str]]:
    with LABELS.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.chaos
def test_labelled_names_reach_their_group(real: object) -> None:
    """At least 200 spellings in two languages: top-1 at least 0.95, and not one side or position swapped."""
    view: CatalogueView = real.view  # type: ignore[attr-defined]
    rows = labels()
    assert len(rows) >= 200
    wrong, swapped = [], []
    for row in rows:
        reading = view.components.read(row["text"])
        side = reading.side.name.lower() if reading.side else ""
        position = reading.position.name.lower() if reading.position else ""
        if (side, position) != (row["side"], row["position"]):
            swapped.append(row["text"])
        matches = view.components.match(reading, 1)
        top = view.groups[matches[0].target.rows[0].group_key].name if matches and matches[0].target.rows else ""
        if top not in row["groups"].split("|"):
            wrong.append((row["text"], top))
    assert not swapped
    assert 1 - len(wrong) / len(rows) >= 0.95, wrong


def test_a_match_never_takes_the_other_end(view: CatalogueView) -> None:
    """A rear fog light is no front fog light, however alike the names are."""
    matcher = view.components
    for match in matcher.match(matcher.read("rear fog lamp"), 20, 0.3):
        assert "Front Fog Light" not in match.target.names


def test_what_resembles_nothing_is_not_understood(view: CatalogueView) -> None:
    """No nearest other thing is offered as the thing."""
    matcher = view.components
    for text in ("xyzzy", "banana bread", "\u202e\u202d", "🚗🚗", "1234567", "a" * 200):
        assert matcher.match(matcher.read(text)) == [], text


def test_a_component_that_the_catalogue_lacks_lists_nothing(view: CatalogueView) -> None:
    """It is understood, bound to no article, and never to its neighbours in the group."""
    matcher = view.components
    target = matcher.match(matcher.read("bonnet hinge"))[0].target
    assert target.component == "bonnet-hinge"
    assert not target.is_listed
