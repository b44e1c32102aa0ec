"""Small readers of the values that catalogues write: years, powers, capacities, fitting positions."""

import re
from collections.abc import Iterable

from hexar.agents.parts.catalogue.records import Position, Side, Steering

_YEAR = re.compile(r"\b(18[89]\d|19\d\d|20\d\d)\b")
_CAPACITY = re.compile(r"([\d.,]+)\s*(?:ccm|cc|cm3)\b", re.IGNORECASE)
_LITRES = re.compile(r"(\d{1,2}[.,]\d)\s*l\b", re.IGNORECASE)
_KILOWATTS = re.compile(r"(\d+(?:[.,]\d+)?)\s*kw\b", re.IGNORECASE)
_HORSEPOWER = re.compile(r"(\d+(?:[.,]\d+)?)\s*(?:ps|hp|bhp|cv)\b", re.IGNORECASE)
_WORDS = re.compile(r"[a-z]+")


def identifier(value: object) -> str | None:
    """An id as text: a non-empty string without control characters or an integer; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        text = value.strip()
        if text and len(text) <= 200 and text.isprintable() and "\ufffd" not in text:
            return text
    return None


def label(value: object) -> str | None:
    """A name: a non-empty string of at most 400 characters with its space collapsed; None for anything else."""
    if not isinstance(value, str):
        return None
    text = " ".join(value.split())
    return text if text and len(text) <= 400 and "\ufffd" not in text and "\x00" not in text else None


def optional(value: object) -> str:
    """A text or number as text; empty where it is absent, null or something else."""
    if isinstance(value, str):
        return " ".join(value.replace("\x00", " ").split())
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return ""


def years(first: object, last: object = None) -> tuple[int, int]:
    """(from, to) of two dates, or of one text that holds both; 0 where a year is missing.

    A range that ends before it begins keeps only its beginning.
    """
    found = [int(match) for match in _YEAR.findall(optional(first))]
    begin = found[0] if found else 0
    end = found[1] if len(found) > 1 else 0
    closing = _YEAR.findall(optional(last))
    if closing:
        end = int(closing[0])
    if begin and end and end < begin:
        end = 0
    return begin, end


def capacity_cc(value: object) -> int:
    """Cubic centimetres of "1,390 CCM / 1.4 L"; of "1.4 L" where no cubic centimetres are given."""
    text = optional(value)
    if match := _CAPACITY.search(text):
        digits = re.sub(r"\D", "", match[1])
        return int(digits) if digits and len(digits) <= 6 else 0
    if match := _LITRES.search(text):
        return round(float(match[1].replace(",", ".")) * 1000)
    return 0


def power_kw(value: object) -> int:
    """Kilowatts of "110 KW / 150 PS"; converted where only horsepower is given."""
    text = optional(value)
    if match := _KILOWATTS.search(text):
        return round(float(match[1].replace(",", ".")))
    if match := _HORSEPOWER.search(text):
        return round(float(match[1].replace(",", ".")) * 0.7355)
    return 0


def whole(value: object) -> int:
    """A small whole number, 0 where there is none."""
    text = optional(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else 0


def fitting(text: str) -> tuple[Side, Position]:
    """Side and position of a fitting position: "Front Axle Left", "both sides", "Driver side".

    "in front of axle" and "behind the axle" tell a place beside an axle, not an end of the vehicle.
    """
    lowered = text.casefold()
    if "in front of" in lowered or "behind" in lowered:
        return Side.UNSPECIFIED, Position.UNSPECIFIED
    words = set(_WORDS.findall(lowered))
    left, right = "left" in words, "right" in words
    front, rear = "front" in words, "rear" in words
    side = Side.UNSPECIFIED
    if (left and right) or "both" in words:
        side = Side.BOTH
    elif left:
        side = Side.LEFT
    elif right:
        side = Side.RIGHT
    elif "driver" in words or "drivers" in words:
        side = Side.DRIVER
    elif "passenger" in words or "passengers" in words:
        side = Side.PASSENGER
    position = Position.UNSPECIFIED
    if front and rear:
        position = Position.BOTH
    elif front:
        position = Position.FRONT
    elif rear:
        position = Position.REAR
    return side, position


def steering(text: str) -> Steering:
    """The steering side an article is for: "for left-hand drive vehicles"; UNSPECIFIED for both or neither."""
    lowered = text.casefold()
    left, right = "left" in lowered, "right" in lowered
    if left == right:
        return Steering.UNSPECIFIED
    return Steering.LEFT if left else Steering.RIGHT


def engine_codes(value: object) -> tuple[str, ...]:
    """Engine codes split at commas, semicolons and space, without repeats, in order."""
    return tuple(dict.fromkeys(code for code in re.split(r"[,;/\s]+", optional(value)) if code))


def common_lead(names: Iterable[str]) -> str:
    """The words that all names begin with, never the whole of one: the manufacturer in "SEAT 124", "SEAT 127 (127A)"."""
    shared: list[str] | None = None
    for name in names:
        words = name.split()[:-1]
        if shared is None:
            shared = words
        else:
            length = 0
            for mine, other in zip(shared, words, strict=False):
                if mine != other:
                    break
                length += 1
            shared = shared[:length]
    return " ".join(shared or [])
