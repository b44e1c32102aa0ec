"""Vehicle identification numbers: ISO 3779 characters, the check digit and the model year of 49 CFR 565.

Position 9 is a check digit by law in North America only (first character 1 to 5); elsewhere it may be anything, so a
mismatch there is reported but refutes nothing. Position 10 repeats every 30 years; position 7 tells the two apart for North
American passenger vehicles (a letter: 2010 or later). The first three characters name the make (ISO 3780), unless the third
is a 9: that one is shared by makers of few vehicles, and positions 12 to 14 tell which.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from hexar.agents.parts.data import load

_VALID = re.compile(r"[A-HJ-NPR-Z0-9]{17}")
_VALUES = {
    **{str(digit): digit for digit in range(10)},
    **dict(zip("ABCDEFGH", range(1, 9), strict=True)),
    **dict(zip("JKLMN", range(1, 6), strict=True)),
    "P": 7,
    "R": 9,
    **dict(zip("STUVWXYZ", range(2, 10), strict=True)),
}
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_YEARS = "ABCDEFGHJKLMNPRSTVWXY123456789"
_REGIONS = (
    ("AH", "Africa"),
    ("JR", "Asia"),
    ("SZ", "Europe"),
    ("15", "North America"),
    ("67", "Oceania"),
    ("89", "South America"),
)


@dataclass(frozen=True, slots=True)
class Vin:
    """What a VIN says by itself; ``problem`` is set where it cannot be one."""

    text: str
    check_digit_valid: bool = False
    check_digit_required: bool = False
    model_years: tuple[int, ...] = ()
    make: str = ""
    region: str = ""
    problem: str = ""


def check_digit(vin: str) -> str:
    """The character that position 9 must be; ``vin`` has 17 valid characters."""
    remainder = sum(_VALUES[char] * weight for char, weight in zip(vin, _WEIGHTS, strict=True)) % 11
    return "X" if remainder == 10 else str(remainder)


@cache
def _makers() -> dict[str, str]:
    return {str(code): make for make, codes in load("vehicles.yaml")["wmi"].items() for code in codes}


def read_vin(text: str) -> Vin:
    """Read a VIN; spaces and hyphens are ignored."""
    vin = re.sub(r"[\s\-]", "", text).upper()
    if len(vin) != 17:
        return Vin(vin[:40], problem=f"a VIN has 17 characters, this one {len(vin)}")
    if not _VALID.fullmatch(vin):
        return Vin(vin, problem="a VIN has letters A to Z without I, O and Q, and digits")
    required = vin[0] in "12345"
    valid = check_digit(vin) == vin[8]
    region = next((name for span, name in _REGIONS if span[0] <= vin[0] <= span[1]), "")
    problem = ""
    if required and not valid:
        problem = f"the check digit (position 9) is {vin[8]}, it must be {check_digit(vin)}"
    return Vin(vin, valid, required, _model_years(vin, required), _make(vin), region, problem)


def _make(vin: str) -> str:
    return _makers().get(vin[:3] + vin[11:14] if vin[2] == "9" else vin[:3], "")


def _model_years(vin: str, north_american: bool) -> tuple[int, ...]:
    place = _YEARS.find(vin[9])
    if place < 0:
        return ()
    latest = datetime.now(UTC).year + 1
    years = tuple(year for year in (1980 + place, 2010 + place, 2040 + place) if year <= latest)
    if north_american and len(years) > 1:
        return years[-1:] if vin[6].isalpha() else years[:1]
    return years
