"""Facts exclude, factors rank, and rules tell what a damage implies."""

import itertools
from dataclasses import replace

import pytest

from hexar.agents.parts.catalogue.reading import Listed
from hexar.agents.parts.catalogue.records import Position, Side, Steering
from hexar.agents.parts.components.matching import GroupRow, Target
from hexar.agents.parts.fit.fitting import Asked, choose, side_of
from hexar.agents.parts.fit.rules import Damage, Kind, implied, rules

TARGET = Target("headlight", "headlight", frozenset({"Headlight"}), (1,), (GroupRow(1, 1, "Headlight", 9),))


def listed(key: int, side: Side = Side.UNSPECIFIED, position: Position = Position.UNSPECIFIED, **changes: object) -> Listed:
    values = {"variant": 0, "name": "Headlight", "steering": Steering.UNSPECIFIED, "first": 0, "last": 0} | changes
    return Listed(
        values["variant"], 1, 1, key, f"a{key}", values["name"], f"n{key}", "B", side, position, values["steering"],
        values["first"], values["last"],
    )  # type: ignore[arg-type]  # fmt: skip


def asked(**changes: object) -> Asked:
    values: dict[str, object] = {"variants": (0,), "vehicle": 1.0, "component": 1.0}
    return Asked(**(values | changes))  # type: ignore[arg-type]


def test_no_side_is_ever_swapped() -> None:
    """For every side asked, every side listed and every steering: what is opposite is not returned."""
    for want, have, drive in itertools.product(Side, Side, Steering):
        found = choose([listed(1, have)], TARGET, asked(side=want, steering=drive)).fits
        left, right = side_of(want, drive), side_of(have, drive)
        if {left, right} == {Side.LEFT, Side.RIGHT}:
            assert not found, (want, have, drive)
        if found and left in (Side.LEFT, Side.RIGHT):
            assert right in (left, Side.BOTH, Side.UNSPECIFIED), (want, have, drive)


def test_no_end_is_ever_swapped() -> None:
    """The same for front and rear."""
    for want, have in itertools.product(Position, Position):
        found = choose([listed(1, position=have)], TARGET, asked(position=want)).fits
        assert bool(found) == ({want, have} != {Position.FRONT, Position.REAR}), (want, have)


def test_the_exact_side_is_surer_than_an_unsaid_one() -> None:
    """And each factor says why; the factors multiply to the confidence."""
    rows = [listed(1), listed(2, Side.LEFT), listed(3, Side.BOTH), listed(4, Side.RIGHT)]
    found = choose(rows, TARGET, asked(side=Side.LEFT))
    assert [fit.listed.article_key for fit in found.fits] == [2, 3, 1]
    assert found.excluded == 1
    for fit in found.fits:
        product = 1.0
        for factor in fit.factors:
            product *= factor.value
        assert fit.confidence == pytest.approx(product, abs=1e-4)
    assert "does not say the side" in found.fits[2].reason


def test_other_names_of_the_group_are_no_parts_of_the_component() -> None:
    """A bulb listed beside the headlight is not a headlight."""
    assert not choose([listed(1, name="Bulb, headlight")], TARGET, asked()).fits


def test_another_kind_of_the_component_is_less_sure() -> None:
    """A kind that the name means only in the second place comes after the first, and says what it is listed as."""
    target = replace(TARGET, names=frozenset({"Headlight", "Headlight Insert"}), first_name="Headlight")
    found = choose([listed(1, name="Headlight Insert"), listed(2)], target, asked()).fits
    assert [fit.listed.article_key for fit in found] == [2, 1]
    assert found[1].reason == "listed as 'Headlight Insert'"


def test_years_and_steering_exclude() -> None:
    """An article for other model years or for the other steering side is not returned."""
    assert not choose([listed(1, first=2010)], TARGET, asked(year=2009)).fits
    assert not choose([listed(1, last=2008)], TARGET, asked(year=2009)).fits
    assert choose([listed(1, first=2009, last=2009)], TARGET, asked(year=2009)).fits
    assert not choose([listed(1, steering=Steering.LEFT)], TARGET, asked(steering=Steering.RIGHT)).fits
    assert "left-hand drive" in choose([listed(1, steering=Steering.LEFT)], TARGET, asked()).fits[0].reason


def test_an_article_for_some_of_the_variants_is_less_sure() -> None:
    """Coverage is the share of the possible variants, and they are named."""
    rows = [listed(1), listed(1, variant=1), listed(2)]
    found = choose(rows, TARGET, asked(variants=(0, 1))).fits
    assert [(fit.listed.article_key, fit.variants, fit.confidence) for fit in found] == [(1, (0, 1), 1.0), (2, (0,), 0.5)]
    assert found[1].reason == "fits 1 of 2 possible variants"


def damage(
    component: str, severity: int = 2, position: Position = Position.FRONT, side: Side = Side.UNSPECIFIED, index: int = 0
) -> Damage:
    return Damage(index, component, severity, side, position)


def test_the_rule_table_is_sound() -> None:
    """Every rule names known components, and worse damage never implies less."""
    assert len(rules()) >= 30
    for rule in rules():
        for consequence in rule.implies:
            assert list(consequence.likelihood) == sorted(consequence.likelihood), rule.id
            assert 0 <= consequence.likelihood[0] <= consequence.likelihood[2] <= 1
            assert consequence.component not in rule.when or len(rule.when) > 1, rule.id
            assert consequence.reason


def test_a_severe_front_bumper_implies_clips_absorber_and_brackets() -> None:
    """With reasons, the front kept where it matters, and nothing of the rear."""
    found = {entry.component: entry for entry in implied([damage("bumper")])}
    assert found["bumper-clip"].kind is Kind.CONSUMABLE
    assert {"bumper-absorber", "headlight-bracket", "radiator"} <= found.keys()
    assert "exhaust-muffler" not in found
    assert found["bumper-absorber"].position is Position.FRONT
    assert all(entry.reason and entry.rule_id for entry in found.values())


def test_a_scratch_implies_less() -> None:
    """A minor damage leaves the radiator alone."""
    found = {entry.component for entry in implied([damage("bumper", 0)])}
    assert "radiator" not in found
    assert "bumper-clip" in found


def test_what_was_reported_is_not_implied_again_and_causes_add_up() -> None:
    """Two causes of one consequence are surer than either, and both are named."""
    found = {
        entry.component: entry for entry in implied([damage("bumper"), damage("front-panel", 2, Position.UNSPECIFIED, index=1)])
    }
    assert "front-panel" not in found
    assert found["radiator"].indices == (0, 1)
    assert found["radiator"].likelihood == pytest.approx(1 - (1 - 0.35) * (1 - 0.6))


def test_sides_are_kept_where_the_rule_keeps_them() -> None:
    """A left wing implies the left liner."""
    found = {entry.component: entry for entry in implied([damage("wing", side=Side.LEFT)])}
    assert found["wheel-arch-liner"].side is Side.LEFT
    assert found["trim-clip"].side is Side.UNSPECIFIED
