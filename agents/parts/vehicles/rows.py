"""The vehicles of a catalogue as rows, and what a description of one was taken for."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ManufacturerRow:
    key: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ModelRow:
    key: int
    id: str
    name: str
    manufacturer_key: int
    year_from: int
    year_to: int


@dataclass(frozen=True, slots=True)
class VariantRow:
    key: int
    id: str
    name: str
    model_key: int
    manufacturer_key: int
    year_from: int
    year_to: int
    engine_codes: tuple[str, ...]
    fuel: str
    capacity_cc: int
    power_kw: int
    cylinders: int
    body: str


@dataclass(frozen=True, slots=True)
class Match:
    """A variant, or a model where ``variant`` is None."""

    model: ModelRow
    variant: VariantRow | None
    confidence: float
    reasons: tuple[str, ...]


@dataclass(slots=True)
class Resolution:
    """What a description was taken for. ``manufacturer`` is None where the make is not known."""

    manufacturer: ManufacturerRow | None = None
    models: list[ModelRow] = field(default_factory=list)
    variants: list[Match] = field(default_factory=list)
    alternatives: list[Match] = field(default_factory=list)
    confidence: float = 0.0
    notes: list[str] = field(default_factory=list)
