"""What an importer hands to the writer: the rows of a catalogue by the publisher's ids."""

from dataclasses import dataclass, field
from enum import IntEnum


class Side(IntEnum):
    """The contract's Side, by number."""

    UNSPECIFIED = 0
    LEFT = 1
    RIGHT = 2
    BOTH = 3
    DRIVER = 4
    PASSENGER = 5


class Position(IntEnum):
    """The contract's Position, by number."""

    UNSPECIFIED = 0
    FRONT = 1
    REAR = 2
    BOTH = 3


class Steering(IntEnum):
    """The contract's SteeringSide, by number; an article for both is UNSPECIFIED."""

    UNSPECIFIED = 0
    LEFT = 1
    RIGHT = 2


@dataclass(frozen=True, slots=True)
class Manufacturer:
    """``id`` is unique in the catalogue, as in every record here."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model line or generation; a year of 0 is not known (``year_to``: or still produced)."""

    id: str
    name: str
    manufacturer_id: str
    year_from: int = 0
    year_to: int = 0


@dataclass(frozen=True, slots=True)
class Variant:
    """A model with one engine. Years as in Model; numbers of 0 and empty texts are not known."""

    id: str
    name: str
    model_id: str
    year_from: int = 0
    year_to: int = 0
    engine_codes: tuple[str, ...] = ()
    fuel: str = ""
    capacity_cc: int = 0
    power_kw: int = 0
    cylinders: int = 0
    body: str = ""


@dataclass(frozen=True, slots=True)
class Article:
    """A supplier's product. ``details`` are (name, value), ``oem`` are (vehicle maker, number), both in source order."""

    id: str
    name: str
    part_number: str = ""
    brand: str = ""
    supplier_id: str = ""
    products_id: str = ""
    image_url: str = ""
    side: Side = Side.UNSPECIFIED
    position: Position = Position.UNSPECIFIED
    steering: Steering = Steering.UNSPECIFIED
    year_from: int = 0
    year_to: int = 0
    details: tuple[tuple[str, str], ...] = field(default=())
    oem: tuple[tuple[str, str], ...] = field(default=())
