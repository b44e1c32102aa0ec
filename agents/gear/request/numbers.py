"""Amounts of money as people write them: "$400", "400 €", "1.200,50 euros", "1,200", "1.5k".

A dot or comma before exactly three digits groups thousands; before one or two it is the decimal mark: prices have no third
decimal, so "1.200" is one thousand two hundred in every language. "$" alone is the US dollar. An amount without a currency
keeps an empty one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hexar.agents.gear.request.words import table

_TABLE = table("understanding")
#: Words that follow a number which is not a price ("under 3 kg").
_UNITS = "|".join(sorted((re.escape(unit) for unit in _TABLE["units"]), key=len, reverse=True))
_CODES: dict[str, str] = {
    mark: code for code, names in _TABLE["currencies"].items() for mark in (*names["symbols"], *names["words"])
}


def _alternatives(marks: list[str]) -> str:
    ordered = sorted(marks, key=len, reverse=True)
    return "|".join(re.escape(mark).replace("\\ ", r"\s+") + (r"(?!\w)" if mark[-1].isalpha() else "") for mark in ordered)


_MARKS = _alternatives(list(_CODES))
_DECIMALS = r"(?:[.,]\d{{1,2}})?"
_DIGITS = (
    r"[1-9]\d{{0,2}}(?:(?P<group{n}>[.,'’\u00a0])\d{{3}}(?:(?P=group{n})\d{{3}})*)" + _DECIMALS  # 1.200,50
    + r"|[1-9]\x20\d{{3}}" + _DECIMALS  # 1 200
    + r"|\d+" + _DECIMALS
)  # fmt: skip
#: 10^15 micros, the highest amount that a request may name.
_HIGHEST = 1_000_000_000.0


def amount_pattern(number: int) -> str:
    """A pattern of one amount in folded text; its groups carry ``number`` so that two fit into one expression."""
    digits = _DIGITS.format(n=number)
    return (
        rf"(?:(?P<before{number}>{_MARKS})\s*)?"
        rf"(?P<digits{number}>{digits})(?![.,]?\d)\s?(?P<kilo{number}>k(?!\w)|mil(?!\w))?"
        rf"(?:\s*(?P<after{number}>{_MARKS})|(?!\s*(?:{_UNITS})(?!\w)|\s*[%°\"″]|\w))"
    )


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount as it was read: micros of ``currency``, which is empty where none was written."""

    currency: str
    micros: int


def read_amount(match: re.Match[str], number: int) -> Amount | None:
    """The amount in the groups that carry ``number``; None where it is beyond what a request may name."""
    mark = match[f"before{number}"] or match[f"after{number}"] or ""
    value = parse_number(match[f"digits{number}"])
    if match[f"kilo{number}"]:
        value *= 1000
    if value > _HIGHEST:
        return None
    return Amount(_CODES.get(re.sub(r"\s+", " ", mark), ""), round(value * 1_000_000))


def parse_number(digits: str) -> float:
    """``digits`` with either decimal mark and any thousands mark. Raises ValueError where it is no number."""
    plain = re.sub(r"[\s'’\u00a0]", "", digits)
    last = max(plain.rfind("."), plain.rfind(","))
    if last < 0:
        return float(plain)
    decimals = plain[last + 1 :]
    whole = re.sub(r"[.,]", "", plain[:last])
    if len(decimals) == 3 and whole.strip("0"):
        return float(whole + decimals)
    return float(f"{whole}.{decimals}")
