"""From raw columns to canonical ones: each role's value, what can be computed, and what makes a row unreadable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hexar.agents.market.figures.sql import identifier
from hexar.agents.market.tables.columns import Column, cleaned
from hexar.agents.market.tables.currency import Money
from hexar.agents.market.tables.roles import DIMENSIONS, Type
from hexar.agents.market.tables.shapes.totals import Totals
from hexar.agents.market.tables.values import AMOUNT

_PRICE = "DECIMAL(18, 6)"
_EARLIEST, _LATEST = "CAST('1900-01-01' AS DATE)", "CAST('2199-12-31' AS DATE)"


@dataclass(frozen=True, slots=True)
class Check:
    """A value that must be readable: ``bad`` is true of a row in which it is not, ``text`` what stands there."""

    role: str
    column: str
    bad: str
    text: str
    reason: str


@dataclass(slots=True)
class Parsed:
    """How the canonical rows are made. ``can_stay``: every column has its type in the file."""

    columns: Sequence[Column]
    money: Money
    roles: dict[str, str] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    computed: dict[str, str] = field(default_factory=dict)
    wide_spend: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    can_stay: bool = True
    _inner: list[str] = field(default_factory=list)

    def inner(self, relation: str) -> str:
        """Every raw value parsed, beside its text."""
        return f"SELECT {', '.join(self._inner)} FROM {relation}"

    def leave_out(self, totals: Totals) -> None:
        """Let the lines that add up the others be no rows."""
        self.notes.extend(totals.notes)
        if totals.expression:
            self._inner.append(f"coalesce({totals.expression}, false) AS v_total")
            self._inner.append(f"{cleaned(totals.column)} AS t_total")
            self.checks.append(Check("total", totals.column, "v_total", "t_total", "adds up the other rows"))

    @property
    def bad(self) -> str:
        """True of a row that cannot be read; empty where every row can."""
        return " OR ".join(f"({check.bad})" for check in self.checks)

    def any_bad(self) -> str:
        """The same over the names that a sample gives the checks."""
        return " OR ".join(f"bad_{at}" for at in range(len(self.checks)))

    def canonical(self, inner: str, *, only_good: bool) -> str:
        """The canonical rows."""
        where = f" WHERE NOT ({self.bad})" if only_good else ""
        listed = ", ".join(f"{expression} AS {identifier(role)}" for role, expression in self.roles.items())
        spend = "".join(
            f", {identifier(f'v_spend_{at}')} AS {identifier(f'spend_{at}')}" for at in range(1, len(self.wide_spend) + 1)
        )
        return f"SELECT {listed}{spend} FROM ({inner}) AS parsed{where}"


def parse(columns: Sequence[Column], money: Money) -> Parsed:
    """How ``columns`` become canonical."""
    parsed = Parsed(columns, money)
    have: dict[str, str] = {}
    spend = [column for column in columns if column.role == "spend"]
    for column in columns:
        if not column.role or column.role == "currency" or (column.role == "spend" and len(spend) > 1):
            continue
        have[column.role] = _value(parsed, column, column.role, column.role)
    if len(spend) > 1 or (len(spend) == 1 and "channel" not in have):
        parsed.wide_spend = tuple(column.name for column in spend)
        for at, column in enumerate(spend, 1):
            _value(parsed, column, "spend", f"spend_{at}")
        total = " + ".join(f"coalesce({identifier(f'v_spend_{at}')}, 0)" for at in range(1, len(spend) + 1))
        have["spend"] = f"CAST({total} AS {AMOUNT})"
    if money.expression:
        parsed._inner.append(f"{money.expression} AS {identifier('v_currency')}")
        have["currency"] = identifier("v_currency")
        parsed.can_stay = False
    _compute(parsed, have)
    for role in ("date", *DIMENSIONS, "units", "revenue", "cost", "profit", "spend", "currency"):
        if role in have:
            parsed.roles[role] = have[role]
    return parsed


def _value(parsed: Parsed, column: Column, role: str, name: str) -> str:
    """Add a column's value to the inner rows, with what makes it unreadable; the name it has there."""
    value = identifier(f"v_{name}")
    text = identifier(f"t_{name}")
    parsed.can_stay = parsed.can_stay and column.typed
    if column.kind is Type.TEXT or role in DIMENSIONS:
        # A store or a product that is a number is named as it is written: 007 stays 007.
        named = f"CAST({identifier(column.name)} AS VARCHAR)" if column.typed else column.text
        parsed._inner.append(f"{named} AS {value}")
        return value
    parsed._inner.append(f"{column.sql(_PRICE if role in ('price', 'unit_cost') else AMOUNT)} AS {value}")
    parsed._inner.append(f"{identifier(column.name) if column.typed else column.raw} AS {text}")
    if not column.typed and not column.parts:
        text = cleaned(f"t_{name}")
    reason = f"is no {column.kind.value}" + (f" written as {column.format_name}" if column.format_name else "")
    # A date outside of these years is a mistake, or a damaged file.
    missing = (
        f"({value} IS NULL OR {value} NOT BETWEEN {_EARLIEST} AND {_LATEST})"
        if role == "date"
        else f"{value} IS NULL AND {text} IS NOT NULL"
    )
    parsed.checks.append(Check(role, column.name, missing, text, reason))
    return value


def _compute(parsed: Parsed, have: dict[str, str]) -> None:
    """Roles that no column has, from those that some have."""

    def make(role: str, needs: Sequence[str], expression: str, said: str) -> None:
        if role not in have and all(need in have for need in needs):
            have[role] = f"CAST({expression.format(**have)} AS {AMOUNT})"
            parsed.computed[role] = said

    make("revenue", ("units", "price"), "{units} * {price}", "units × price")
    make("cost", ("units", "unit_cost"), "{units} * {unit_cost}", "units × unit cost")
    make("revenue", ("cost", "profit"), "{cost} + {profit}", "cost + profit")
    make("profit", ("revenue", "cost"), "{revenue} - {cost}", "revenue − cost")
    make("cost", ("revenue", "profit"), "{revenue} - {profit}", "revenue − profit")
