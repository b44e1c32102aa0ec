"""Which listed articles suit a component, and how sure that is.

Facts come first and exclude: an article for the other side, the other end, another model year or the other steering side is
never a part. What is left is ranked by a product of factors, each with its reason.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hexar.agents.parts.catalogue.reading import Listed
from hexar.agents.parts.catalogue.records import Position, Side, Steering
from hexar.agents.parts.components.matching import Target

#: Factors where the catalogue does not say what was asked.
SIDE_UNSAID, POSITION_UNSAID, STEERING_UNSAID = 0.8, 0.85, 0.9
#: An article of another kind than the one that the component's name means first: a fuel feed unit for a fuel pump.
OTHER_KIND = 0.9
#: An article for both sides, or both ends, fits the one that was asked.
BOTH_SIDES, BOTH_ENDS = 0.95, 0.97


@dataclass(frozen=True, slots=True)
class Asked:
    """What a part must suit. ``vehicle`` and ``component`` are confidences; ``variants`` are keys in order."""

    variants: tuple[int, ...]
    vehicle: float
    component: float
    side: Side = Side.UNSPECIFIED
    position: Position = Position.UNSPECIFIED
    year: int = 0
    steering: Steering = Steering.UNSPECIFIED


@dataclass(frozen=True, slots=True)
class Factor:
    """One reason for a confidence; ``value`` from 0 to 1."""

    name: str
    value: float
    reason: str


@dataclass(frozen=True, slots=True)
class Fit:
    """An article that suits, with where it is listed (the preferred group first) and for which variants."""

    listed: Listed
    variants: tuple[int, ...]
    confidence: float
    factors: tuple[Factor, ...]

    @property
    def reason(self) -> str:
        """The factors that lower the confidence, in words; else what makes it sure."""
        doubts = [factor.reason for factor in self.factors if factor.value < 1]
        return "; ".join(doubts) if doubts else "listed for every variant of the vehicle under the component's own name"


@dataclass(frozen=True, slots=True)
class Fits:
    """``fits`` best first; ``excluded`` counts articles of the component that are for another side, end, year or steering."""

    fits: tuple[Fit, ...]
    excluded: int


def side_of(asked: Side, steering: Steering) -> Side:
    """Driver and passenger side as left and right, where it is known on which side the driver sits."""
    if steering and asked in (Side.DRIVER, Side.PASSENGER):
        return Side.LEFT if (asked is Side.DRIVER) == (steering is Steering.LEFT) else Side.RIGHT
    return asked


def choose(rows: Iterable[Listed], target: Target, asked: Asked) -> Fits:
    """The articles of ``rows`` that the target means and the question allows."""
    place = {(row.group_key, row.category_key): rank for rank, row in reversed(list(enumerate(target.rows)))}
    last = len(target.rows)
    by_article: dict[int, list[Listed]] = defaultdict(list)
    for row in rows:
        if not target.names or row.name in target.names:
            by_article[row.article_key].append(row)
    fits: list[Fit] = []
    ranks: dict[int, int] = {}
    excluded = 0
    for key, listings in by_article.items():
        listings.sort(key=lambda row: (place.get((row.group_key, row.category_key), last), row.group_key, row.category_key))
        row = listings[0]
        facts = _facts(row, asked)
        if facts is None:
            excluded += 1
            continue
        found = {listing.variant_key for listing in listings}
        variants = tuple(variant for variant in asked.variants if variant in found)
        factors = (*_shared(asked, len(variants)), *_kind(row, target), *facts)
        confidence = 1.0
        for factor in factors:
            confidence *= factor.value
        ranks[key] = place.get((row.group_key, row.category_key), last)
        fits.append(Fit(row, variants, round(confidence, 4), factors))
    fits.sort(
        key=lambda fit: (
            -fit.confidence,
            ranks[fit.listed.article_key],
            fit.listed.brand,
            fit.listed.part_number,
            fit.listed.id,
        )
    )
    return Fits(tuple(fits), excluded)


def _shared(asked: Asked, fitting: int) -> Sequence[Factor]:
    share = fitting / len(asked.variants)
    return (
        Factor("vehicle", asked.vehicle, f"the vehicle is known with confidence {asked.vehicle:.2f}"),
        Factor("component", asked.component, f"the component was matched with score {asked.component:.2f}"),
        Factor("coverage", share, f"fits {fitting} of {len(asked.variants)} possible variants"),
    )


def _kind(row: Listed, target: Target) -> Sequence[Factor]:
    if not target.first_name or row.name == target.first_name:
        return ()
    return (Factor("kind", OTHER_KIND, f"listed as {row.name!r}"),)


def _facts(row: Listed, asked: Asked) -> list[Factor] | None:
    """Factors of side, position and steering; None where a fact excludes the article."""
    if asked.year and ((row.year_from and asked.year < row.year_from) or (row.year_to and asked.year > row.year_to)):
        return None
    factors: list[Factor] = []
    if row.steering:
        drive = "left-hand" if row.steering is Steering.LEFT else "right-hand"
        if asked.steering and asked.steering is not row.steering:
            return None
        if not asked.steering:
            factors.append(Factor("steering", STEERING_UNSAID, f"for {drive} drive only"))
    side = _side(row, asked)
    position = _position(row, asked)
    if side is None or position is None:
        return None
    return [*factors, *side, *position]


def _side(row: Listed, asked: Asked) -> list[Factor] | None:
    wanted, given = side_of(asked.side, asked.steering), side_of(row.side, asked.steering)
    if not wanted or wanted is Side.BOTH:
        return []
    if wanted is given:
        return [Factor("side", 1.0, f"for the {given.name.lower()} side")]
    if given is Side.BOTH:
        return [Factor("side", BOTH_SIDES, "for both sides")]
    if not given:
        return [Factor("side", SIDE_UNSAID, "the catalogue does not say the side")]
    # Left against right; and driver against left, which nobody can tell apart without the steering side.
    return None


def _position(row: Listed, asked: Asked) -> list[Factor] | None:
    wanted, given = asked.position, row.position
    if not wanted or wanted is Position.BOTH:
        return []
    if wanted is given:
        return [Factor("position", 1.0, f"for the {given.name.lower()}")]
    if given is Position.BOTH:
        return [Factor("position", BOTH_ENDS, "for front and rear")]
    if not given:
        return [Factor("position", POSITION_UNSAID, "the catalogue does not say front or rear")]
    return None
