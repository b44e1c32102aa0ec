"""Sums of a table by groups, written once for every engine.

Everything that a tool tells is computed from :meth:`Frame.groups`: the sums of all measures by some keys. Sums are decimals, so
that they are right to the last digit and equal whatever the order of the additions; ratios are made of them outside the engine.
That makes the three levels, and the engines, give the same figures:

``none``     each tool's every request is a scan of its own
``partial``  equal requests of all tools are one scan
``full``     all requests are foreseen, and answered by one scan, or two: one into a cube from which many are added up
"""

from __future__ import annotations

import datetime as dt
import math
import operator
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol, TypeVar

from hexar.agents.market.figures.sql import identifier, literal, translate
from hexar.agents.market.tables.model import EMPTY, Profile
from hexar.agents.transport.cancel import Cancel

#: Keys that are made of the date: the period of a series, and the span of a comparison.
PERIOD, SPAN = "period", "span"
#: Values of :data:`SPAN`.
OTHER, PREVIOUS, CURRENT = 0, 1, 2
#: A dimension with more values than this is ranked in the engine: only the best and the worst leave it.
MANY = 2000
#: A table with fewer rows is read twice for less than a cube costs.
SMALL = 50_000
#: A cube with more cells than this share of the rows saves nothing.
CUBE_SHARE = 0.1
_EVERY, _IN_WINDOW = frozenset((OTHER, PREVIOUS, CURRENT)), frozenset((OTHER, CURRENT))
#: The period of rows that lie outside the window of a series.
_NO_PERIOD = dt.date(1, 1, 1)
ZERO = Decimal(0)

Keys = tuple[str, ...]
T = TypeVar("T")


class Source(Protocol):
    """Where a table is: it runs a statement in its dialect and gives the rows of the aggregate."""

    @property
    def dialect(self) -> str: ...

    def rows(self, statement: str, cancel: Cancel) -> Sequence[tuple[Any, ...]]: ...


@dataclass(frozen=True, slots=True)
class Days:
    """A span of days, both ends included."""

    first: dt.date
    last: dt.date

    def sql(self) -> str:
        """True of a row in it."""
        return f"date BETWEEN CAST('{self.first}' AS DATE) AND CAST('{self.last}' AS DATE)"


@dataclass(frozen=True, slots=True)
class Condition:
    """A filter on one dimension; ``values`` are compared without case."""

    role: str
    values: tuple[str, ...]
    exclude: bool = False

    def sql(self) -> str:
        """True of a row that is kept."""
        listed = ", ".join(literal(value.strip().lower()) for value in self.values)
        column = f"lower(trim(CAST({identifier(self.role)} AS VARCHAR)))"
        return f"({column} NOT IN ({listed}) OR {column} IS NULL)" if self.exclude else f"{column} IN ({listed})"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rows, and how time is cut.

    ``window`` is what totals and series are of; None: the table has no dates. ``filtered``: the caller cut the window, and
    ``previous`` lies before it; rows outside of both are not read. ``currency``: only rows of it.
    """

    window: Days | None
    current: Days | None
    previous: Days | None
    granularity: str = "month"
    conditions: tuple[Condition, ...] = ()
    currency: str = ""
    filtered: bool = False

    def where(self) -> str:
        """True of every row that any figure needs."""
        parts = [condition.sql() for condition in self.conditions]
        if self.currency:
            parts.append(f"currency = {literal(self.currency)}")
        if self.filtered and self.window is not None:
            span = f"({self.window.sql()})"
            parts.append(f"({span} OR ({self.previous.sql()}))" if self.previous is not None else span)
        return " AND ".join(parts) or "TRUE"

    def span(self) -> str:
        """The span of a row."""
        if self.current is None or self.previous is None:
            return str(OTHER)
        return f"CASE WHEN {self.current.sql()} THEN {CURRENT} WHEN {self.previous.sql()} THEN {PREVIOUS} ELSE {OTHER} END"

    def period(self) -> str:
        """The first day of a row's period; a day that is none outside the window."""
        assert self.window is not None
        trunc = f"CAST(date_trunc({literal(self.granularity)}, date) AS DATE)"
        return f"CASE WHEN {self.window.sql()} THEN {trunc} ELSE CAST('{_NO_PERIOD}' AS DATE) END"

    @property
    def totals(self) -> frozenset[int]:
        """The spans that make up the window."""
        return _IN_WINDOW if self.filtered else _EVERY


class Sums:
    """The sums of a group: ``rows`` counts, the others by measure; a measure of which no row had a value is zero."""

    __slots__ = ("rows", "values")

    def __init__(self, rows: int, values: tuple[Decimal, ...]) -> None:
        self.rows = rows
        self.values = values

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.rows + other.rows, tuple(map(operator.add, self.values, other.values)))


Groups = Mapping[tuple[Any, ...], Sums]


@dataclass(slots=True)
class Ranked:
    """The best and the worst of a dimension with many values, and how many there are."""

    groups: dict[tuple[Any, ...], Sums]
    count: int


@dataclass
class Frame:
    """One analysis' view of a table. Thread-safety: tools call it side by side."""

    source: Source
    profile: Profile
    scope: Scope
    level: str = "partial"
    cancel: Cancel = field(default_factory=Cancel)
    scans: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _known: dict[Any, Future[Any]] = field(default_factory=dict)
    _foreseen: tuple[Keys, ...] = ()
    _keys: _KeyValues = field(default_factory=lambda: _KeyValues())

    def __post_init__(self) -> None:
        extra = ("loss_rows", "loss") if "profit" in self.profile.roles else ()
        spend = tuple(f"spend_{at}" for at in range(1, len(self.profile.wide_spend) + 1))
        #: The measures in the order of :attr:`Sums.values`.
        self.measures: tuple[str, ...] = (*self.profile.measures, *spend, *extra)
        self._place = {name: at for at, name in enumerate(self.measures)}

    # -- what tools ask -----------------------------------------------------------------------------------------------------

    @property
    def measure(self) -> str:
        """What performance is measured in: revenue, or units where the table has none."""
        return "revenue" if "revenue" in self.profile.roles else "units"

    def value(self, sums: Sums | None, measure: str) -> Decimal:
        """A measure of a group; zero of one that is not there."""
        return ZERO if sums is None else sums.values[self._place[measure]]

    def has(self, measure: str) -> bool:
        """Whether the table has the measure."""
        return measure in self._place

    def many(self, role: str) -> bool:
        """Whether a dimension has too many values to leave the engine."""
        return self.profile.distinct.get(role, 0) > MANY

    def groups(self, *keys: str) -> Groups:
        """All measures by ``keys``: dimensions, :data:`PERIOD`, :data:`SPAN`, in that order of the group's tuple.

        Values of dimensions are text without space around it; "" is a row that has none.
        """
        if self.level == "none":
            return self._group(keys)
        if keys in self._foreseen:
            return self._once("shared", self._shared)[keys]  # type: ignore[no-any-return]
        return self._once(keys, lambda: self._group(keys))  # type: ignore[no-any-return]

    def ranked(self, role: str, measure: str, n: int) -> Ranked:
        """The ``n`` best and worst of a dimension by ``measure`` in the window, by span; ties in the order of names."""
        if self.level == "none":
            return self._rank(role, measure, n)
        return self._once((role, measure, n), lambda: self._rank(role, measure, n))  # type: ignore[no-any-return]

    def rows(self, columns: Sequence[str], limit: int) -> Sequence[tuple[Any, ...]]:
        """Single rows of a small table: the observations of a regression where no period groups them."""
        listed = ", ".join(map(identifier, columns))
        statement = f"SELECT {listed} FROM ({self.profile.select}) AS t WHERE {self.scope.where()} LIMIT {limit + 1}"
        return self._scan(statement)

    def derived(self, key: Any, make: Callable[[], T]) -> T:
        """What is made of groups, made once where groups are."""
        if self.level == "none":
            return make()
        return self._once(("derived", key), make)  # type: ignore[no-any-return]

    def foresee(self, requests: Iterable[Keys]) -> None:
        """At level ``full``: the requests that one shared scan shall answer."""
        if self.level == "full":
            self._foreseen = tuple(dict.fromkeys(requests))

    # -- statements ---------------------------------------------------------------------------------------------------------

    def _scan(self, statement: str) -> Sequence[tuple[Any, ...]]:
        with self._lock:
            self.scans += 1
        return self.source.rows(translate(statement, self.source.dialect), self.cancel)

    def _once(self, key: Any, make: Any) -> Any:
        with self._lock:
            future = self._known.get(key)
            mine = future is None
            if future is None:
                future = self._known[key] = Future()
        if mine:
            try:
                future.set_result(make())
            except BaseException as error:
                future.set_exception(error)
        return future.result()

    def _key(self, key: str) -> str:
        if key == SPAN:
            return f"{self.scope.span()} AS span"
        if key == PERIOD:
            return f"{self.scope.period()} AS period"
        return identifier(key)

    def _base(self, keys: Iterable[str]) -> str:
        """The rows with their keys and the measures."""
        plain = [name for name in self.measures if name not in ("loss", "loss_rows")]
        columns = [*(self._key(key) for key in keys), *map(identifier, plain)]
        return f"SELECT {', '.join(columns)} FROM ({self.profile.select}) AS t WHERE {self.scope.where()}"

    def _sums(self) -> list[str]:
        known = {
            "loss": "sum(CASE WHEN profit < 0 THEN profit ELSE 0 END)",
            "loss_rows": "sum(CASE WHEN profit < 0 THEN 1 ELSE 0 END)",
        }
        return [
            "count(*) AS n",
            *(f"{known.get(name) or f'sum({identifier(name)})'} AS {identifier(name)}" for name in self.measures),
        ]

    def _added(self) -> list[str]:
        return ["sum(n) AS n", *(f"sum({identifier(name)}) AS {identifier(name)}" for name in self.measures)]

    def _told(self, sums: str) -> str:
        """The columns in which sums leave the engine.

        DuckDB makes a decimal for Python out of its text by the slowest way; the text alone is handed over several times as
        fast.
        """
        if self.source.dialect != "duckdb":
            return ", ".join([f"{sums}.n", *(f"{sums}.{identifier(name)}" for name in self.measures)])
        return ", ".join([f"{sums}.n", *(f"CAST({sums}.{identifier(name)} AS VARCHAR)" for name in self.measures)])

    def _group(self, keys: Keys) -> Groups:
        listed = ", ".join(map(identifier, keys))
        sums = f"SELECT {', '.join([*map(identifier, keys), *self._sums()])} FROM ({self._base(keys)}) AS g"
        sums += f" GROUP BY {listed}" if keys else ""
        told = ", ".join([*map(identifier, keys), self._told("s")])
        return self._collect(keys, self._scan(f"SELECT {told} FROM ({sums}) AS s"))

    def _shared(self) -> dict[Keys, Groups]:
        """All foreseen requests: those over few cells from one cube, the others together by another scan."""
        cube = self._cube_keys()
        small = [request for request in self._foreseen if set(request) <= cube]
        if len(small) < 2 or self.profile.rows < SMALL:
            return self._sets(self._foreseen, cubed=False)
        found = self._sets(small, cubed=True)
        rest = [request for request in self._foreseen if request not in found]
        return found | self._sets(rest, cubed=False) if rest else found

    def _sets(self, requests: Sequence[Keys], *, cubed: bool) -> dict[Keys, Groups]:
        """One statement for several requests."""
        keys = tuple(dict.fromkeys(key for request in requests for key in request))
        sets = ", ".join(f"({', '.join(map(identifier, request))})" for request in requests)
        listed = ", ".join(map(identifier, keys))
        base, sums = self._base(keys), self._sums()
        if cubed:
            base = f"SELECT {', '.join([listed, *sums])} FROM ({base}) AS g GROUP BY {listed}"
            sums = self._added()
        # Which set a row is of; a NULL key may also be a row without a value.
        shape = " + ".join(f"{1 << at} * GROUPING({identifier(key)})" for at, key in enumerate(keys))
        inner = f"SELECT {shape} AS shape, {', '.join([listed, *sums])} FROM ({base}) AS c GROUP BY GROUPING SETS ({sets})"
        rows: dict[int, list[tuple[Any, ...]]] = {}
        for row in self._scan(f"SELECT s.shape, {listed}, {self._told('s')} FROM ({inner}) AS s"):
            rows.setdefault(int(row[0]), []).append(row)
        place = {key: at for at, key in enumerate(keys, 1)}
        values = range(1 + len(keys), 2 + len(keys) + len(self.measures))
        found = {}
        for request in requests:
            mine = rows.get(sum(1 << at for at, key in enumerate(keys) if key not in request), ())
            pick = operator.itemgetter(*(place[key] for key in request), *values)
            found[request] = self._collect(request, map(pick, mine))
        return found

    def _cube_keys(self) -> frozenset[str]:
        """The keys of a cube that has far fewer cells than the table has rows: those with few values first."""
        sizes = {key: self._size(key) for request in self._foreseen for key in request}
        chosen: set[str] = set()
        cells = 1.0
        for key in sorted(sizes, key=lambda key: (sizes[key], key)):
            cells *= sizes[key]
            # Countries lie in regions and products in categories: far fewer cells are filled than there could be.
            if math.pow(cells, 0.8) > CUBE_SHARE * self.profile.rows:
                break
            chosen.add(key)
        return frozenset(chosen)

    def _size(self, key: str) -> int:
        if key == SPAN:
            return 3
        if key == PERIOD:
            window = self.scope.window
            days = {"day": 1, "week": 7, "month": 30, "quarter": 91}[self.scope.granularity]
            return max(1, (window.last - window.first).days // days) if window is not None else 1
        return max(1, self.profile.distinct.get(key, 1))

    def _rank(self, role: str, measure: str, n: int) -> Ranked:
        name, value = identifier(role), identifier(measure)
        spans = ", ".join(map(str, sorted(self.scope.totals)))
        statement = (
            f"WITH g AS (SELECT {name}, span, {', '.join(self._sums())} "
            f"FROM ({self._base((role, SPAN))}) AS b GROUP BY {name}, span), "
            f"w AS (SELECT {name}, sum({value}) AS total FROM g WHERE span IN ({spans}) GROUP BY {name}), "
            f"r AS (SELECT {name}, row_number() OVER (ORDER BY total DESC, {name}) AS up, "
            f"row_number() OVER (ORDER BY total, {name}) AS down, count(*) OVER () AS known FROM w) "
            f"SELECT g.{name}, g.span, {self._told('g')}, r.known "
            f"FROM g JOIN r ON g.{name} IS NOT DISTINCT FROM r.{name} WHERE r.up <= {n} OR r.down <= {n}"
        )
        rows = self._scan(statement)
        groups = self._collect((role, SPAN), [row[:-1] for row in rows])
        return Ranked(dict(groups), int(rows[0][-1]) if rows else 0)

    def _collect(self, keys: Keys, rows: Iterable[tuple[Any, ...]]) -> Groups:
        width = len(keys)
        period = keys.index(PERIOD) if PERIOD in keys else -1
        found: dict[tuple[Any, ...], Sums] = {}
        for row in rows:
            if row[width] in (0, None):
                continue
            group = tuple(map(self._keys.__getitem__, row[:width]))
            if period >= 0 and group[period] == _NO_PERIOD:
                continue
            sums = Sums(int(row[width]), _decimals(row[width + 1 :]))
            known = found.get(group)
            found[group] = sums if known is None else known + sums
        return found


class _KeyValues(dict[Any, Any]):
    """What a value of a key is told as; each is looked at once."""

    def __missing__(self, value: Any) -> Any:
        self[value] = told = _key_value(value)
        return told


def _key_value(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, str):
        text = value.strip()
        return "" if text.lower() in EMPTY else text
    if isinstance(value, dt.datetime):
        return value.date()
    return int(value) if isinstance(value, Decimal) else value


def _decimals(values: Sequence[Any]) -> tuple[Decimal, ...]:
    """Sums as an engine hands them over, as text or as numbers; of no value, zero."""
    if None in values:
        values = [ZERO if value is None else value for value in values]
    return tuple(map(Decimal, values))
