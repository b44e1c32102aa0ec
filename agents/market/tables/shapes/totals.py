# ruff: noqa: E501  # a pattern is read in one line
"""Lines of totals: rows that add up the others, and would count everything twice.

A label alone does not make one ("Total" is also a brand): the amounts of the lines so labelled must be the sum of all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hexar.agents.market.figures.sql import literal
from hexar.agents.market.tables.columns import Column
from hexar.agents.market.tables.roles import Type

#: Labels of a total of everything, and of one of a part; lower case.
WHOLE = (
    r"^(grand |gran |overall |report )?totals?( general| geral| général)?:?$|^totale?s?( general(es)?)?:?$|^(suma|summe|sum|somme|soma)( total)?:?$"
    r"|^(gesamt(summe)?|insgesamt|overall|samtliche|sämtliche)$|^(all|alle|todos|todas|tous|toutes)( [a-záéíóúñçäöü]+){0,2}$"
)
PART = r"^(sub[- ]?)?(total|suma|summe|subtotal|zwischensumme)[ :-].{1,60}$|^.{1,60}[ -](sub[- ]?)?total$|^sub[- ]?total$"
#: Amounts that add up.
_ADDED = ("revenue", "units", "cost", "profit", "spend")
#: Rows above which a table is read for labels only where a sample has one; rows of that sample at either end.
SCANNED, SAMPLED = 50_000, 5_000
_COLUMNS = 12


@dataclass(frozen=True, slots=True)
class Totals:
    """``expression`` is true of a line of totals, over the raw rows; empty: there is none. ``column`` holds the label."""

    expression: str = ""
    column: str = ""
    notes: tuple[str, ...] = ()


def find_totals(cursor: Any, relation: str, columns: Sequence[Column]) -> Totals:
    """The lines of totals of a raw table."""
    labelled = [column for column in columns if column.kind is Type.TEXT and not column.parts][:_COLUMNS]
    added = [column for column in columns if column.role in _ADDED and column.kind is Type.NUMBER]
    if not labelled or not added or not _may_have(cursor, relation, labelled):
        return Totals()
    whole = [f"coalesce(regexp_matches({_label(column)}, {literal(WHOLE)}), false)" for column in labelled]
    part = [f"coalesce(regexp_matches({_label(column)}, {literal(PART)}), false)" for column in labelled]
    mark = " || ".join(
        f"CASE WHEN {one} THEN '2' WHEN {other} THEN '1' ELSE '0' END" for one, other in zip(whole, part, strict=True)
    )
    sums = ", ".join(f"sum({column.sql()}), count({column.sql()})" for column in added)
    rows = cursor.execute(f"SELECT {mark} AS mark, count(*), {sums} FROM {relation} GROUP BY ALL").fetchall()
    none = "0" * len(labelled)
    base = next((row for row in rows if row[0] == none), None)
    if base is None or len(rows) == 1:
        return Totals()
    found = [row for row in rows if row[0] != none and _is_sum(row, base)]
    left = sum(row[1] for row in rows if row[0] != none and row not in found and "2" in row[0])
    notes = []
    if left:
        notes.append(f"{left} rows are labelled as totals and are not the sum of the others: they are counted as rows")
    if not found:
        return Totals(notes=tuple(notes))
    count = sum(row[1] for row in found)
    notes.append(
        f"{count} {'row adds' if count == 1 else 'rows add'} up the others and {'is' if count == 1 else 'are'} left out"
    )
    marks = ", ".join(literal(row[0]) for row in found)
    label = labelled[next(at for at, digit in enumerate(found[0][0]) if digit != "0")]
    return Totals(f"({mark}) IN ({marks})", label.name, tuple(notes))


def _label(column: Column) -> str:
    return f"lower({column.text})"


def _may_have(cursor: Any, relation: str, labelled: Sequence[Column]) -> bool:
    """Whether any label is a total's: of all rows of a small table, of the first and last ones of a large one."""
    count = int(cursor.execute(f"SELECT count(*) FROM {relation}").fetchone()[0])
    either = literal(f"{WHOLE}|{PART}")
    test = " OR ".join(f"regexp_matches({_label(column)}, {either})" for column in labelled)
    where = f"({test})"
    if count > SCANNED:
        if relation not in ("raw", "unfolded"):
            return False
        where = f"(rowid < {SAMPLED} OR rowid >= {count - SAMPLED}) AND {where}"
    return bool(cursor.execute(f"SELECT 1 FROM {relation} WHERE {where} LIMIT 1").fetchall())


def _is_sum(row: Sequence[Any], base: Sequence[Any]) -> bool:
    """Whether the amounts of some lines are those of all others, to a rounding of half a hundredth a row."""
    compared = 0
    for at in range(2, len(base), 2):
        theirs, others = row[at], base[at]
        if theirs is None or others is None or not others:
            continue
        slack = 0.005 * (int(base[at + 1]) + 1) + 1e-9 * abs(float(others))
        if abs(float(theirs) - float(others)) > min(slack, 0.02 * abs(float(others)) + 0.01):
            return False
        compared += 1
    return compared > 0
