# ruff: noqa: E501  # a pattern is read in one line
"""The columns of a raw table: what their values are, how they are written, what they mean."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hexar.agents.market.figures.sql import identifier, literal
from hexar.agents.market.tables import roles, values
from hexar.agents.market.tables.model import EMPTY
from hexar.agents.market.tables.roles import Type
from hexar.core.errors import InvalidArgument
from hexar.v1 import market_pb2 as pb

#: Rows among which a column's distinct values are sampled: the first ones, and as many spread over the rest.
SAMPLED_ROWS, LEAST_SAMPLED, SAMPLED_VALUES = 5000, 500, 1000
#: Values that the sample of a table with many columns may have in all.
SAMPLED_CELLS = 60_000
_LONGEST = max(len(word.encode()) for word in EMPTY)
#: Types that a file or a warehouse gives its columns, beside text.
TYPES = {
    "DATE": Type.DATE, "TIMESTAMP": Type.DATE,
    **dict.fromkeys(
        ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "FLOAT",
         "DOUBLE", "DECIMAL"),
        Type.NUMBER,
    ),
}  # fmt: skip
#: Share of the dates of a column that may be in the other order, and are taken for slips.
MIXED = 0.01
#: Fewer columns named by periods than this are columns of their own.
MIN_PERIODS = 3


@dataclass(slots=True)
class Column:
    """A raw column. ``typed``: the file gives the type, and there is no text to parse."""

    name: str
    kind: Type
    typed: bool
    #: Its numbers may be what no decimal is: NaN, infinite.
    floating: bool = False
    date: values.DateFormat | None = None
    number: values.NumberFormat | None = None
    role: str = ""
    confidence: float = 0.0
    alternatives: tuple[tuple[str, float], ...] = ()
    empty: int = 0
    notes: list[str] = field(default_factory=list)
    #: The columns that together are a date: year, month and day.
    parts: tuple[str, ...] = ()
    #: What its heading says that its numbers are multiples of: 1000 in "revenue (000 EUR)".
    scale: int = 1

    @property
    def format_name(self) -> str:
        """How its values are written, for people."""
        if self.date is not None:
            return self.date.name if self.date is not values.YMD else ""
        return self.number.name if self.number is not None else ""

    @property
    def raw(self) -> str:
        """An expression for what stands in the file, as text."""
        if self.parts:
            return " || '-' || ".join(f"trim(CAST({identifier(part)} AS VARCHAR))" for part in self.parts)
        return f"CAST({identifier(self.name)} AS VARCHAR)"

    @property
    def text(self) -> str:
        """The same without space around it, NULL where it means "no value"."""
        return self.raw if self.parts else cleaned(self.name)

    def sql(self, kind: str = values.AMOUNT) -> str:
        """An expression for its value, with its type."""
        if self.typed:
            if self.kind is Type.NUMBER:
                # Whole numbers and decimals are added up as they are: an expression over them only costs.
                return self._scaled(in_range(identifier(self.name), kind) if self.floating else identifier(self.name), kind)
            return f"CAST({identifier(self.name)} AS {'DATE' if self.kind is Type.DATE else 'VARCHAR'})"
        # What means "no value" is no date and no number, and need not be taken out before.
        if self.kind is Type.DATE and self.date is not None:
            return self.date.sql(self.raw)
        if self.kind is Type.NUMBER and self.number is not None:
            return self._scaled(self.number.sql(self.raw, kind), kind)
        return self.text

    def _scaled(self, value: str, kind: str) -> str:
        return value if self.scale == 1 else f"TRY_CAST({value} * {self.scale} AS {kind})"


def in_range(value: str, kind: str) -> str:
    """A floating number as a decimal; NULL where it is none: NaN and the infinities compare as larger than any."""
    most = 10 ** (18 - int(kind.rpartition(",")[2].rstrip(")"))) - 1
    return f"CASE WHEN {value} > -{most} AND {value} < {most} THEN CAST({value} AS {kind}) END"


def cleaned(name: str) -> str:
    """The text of a column without space around it, NULL where it means "no value"."""
    raw = f"CAST({identifier(name)} AS VARCHAR)"
    # Most values are longer than any word for "no value" and stand without space: the engine looks closer at the others only.
    text = f"trim({raw})"
    words = ", ".join(map(literal, sorted(EMPTY)))
    return f"CASE WHEN {_bare(raw)} THEN {raw} WHEN lower({text}) IN ({words}) THEN NULL ELSE {text} END"


def filled(name: str) -> str:
    """One where a column has a value, NULL where it has none."""
    return f"CASE WHEN {_bare(f'CAST({identifier(name)} AS VARCHAR)')} THEN 1 WHEN {cleaned(name)} IS NOT NULL THEN 1 END"


def _bare(raw: str) -> str:
    return f"strlen({raw}) > {_LONGEST} AND NOT prefix({raw}, ' ') AND NOT suffix({raw}, ' ')"


def period_columns(columns: Sequence[str], given: Mapping[str, Sequence[str]]) -> list[str]:
    """The columns whose names are periods ("Jan 2024", "2024-01", "Q1 2024"), where a table has one for each and no date."""
    if any(role == "date" and names for role, names in given.items()):
        return []
    wide = [name for name in columns if _is_period(name)]
    if len(wide) < MIN_PERIODS or any(
        roles.confidence(roles.ROLES["date"], name, Type.DATE) >= 0.9 for name in columns if name not in wide
    ):
        return []
    return wide


def _is_period(name: str) -> bool:
    return any(known.name != "Ymd" and known.matches(name) for known in values.DATE_FORMATS)


def find_columns(
    cursor: Any,
    relation: str,
    names: Sequence[str],
    typed: Mapping[str, str],
    given: Mapping[str, Sequence[str]],
    options: pb.TableOptions,
) -> list[Column]:
    """Every column with its type, format and role."""
    count = int(cursor.execute(f"SELECT count(*) FROM {relation}").fetchone()[0])
    samples = _samples(cursor, relation, [name for name in names if name not in typed], count)
    numbers = {name: values.number_format(sample) for name, sample in samples.items()}
    decimal = options.decimal_separator or _decimal(samples, numbers)
    columns = [
        Column(name, TYPES[typed[name]], True, floating=typed[name] in ("FLOAT", "DOUBLE"))
        if name in typed
        else _untyped(name, samples[name], numbers[name], decimal, given)
        for name in names
    ]
    if relation.startswith("read_parquet"):
        # Text that is no date and no number has the type that it needs.
        for column in columns:
            column.typed = column.typed or column.kind is Type.TEXT
    assigned = roles.assign({column.name: column.kind for column in columns}, given)
    for column in columns:
        found = assigned[column.name]
        column.role, column.confidence, column.alternatives = found.role, found.confidence, found.alternatives
        _check_given(column, given)
        _scale(column)
    if "date" not in given:
        _only_dates(columns)
    if not any(column.role == "date" for column in columns) and "date" not in given:
        composed = _composed(cursor, relation, columns, count)
        if composed is not None:
            columns.append(composed)
    counts = ", ".join(
        f"count({identifier(column.name) if column.typed else filled(column.name)})" for column in columns if not column.parts
    )
    row = cursor.execute(f"SELECT {counts} FROM {relation}").fetchone()
    for column, values_in_it in zip((column for column in columns if not column.parts), row, strict=True):
        column.empty = count - values_in_it
    for column in columns:
        if column.role == "date" and not column.typed:
            _order(cursor, relation, column, columns, options)
        if column.role and column.number is not None and column.number.ambiguous:
            column.notes.append(
                f"{column.name}: every separator in it could divide thousands or decimals; it was taken as "
                f"{'a decimal comma' if column.number.decimal == ',' else 'a decimal point'} (decimal_separator decides)"
            )
    return columns


_SCALES = (
    (1000, re.compile(r"\b(?:in )?thousands\b|\ben miles\b|\bmiles de\b|\(\W*(?:[A-Z]{3})?\W*'?000'?s?\W*(?:[A-Z]{3})?\W*\)|['’]000s?\b|\b[kK] ?(?:€|\$|£|EUR\b|USD\b|GBP\b)|[€$£] ?[kK]\b|\bT(?:€|EUR\b)")),
    (10**6, re.compile(r"\b(?:in )?millions\b|\b(?:en )?millones\b|\b(?:M|MM|mn|Mio\.?) ?(?:€|\$|£|EUR\b|USD\b|GBP\b)|[€$£] ?(?:M|MM|mn)\b")),
)  # fmt: skip
#: Roles whose values are counted, and may be counted in thousands.
_COUNTED = frozenset(("revenue", "profit", "cost", "spend", "units"))


def _scale(column: Column) -> None:
    """What a heading says that a column's numbers are multiples of."""
    if column.role not in _COUNTED or column.kind is not Type.NUMBER:
        return
    found = next((scale for scale, pattern in _SCALES if pattern.search(column.name)), 1)
    if found > 1:
        column.scale = found
        column.notes.append(
            f"{column.name}: its numbers are in {'thousands' if found == 1000 else 'millions'}, as its heading says"
        )


def _only_dates(columns: Sequence[Column]) -> None:
    """The one column that holds dates is the date, whatever it is called."""
    dated = [column for column in columns if column.kind is Type.DATE]
    if len(dated) == 1 and not dated[0].role:
        dated[0].role, dated[0].confidence = "date", roles.SURE
        dated[0].notes.append(f"{dated[0].name} is the date: no other column holds dates")


def _samples(cursor: Any, relation: str, names: Sequence[str], count: int) -> dict[str, list[str]]:
    """Some distinct values of each column, out of the first rows; of a text also out of rows spread over the rest."""
    if not names:
        return {}
    most = max(LEAST_SAMPLED, min(SAMPLED_ROWS, SAMPLED_CELLS // (2 * len(names))))
    step = max(1, count // most)
    # A Parquet file is not read from end to end for a sample.
    where = f" WHERE rowid < {most} OR rowid % {step} = 0" if relation in ("raw", "unfolded") else ""
    listed = ", ".join(f"CAST({identifier(name)} AS VARCHAR)" for name in names)
    # The engine's own DISTINCT over every column takes several times as long.
    rows = cursor.execute(f"SELECT {listed} FROM {relation}{where} LIMIT {2 * most}").fetchall()
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return {name: _spread(list(dict.fromkeys(values))) for name, values in zip(names, columns, strict=True)}


def _spread(values: Sequence[str | None]) -> list[str]:
    """Those that mean something out of at most so many, taken from the first to the last."""
    found = values[:: -(-len(values) // SAMPLED_VALUES) or 1]
    return [text for text in (value.strip() for value in found if value is not None) if text.lower() not in EMPTY]


def _decimal(samples: Mapping[str, Sequence[str]], numbers: Mapping[str, values.NumberFormat | None]) -> str:
    """The separator that the unambiguous columns have, where all agree: it decides the others."""
    found = {
        number.decimal
        for name, number in numbers.items()
        if number is not None and not number.ambiguous and any("," in text or "." in text for text in samples[name])
    }
    return found.pop() if len(found) == 1 else ""


def _untyped(
    name: str, sample: Sequence[str], number: values.NumberFormat | None, decimal: str, given: Mapping[str, Sequence[str]]
) -> Column:
    named = name in given.get("date", ()) or roles.confidence(roles.ROLES["date"], name, Type.DATE) >= roles.SURE
    wanted = next((role for role, columns in given.items() if name in columns), "")
    if wanted and roles.ROLES[wanted].types == frozenset((Type.TEXT,)):
        return Column(name, Type.TEXT, False)
    date = values.date_format(sample, named_date=named)
    if date is not None:
        return Column(name, Type.DATE, False, date=date)
    if number is None:
        return Column(name, Type.TEXT, False)
    return Column(name, Type.NUMBER, False, number=values.number_format(sample, decimal) if decimal else number)


def _check_given(column: Column, given: Mapping[str, Sequence[str]]) -> None:
    """A role that the caller gave must fit the values."""
    for role, names in given.items():
        if column.name in names and column.kind not in roles.ROLES[role].types and Type.TEXT not in roles.ROLES[role].types:
            wants = " or ".join(sorted(kind.value for kind in roles.ROLES[role].types))
            raise InvalidArgument(
                "options.columns", f"{column.name[:100]!r} holds {column.kind.value}, but the role {role} needs {wants}"
            )


def _composed(cursor: Any, relation: str, columns: Sequence[Column], count: int) -> Column | None:
    """A date out of columns that hold its year, its month or quarter, and its day."""
    by_word = {word: column for column in columns if not column.role for word in roles.words(column.name)[-1:]}

    def one(*names: str) -> Column | None:
        return next((by_word[name] for name in names if name in by_word), None)

    year = one("year", "ano", "anio", "jahr", "annee", "yr", "ejercicio")
    month = one("month", "mes", "monat", "mois") or one("quarter", "trimestre", "quartal")
    if year is None or month is None:
        return None
    day = one("day", "dia", "tag", "jour")
    parts = tuple(column.name for column in (year, month, day) if column is not None)
    made = Column(" + ".join(parts), Type.DATE, False, role="date", confidence=0.9, parts=parts)
    rows = cursor.execute(f"SELECT DISTINCT {made.text} AS v FROM {relation} LIMIT {SAMPLED_VALUES}").fetchall()
    made.date = values.date_format([row[0] for row in rows if row[0]], named_date=True)
    if made.date is None:
        return None
    made.notes.append(f"the date is made of the columns {', '.join(parts)}")
    return made


def _one_order(cursor: Any, relation: str, column: Column, counts: Mapping[values.DateFormat, int], total: int) -> None:
    """Refuse dates in both orders: those that fit either could not be told apart. A few slips are left to be rejected."""
    if max(counts.values()) >= total or min(counts.values()) == 0:
        return
    day, month = values.DMY.sql(column.raw), values.MDY.sql(column.raw)
    row = cursor.execute(
        f"SELECT count(*) FILTER ({day} IS NOT NULL AND {month} IS NULL), count(*) FILTER ({month} IS NOT NULL AND {day} IS NULL), "
        f"any_value({column.raw}) FILTER ({day} IS NOT NULL AND {month} IS NULL), "
        f"any_value({column.raw}) FILTER ({month} IS NOT NULL AND {day} IS NULL) FROM {relation}"
    ).fetchone()
    if min(row[0], row[1]) > max(1, MIXED * total):
        raise InvalidArgument(
            "options.date_order",
            f"{column.name[:100]!r} holds dates in two orders ({row[2]!r}, {row[3]!r}): which day most others are cannot be told; "
            "write them in one order, or choose one, and the others are rejected",
        )


def _order(cursor: Any, relation: str, column: Column, columns: Sequence[Column], options: pb.TableOptions) -> None:
    """Whether the day or the month stands first, by all rows."""
    if column.date not in (values.DMY, values.MDY):
        return
    if options.date_order in (pb.DATE_ORDER_DMY, pb.DATE_ORDER_MDY):
        column.date = values.DMY if options.date_order == pb.DATE_ORDER_DMY else values.MDY
        return
    text = column.raw
    row = cursor.execute(
        f"SELECT count({column.text}), count({values.DMY.sql(text)}), count({values.MDY.sql(text)}) FROM {relation}"
    ).fetchone()
    counts = {values.DMY: int(row[1]), values.MDY: int(row[2])}
    _one_order(cursor, relation, column, counts, int(row[0]))
    column.date, both = values.order_of_days(counts.__getitem__, int(row[0]))
    if not both:
        return
    comma = any(other.number is not None and other.number.decimal == "," for other in columns)
    days = {
        order: int(
            cursor.execute(
                f"SELECT count(DISTINCT EXTRACT(DAY FROM d)) FROM (SELECT {order.sql(text)} AS d FROM {relation})"
            ).fetchone()[0]
        )
        for order in (values.DMY, values.MDY)
    }
    if min(days.values()) == 1 < max(days.values()):
        # Under one reading every date is the first of a month: monthly figures.
        column.date = min(days, key=lambda order: days[order])
        why = "then every date is the first of a month"
    elif comma:
        column.date, why = values.DMY, "as where decimals have a comma"
    else:
        column.date, why = values.DMY, "as in most of the world"
    column.notes.append(
        f"{column.name}: day and month fit in either order; read as {column.date.name}, {why} (date_order decides)"
    )
