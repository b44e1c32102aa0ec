"""What a table's amounts are counted in: told by the caller, a column, a sign by the numbers or a heading; never guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hexar.agents.market.tables.columns import Column
from hexar.agents.market.tables.model import UNKNOWN_CURRENCY
from hexar.agents.market.tables.values import SIGNS
from hexar.v1 import market_pb2 as pb

#: Roles whose values are amounts of money.
AMOUNTS = ("revenue", "profit", "cost", "price", "unit_cost", "spend")
#: Codes that are looked for in headings: what else has three capitals there is no currency.
CODES = frozenset(
    [
        "USD", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "NZD", "CNY", "HKD", "SGD", "INR", "KRW", "MXN", "BRL", "ARS",
        "CLP", "COP", "PEN", "UYU", "BOB", "PYG", "VES", "CRC", "GTQ", "DOP", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF",
        "RON", "BGN", "TRY", "RUB", "UAH", "ILS", "AED", "SAR", "QAR", "KWD", "EGP", "ZAR", "NGN", "KES", "MAD", "THB",
        "IDR", "MYR", "PHP", "VND", "TWD", "PKR",
    ]
)  # fmt: skip
MANY = 50


@dataclass(frozen=True, slots=True)
class Money:
    """``code`` is empty where it is unknown or several; ``expression`` gives each row's currency where rows differ."""

    code: str
    currencies: tuple[str, ...]
    unit: str
    expression: str = ""
    notes: tuple[str, ...] = ()


def money(cursor: Any, relation: str, columns: Sequence[Column], options: pb.TableOptions) -> Money:
    """The currency of a raw table."""
    if options.currency_code:
        return Money(options.currency_code, (options.currency_code,), options.currency_code)
    expression = next((f"upper({column.text})" for column in columns if column.role == "currency"), "")
    amounts = [column for column in columns if column.role in AMOUNTS]
    if not expression:
        marked = [column for column in amounts if column.number is not None and column.number.signs]
        if marked and (
            any(len(column.number.signs) > 1 for column in marked if column.number)
            or len({column.number.signs for column in marked if column.number}) > 1
        ):
            parts = [column.number.currency_sql(column.text) for column in marked if column.number]
            expression = f"coalesce({', '.join(parts)})" if len(parts) > 1 else parts[0]
        elif marked and marked[0].number is not None:
            return _one(marked[0].number.signs[0])
    if expression:
        rows = cursor.execute(f"SELECT DISTINCT {expression} AS c FROM {relation} LIMIT {MANY}").fetchall()
        found = tuple(sorted(row[0] for row in rows if row[0]))
        if len(found) == 1:
            return _one(found[0])
        note = f"its amounts are in {', '.join(found[:8])}: they are never added up, and an analysis must choose one"
        return Money("", found, UNKNOWN_CURRENCY, expression, (note,)) if found else _unknown(())
    named = {code for column in amounts if (code := in_heading(column.name))}
    if len(named) == 1:
        return _one(named.pop())
    return _unknown(("its headings name several currencies: " + ", ".join(sorted(named)),) if named else ())


def _one(code: str) -> Money:
    known = code if re.fullmatch(r"[A-Z]{3}", code) else ""
    return Money(known, (code,), code or UNKNOWN_CURRENCY)


def _unknown(notes: tuple[str, ...]) -> Money:
    return Money("", (), UNKNOWN_CURRENCY, notes=notes)


def in_heading(name: str) -> str:
    """The currency that a heading names; empty: none."""
    word: str
    for word in re.findall(r"[A-Z]{3}", name.upper()) if any(mark in name for mark in "()[]_ -") else ():
        if word in CODES and re.search(rf"(^|[^A-Z]){word}($|[^A-Z])", name.upper()):
            return word
    return next((SIGNS[sign] for sign in ("€", "£", "₹", "R$", "US$", "$") if sign in name), "")
