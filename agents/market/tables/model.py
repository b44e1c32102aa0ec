"""A table once it has been read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from hexar.agents.market.tables.roles import DIMENSIONS, MEASURES
from hexar.v1 import market_pb2 as pb

#: Texts that mean "no value".
EMPTY = frozenset(("", "na", "n/a", "nan", "null", "none", "nil", "-", "--", "#n/a", "s/d", "?"))
#: What money is counted in where nothing says.
UNKNOWN_CURRENCY = "currency unknown"


@dataclass(frozen=True, slots=True)
class Profile:
    """What the tools need to know of a table before they read it.

    ``select`` makes the canonical columns (named as their roles) in the engine's words, over files or a relation; ``distinct``
    counts the values of each dimension, roughly; ``wide_spend`` names the channels of spend columns (``spend_1`` and on).
    """

    roles: tuple[str, ...]
    distinct: Mapping[str, int]
    first: dt.date | None
    last: dt.date | None
    rows: int
    currencies: tuple[str, ...] = ()
    money_unit: str = UNKNOWN_CURRENCY
    wide_spend: tuple[str, ...] = ()
    select: str = ""
    #: The values of dimensions that have few, for questions in words.
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Dates that name whole periods, "month" or "quarter": every one is a period's first day. Empty: they are days.
    step: str = ""

    def encode(self) -> str:
        """As it is kept in the store."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return orjson.dumps(values | {"distinct": dict(self.distinct), "values": dict(self.values)}).decode()

    @classmethod
    def decode(cls, text: str) -> Profile:
        """From the store."""
        values: dict[str, Any] = orjson.loads(text)
        for name in ("first", "last"):
            values[name] = dt.date.fromisoformat(values[name]) if values[name] else None
        for name in ("roles", "currencies", "wide_spend"):
            values[name] = tuple(values[name])
        values["values"] = {role: tuple(known) for role, known in values["values"].items()}
        return cls(**values)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The dimensions that the table has."""
        return tuple(name for name in DIMENSIONS if name in self.roles)

    @property
    def measures(self) -> tuple[str, ...]:
        """The measures that the table has."""
        return tuple(name for name in MEASURES if name in self.roles)


@dataclass(frozen=True, slots=True)
class ReadTable:
    """What reading a table gave: its description for callers, its profile for the tools."""

    description: pb.Table
    profile: Profile
    #: The copy of the rows that the reading made, by its file name; empty where the files are read in place.
    copy: str = ""
    warnings: tuple[str, ...] = field(default=())
