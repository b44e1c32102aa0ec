"""What a damage implies: rules that are data (``data/propagation.yaml``), applied to the reported components."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from hexar.agents.parts.catalogue.records import Position, Side
from hexar.agents.parts.data import components, load


class Kind(StrEnum):
    """Why a part is proposed."""

    SECONDARY = "secondary"
    CONSUMABLE = "consumable"


@dataclass(frozen=True, slots=True)
class Damage:
    """A reported component: ``severity`` 0 minor, 1 moderate, 2 severe; ``index`` in the report."""

    index: int
    component: str
    severity: int
    side: Side
    position: Position


@dataclass(frozen=True, slots=True)
class Implied:
    """A component that a damage implies; ``likelihood`` from 0 to 1."""

    component: str
    kind: Kind
    likelihood: float
    reason: str
    rule_id: str
    indices: tuple[int, ...]
    side: Side
    position: Position


@dataclass(frozen=True, slots=True)
class _Consequence:
    component: str
    kind: Kind
    likelihood: tuple[float, float, float]
    reason: str
    keeps_side: bool
    position: Position | None


@dataclass(frozen=True, slots=True)
class _Rule:
    id: str
    when: frozenset[str]
    position: Position
    implies: tuple[_Consequence, ...]


@cache
def rules() -> tuple[_Rule, ...]:
    """The rule table; raises ValueError where it names an unknown component or repeats an id."""
    known = components()
    found: list[_Rule] = []
    for entry in load("propagation.yaml")["rules"]:
        named = {*entry["when"], *(consequence["component"] for consequence in entry["implies"])}
        if unknown := sorted(named - known.keys()):
            raise ValueError(f"rule {entry['id']}: no component {unknown[0]!r}")
        if any(rule.id == entry["id"] for rule in found):
            raise ValueError(f"rule {entry['id']} is there twice")
        consequences = []
        for row in entry["implies"]:
            minor, moderate, severe = (float(value) for value in row["likelihood"])
            told = row.get("position")
            position = None if told is None else Position[told.upper() if told != "none" else "UNSPECIFIED"]
            consequences.append(
                _Consequence(
                    row["component"], Kind(row["kind"]), (minor, moderate, severe), row["reason"],
                    row.get("side") != "none", position,
                )
            )  # fmt: skip
        position = Position[entry["position"].upper()] if "position" in entry else Position.UNSPECIFIED
        found.append(_Rule(entry["id"], frozenset(entry["when"]), position, tuple(consequences)))
    return tuple(found)


def implied(damages: Sequence[Damage]) -> list[Implied]:
    """What the damages imply together, likeliest first; what was reported itself is left out.

    Damages that imply the same thing add up as independent causes: 1 - (1 - p)(1 - q).
    """
    reported = {(damage.component, side, position) for damage in damages for side in _covered(damage.side) for position in
                _ends(damage.position)}  # fmt: skip
    merged: dict[tuple[str, Side, Position], Implied] = {}
    for damage in damages:
        for rule in rules():
            if damage.component not in rule.when:
                continue
            if rule.position and damage.position not in (rule.position, Position.BOTH):
                continue
            for consequence in rule.implies:
                likelihood = consequence.likelihood[damage.severity]
                if likelihood <= 0:
                    continue
                side = damage.side if consequence.keeps_side else Side.UNSPECIFIED
                position = damage.position if consequence.position is None else consequence.position
                key = (consequence.component, side, position)
                if key in reported or (consequence.component, Side.UNSPECIFIED, Position.UNSPECIFIED) in reported:
                    continue
                known = merged.get(key)
                if known is None:
                    merged[key] = Implied(
                        consequence.component, consequence.kind, likelihood, consequence.reason, rule.id, (damage.index,),
                        side, position,
                    )  # fmt: skip
                else:
                    total = 1 - (1 - known.likelihood) * (1 - likelihood)
                    indices = tuple(sorted({*known.indices, damage.index}))
                    merged[key] = Implied(
                        known.component, known.kind, total, known.reason, known.rule_id, indices, side, position
                    )
    _absorb(merged)
    ordered = sorted(merged.values(), key=lambda entry: (-entry.likelihood, entry.component, entry.side, entry.position))
    return [
        Implied(e.component, e.kind, round(e.likelihood, 4), e.reason, e.rule_id, e.indices, e.side, e.position)
        for e in ordered
    ]


def _absorb(merged: dict[tuple[str, Side, Position], Implied]) -> None:
    """Put what is implied without a side or an end together with the same thing that has one: it is needed once, there."""
    for key in sorted(merged, key=lambda row: (bool(row[1]) + bool(row[2]), row)):
        if key not in merged:
            continue
        name, side, position = key
        partners = [other for other in merged if other[0] == name and _adds(other[1], side, other[2], position)]
        entry = merged.pop(key) if partners else None
        for other in partners:
            known = merged.pop(other)
            place = (name, known.side or side, known.position or position)
            for one in (entry, merged.get(place)):
                known = _together(known, one, place) if one is not None else known
            merged[place] = known


def _together(one: Implied, other: Implied, place: tuple[str, Side, Position]) -> Implied:
    """Two causes of one need: they add up as independent ones."""
    likelihood = 1 - (1 - one.likelihood) * (1 - other.likelihood)
    indices = tuple(sorted({*one.indices, *other.indices}))
    return Implied(one.component, one.kind, likelihood, one.reason, one.rule_id, indices, place[1], place[2])


def _adds(side: Side, to_side: Side, position: Position, to_position: Position) -> bool:
    """Whether a place says more than another one, and nothing against it."""
    agrees = (not side or not to_side or side is to_side) and (not position or not to_position or position is to_position)
    return agrees and ((bool(side) and not to_side) or (bool(position) and not to_position))


def _covered(side: Side) -> tuple[Side, ...]:
    return (Side.LEFT, Side.RIGHT, Side.BOTH, Side.UNSPECIFIED) if side is Side.BOTH else (side,)


def _ends(position: Position) -> tuple[Position, ...]:
    if position is Position.BOTH:
        return (Position.FRONT, Position.REAR, Position.BOTH, Position.UNSPECIFIED)
    return (position,)
