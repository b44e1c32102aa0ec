"""Files → a table of known columns: raw text, formats, roles, then one copy with types.

::

    files ─ raw (text, as it stands) ─ unfold (wide months) ─ formats ─ roles ─ parsed ─ canonical.parquet
                                                                              └─ rejected rows, counted and shown

Parquet whose columns have types already is read in place. Values pass through the engine only; Python sees samples.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hexar.agents.market.figures.duck import DuckEngine, library
from hexar.agents.market.figures.sql import identifier, literal
from hexar.agents.market.tables import files, roles
from hexar.agents.market.tables.columns import TYPES, Column, find_columns, period_columns
from hexar.agents.market.tables.currency import Money, money
from hexar.agents.market.tables.model import EMPTY, Profile, ReadTable
from hexar.agents.market.tables.parsed import Parsed, parse
from hexar.agents.market.tables.shapes.headings import MAX_COLUMNS, shape, unique
from hexar.agents.market.tables.shapes.totals import find_totals
from hexar.agents.transport.cancel import Cancel
from hexar.core.errors import InvalidArgument
from hexar.v1 import market_pb2 as pb

#: Rejected rows that are shown, and characters of a value that are.
SAMPLES, SAMPLE_CHARACTERS = 20, 100
TEXT_LIMIT = 100
#: A dimension with at most so many values has them known by name, for questions in words.
NAMED = 300


@dataclass(frozen=True, slots=True)
class Source:
    """A file as a caller names it, where it lies, and the field that it came in."""

    name: str
    path: Path
    field: str


@dataclass(slots=True)
class Raw:
    """The rows as they stand in the files: a relation in the cursor, its columns, and whether they have types."""

    relation: str
    columns: tuple[str, ...]
    typed: Mapping[str, str]
    in_place: str = ""
    rejected: list[pb.RejectedRow] = field(default_factory=list)
    rejected_count: int = 0
    #: Lines before the first row; -1: the lines of rows are not known.
    before: int = -1
    notes: list[str] = field(default_factory=list)


class TableReader:
    """Reads tables into copies in ``folder``; no file may unpack to more than ``limit`` bytes."""

    def __init__(self, engine: DuckEngine, folder: Path, limit: int) -> None:
        self._engine = engine
        self._folder = folder
        self._limit = limit

    def read(self, sources: Sequence[Source], options: pb.TableOptions, cancel: Cancel, *, in_place: bool = False) -> ReadTable:
        """Read ``sources`` as one table. ``in_place``: files that have types need no copy.

        Raises InvalidArgument with the field, where a file cannot be read or no column has a role that a tool could use.
        """
        duckdb = library()
        scratch = self._folder / f"reading-{secrets.token_hex(8)}"
        scratch.mkdir(parents=True)
        try:
            plain = [
                files.prepare(source.name, source.path, scratch, self._limit, source.field, options.sheet) for source in sources
            ]
            with self._engine.cursor(cancel) as cursor:
                try:
                    return self._read(cursor, sources, plain, options, in_place)
                except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.SerializationException) as error:
                    raise InvalidArgument(sources[0].field, "the file is damaged and cannot be read") from error
        finally:
            for path in scratch.iterdir():
                path.unlink()
            scratch.rmdir()

    def _read(
        self, cursor: Any, sources: Sequence[Source], plain: Sequence[files.Plain], options: pb.TableOptions, in_place: bool
    ) -> ReadTable:
        raw = _raw(cursor, sources, plain)
        if not raw.rejected_count and not cursor.execute(f"SELECT 1 FROM {raw.relation} LIMIT 1").fetchall():
            raise InvalidArgument(sources[0].field, "the file holds no rows")
        given = given_roles(options, raw.columns)
        raw, given = _unfold(cursor, raw, given)
        columns = find_columns(cursor, raw.relation, raw.columns, raw.typed, given, options)
        sums = money(cursor, raw.relation, columns, options)
        parsed = parse(columns, sums)
        parsed.leave_out(find_totals(cursor, raw.relation, columns))
        if not set(parsed.roles).intersection(("revenue", "units", "spend")):
            names = ", ".join(raw.columns[:20])
            raise InvalidArgument(
                "options.columns",
                f"no column has the role revenue, units or spend, nor can one be computed; the columns are: {names}",
            )
        digest = content_hash(sources, options)
        copy = "" if in_place and raw.in_place and parsed.can_stay else f"{digest.hex()[:32]}-{secrets.token_hex(4)}.parquet"
        written = self._write(cursor, raw, parsed, copy)
        description = describe(columns, parsed, sums, options)
        description.content_sha256 = digest
        description.bytes = sum(source.path.stat().st_size for source in sources)
        description.files.extend(source.name for source in sources)
        description.rows = written.profile.rows
        description.rejected_rows = raw.rejected_count + written.rejected
        description.rejected_samples.extend([*raw.rejected, *written.samples][:SAMPLES])
        if not description.rows:
            first = description.rejected_samples[0]
            raise InvalidArgument(
                sources[0].field, f"no row could be read; the first: {first.column} {first.text!r}: {first.reason}"
            )
        description.notes.extend([*raw.notes, *written.notes])
        finish(description, written.profile)
        return ReadTable(description, written.profile, copy)

    def _write(self, cursor: Any, raw: Raw, parsed: Parsed, copy: str) -> _Written:
        inner = parsed.inner(raw.relation)
        bad = parsed.bad
        if copy:
            path = self._folder / copy
            select = parsed.canonical(inner, only_good=bool(bad))
            options = "FORMAT parquet, COMPRESSION zstd"
            kept = cursor.execute(f"COPY ({select}) TO {literal(str(path))} ({options})").fetchone()[0]
            rejected = cursor.execute(f"SELECT count(*) FROM {raw.relation}").fetchone()[0] - kept
            select = f"SELECT * FROM read_parquet({literal(str(path))})"
        else:
            rejected = cursor.execute(f"SELECT count(*) FROM ({inner}) WHERE {bad}").fetchone()[0] if bad else 0
            select = parsed.canonical(inner, only_good=rejected > 0)
        samples = _samples(cursor, inner, parsed, raw.before) if rejected else []
        profile, notes = profile_of(lambda sql: cursor.execute(sql).fetchall(), select, parsed)
        return _Written(profile, rejected, samples, notes)


@dataclass(frozen=True, slots=True)
class _Written:
    profile: Profile
    rejected: int
    samples: list[pb.RejectedRow]
    notes: list[str]


def content_hash(sources: Sequence[Source], options: pb.TableOptions) -> bytes:
    """SHA-256 over the bytes of the files, in their order, and over how they are to be read."""
    total = hashlib.sha256()
    for source in sources:
        with source.path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    read = pb.TableOptions()
    read.CopyFrom(options)
    read.ClearField("name")
    read.ClearField("replace")
    total.update(read.SerializeToString(deterministic=True))
    return total.digest()


def given_roles(options: pb.TableOptions, columns: Sequence[str]) -> dict[str, list[str]]:
    """The caller's mapping: role → columns. InvalidArgument where a column is not there."""
    given: dict[str, list[str]] = {}
    exact = set(columns)
    loose = {name.casefold().strip(): name for name in columns}
    for at, entry in enumerate(options.columns):
        role = roles.BY_NUMBER.get(entry.role)
        if role is None:
            raise InvalidArgument(f"options.columns[{at}].role", "must be a role of ListColumnRoles")
        names = given.setdefault(role.name, [])
        for index, name in enumerate(entry.columns):
            found = name if name in exact else loose.get(name.casefold().strip())
            if found is None:
                raise InvalidArgument(
                    f"options.columns[{at}].columns[{index}]",
                    f"the table has no column {name[:TEXT_LIMIT]!r}; it has {', '.join(columns[:20])}",
                )
            names.append(found)
    return given


# -- raw rows -----------------------------------------------------------------------------------------------------------------


def _raw(cursor: Any, sources: Sequence[Source], plain: Sequence[files.Plain]) -> Raw:
    if len({entry.parquet for entry in plain}) > 1:
        raise InvalidArgument(sources[-1].field, "the files of one table must be of one kind")
    return _raw_parquet(cursor, sources, plain) if plain[0].parquet else _raw_text(cursor, sources, plain)


def _raw_parquet(cursor: Any, sources: Sequence[Source], plain: Sequence[files.Plain]) -> Raw:
    duckdb = library()
    columns: tuple[str, ...] = ()
    typed: dict[str, str] = {}
    for source, entry in zip(sources, plain, strict=True):
        try:
            found = cursor.execute(f"DESCRIBE SELECT * FROM read_parquet({literal(str(entry.path))})").fetchall()
        except (duckdb.Error, ValueError) as error:
            raise InvalidArgument(source.field, f"{entry.name} is a damaged Parquet file") from error
        names = tuple(row[0] for row in found)
        if len(names) > MAX_COLUMNS:
            raise InvalidArgument(source.field, f"{entry.name} has {len(names)} columns; at most {MAX_COLUMNS} can be read")
        if columns and set(names) != set(columns):
            raise InvalidArgument(source.field, _other_columns(entry.name, names, columns))
        if not columns:
            columns = names
            kinds = {row[0]: row[1].partition("(")[0].partition(" ")[0] for row in found}
            typed = {name: kind for name, kind in kinds.items() if kind in TYPES}
    paths = ", ".join(literal(str(entry.path)) for entry in plain)
    relation = f"read_parquet([{paths}], union_by_name = true)"
    return Raw(relation, columns, typed, in_place=relation)


def _other_columns(name: str, have: Sequence[str], want: Sequence[str]) -> str:
    lacking = [column for column in want if column not in have]
    more = [column for column in have if column not in want]
    parts = [f"lacks {', '.join(lacking[:10])}"] if lacking else []
    if more:
        parts.append(f"has also {', '.join(more[:10])}")
    return f"{name} has other columns than the first file: it {' and '.join(parts)}"


def _raw_text(cursor: Any, sources: Sequence[Source], plain: Sequence[files.Plain]) -> Raw:
    shapes = [shape(entry, source.field) for entry, source in zip(plain, sources, strict=True)]
    first = shapes[0]
    selects = []
    for source, entry, found in zip(sources, plain, shapes, strict=True):
        if set(found.columns) != set(first.columns):
            raise InvalidArgument(source.field, _other_columns(entry.name, found.columns, first.columns))
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in found.columns)
        selects.append(
            f"SELECT * FROM read_csv({literal(str(entry.path))}, auto_detect = false, header = false, skip = {found.skip}, "
            f"delim = {literal(found.delimiter)}, quote = '\"', escape = '\"', columns = {{{columns}}}, store_rejects = true, "
            "rejects_limit = 1000, null_padding = false)"
        )
    cursor.execute(f"CREATE TEMP TABLE raw AS {' UNION ALL BY NAME '.join(selects)}")
    raw = Raw("raw", first.columns, {}, before=first.skip if len(sources) == 1 else -1)
    counted = cursor.execute("SELECT count(DISTINCT (file_id, line)) FROM reject_errors").fetchone()[0]
    if counted:
        raw.rejected_count = counted
        # Lines are counted from the first row in the file's own numbers; after a rejected one, those of others are not known.
        raw.before = -1
        for line, text, reason in cursor.execute(
            "SELECT line, any_value(csv_line), any_value(error_type) FROM reject_errors "
            f"GROUP BY file_id, line ORDER BY line LIMIT {SAMPLES}"
        ).fetchall():
            said = {"TOO MANY COLUMNS": "more values than columns", "MISSING COLUMNS": "fewer values than columns"}
            raw.rejected.append(
                pb.RejectedRow(
                    line=max(line, 0),
                    text=(text or "")[:SAMPLE_CHARACTERS],
                    reason=said.get(str(reason), "the line is not well formed"),
                )
            )
    cursor.execute("DROP TABLE IF EXISTS reject_errors")
    cursor.execute("DROP TABLE IF EXISTS reject_scans")
    return raw


def _unfold(cursor: Any, raw: Raw, given: Mapping[str, Sequence[str]]) -> tuple[Raw, dict[str, list[str]]]:
    """A table with a column for each period as one with a row for each."""
    have = {role: list(names) for role, names in given.items()}
    wide = period_columns(raw.columns, have)
    if not wide:
        return raw, have
    measure = next((role for role in ("revenue", "units", "spend") if set(have.get(role, ())) & set(wide)), "revenue")
    others = [name for name in raw.columns if name not in wide]
    period, value = unique([*others, "period", "value"])[-2:]
    kept = ", ".join(map(identifier, others))
    cast = ", ".join(f"CAST({identifier(name)} AS VARCHAR) AS {identifier(name)}" for name in wide)
    source = f"SELECT {kept + ', ' if kept else ''}{cast} FROM {raw.relation}"
    cursor.execute(
        f"CREATE TEMP TABLE unfolded AS UNPIVOT ({source}) ON {', '.join(map(identifier, wide))} "
        f"INTO NAME {identifier(period)} VALUE {identifier(value)}"
    )
    have["date"], have[measure] = [period], [value]
    note = f"the columns {wide[0]} … {wide[-1]} are periods: each became a row, with its values taken as {measure}"
    typed = {name: kind for name, kind in raw.typed.items() if name in others}
    folded = Raw("unfolded", (*others, period, value), typed, "", raw.rejected, raw.rejected_count, notes=[*raw.notes, note])
    return folded, have


def _samples(cursor: Any, inner: str, parsed: Parsed, before: int) -> list[pb.RejectedRow]:
    found: list[pb.RejectedRow] = []
    line = "row_number() OVER ()" if before >= 0 else "0"
    texts = ", ".join(
        f"{check.bad} AS bad_{at}, CAST({check.text} AS VARCHAR) AS text_{at}" for at, check in enumerate(parsed.checks)
    )
    rows = cursor.execute(
        f"SELECT * FROM (SELECT {line} AS line, {texts} FROM ({inner})) WHERE {parsed.any_bad()} LIMIT {SAMPLES}"
    ).fetchall()
    for row in rows:
        for at, check in enumerate(parsed.checks):
            if row[1 + 2 * at]:
                text = row[2 + 2 * at]
                found.append(
                    pb.RejectedRow(
                        line=row[0] + before if before >= 0 else 0,
                        column=check.column,
                        text=(text or "")[:SAMPLE_CHARACTERS],
                        reason=check.reason if text else f"no {check.role}",
                    )
                )
                break
    return found


# -- the description ----------------------------------------------------------------------------------------------------------


def profile_of(
    rows_of: Any, select: str, parsed: Parsed, distinct: str = "approx_count_distinct({})"
) -> tuple[Profile, list[str]]:
    """What the tools need to know, by aggregates over the canonical rows; ``rows_of`` runs one and gives its rows.

    ``distinct`` is how the engine counts values, roughly where it can.
    """
    dimensions = [name for name in roles.DIMENSIONS if name in parsed.roles]
    parts = ["count(*)", *(distinct.format(identifier(name)) for name in dimensions)]
    has_date = "date" in parsed.roles
    if has_date:
        day = identifier("date")
        parts += [
            f"min({day})", f"max({day})", f"max(EXTRACT(DAY FROM {day}))", distinct.format(day),
            f"max(CASE WHEN EXTRACT(MONTH FROM {day}) IN (1, 4, 7, 10) THEN 0 ELSE 1 END)",
        ]  # fmt: skip
    row = rows_of(f"SELECT {', '.join(parts)} FROM ({select}) AS t")[0]
    rows, counts = int(row[0]), [int(value) for value in row[1 : 1 + len(dimensions)]]
    first = last = None
    step = ""
    if has_date and rows:
        first, last, day_of_month, days, off_quarter = row[1 + len(dimensions) :]
        first, last = _day(first), _day(last)
        if int(day_of_month) == 1 and int(days) > 1:
            step = "month" if int(off_quarter) or int(days) < 3 else "quarter"
    distinct_values = dict(zip(dimensions, counts, strict=True))
    values = {}
    few = [name for name in dimensions if distinct_values[name] <= NAMED]
    if few:
        listed = ", ".join(map(identifier, few))
        sets = ", ".join(f"({identifier(name)})" for name in few)
        found = rows_of(f"SELECT {listed} FROM ({select}) AS t GROUP BY GROUPING SETS ({sets})")
        for at, name in enumerate(few):
            known = {str(entry[at]).strip() for entry in found if entry[at] is not None}
            values[name] = tuple(sorted(value for value in known if value.lower() not in EMPTY))
    profile = Profile(
        values=values,
        roles=tuple(parsed.roles),
        distinct=distinct_values,
        first=first,
        last=last,
        rows=rows,
        currencies=parsed.money.currencies,
        money_unit=parsed.money.unit,
        wide_spend=parsed.wide_spend,
        select=select,
        step=step,
    )
    return profile, [f"every date is the first of a {step}: it is taken for the whole {step}"] if step else []


def _day(value: Any) -> dt.date:
    return value.date() if isinstance(value, dt.datetime) else dt.date.fromisoformat(value) if isinstance(value, str) else value


def describe(columns: Sequence[Column], parsed: Parsed, sums: Money, options: pb.TableOptions) -> pb.Table:
    """The columns as they were read, for callers."""
    table = pb.Table(name=options.name, currency_code=sums.code, currencies=sums.currencies)
    for column in columns:
        row = table.columns.add(
            name=column.name,
            type=column.kind.value,
            confidence=column.confidence,
            format=column.format_name,
            empty_values=column.empty,
        )
        if column.role:
            row.role = roles.ROLES[column.role].number
        for name, confidence in column.alternatives:
            row.alternatives.add(role=roles.ROLES[name].number, confidence=confidence)
    for name, expression in parsed.computed.items():
        table.computed.add(role=roles.ROLES[name].number, expression=expression)
    table.notes.extend(note for column in columns for note in column.notes)
    table.notes.extend([*sums.notes, *parsed.notes])
    return table


def finish(table: pb.Table, profile: Profile) -> None:
    """What follows from the profile: missing roles, tools that cannot run, the span, the time."""
    optional = ("currency", "unit_cost", "price")
    table.missing.extend(
        role.number for role in roles.ROLES.values() if role.name not in profile.roles and role.name not in optional
    )
    for tool in roles.NEEDS:
        lacking = roles.unavailable(tool, profile.roles)
        if lacking is not None:
            table.unavailable.append(lacking)
    if profile.first is not None and profile.last is not None:
        table.span.first, table.span.last = profile.first.isoformat(), profile.last.isoformat()
    table.registered_at.FromNanoseconds(time.time_ns())
