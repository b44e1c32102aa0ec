"""Tables that stay in a warehouse: described there, analysed there; only aggregates travel."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

from hexar.agents.market.figures.sql import identifier, literal, translate
from hexar.agents.market.tables import roles
from hexar.agents.market.tables.columns import Column
from hexar.agents.market.tables.currency import AMOUNTS, Money, in_heading
from hexar.agents.market.tables.model import UNKNOWN_CURRENCY, ReadTable
from hexar.agents.market.tables.parsed import parse
from hexar.agents.market.tables.reading import describe, finish, given_roles, profile_of
from hexar.agents.transport.cancel import Cancel
from hexar.core.errors import FailedPrecondition, InvalidArgument, NotFound
from hexar.v1 import market_pb2 as pb

_RELATION = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}(\.[A-Za-z_][A-Za-z0-9_$]{0,62}){0,2}")


class Warehouse(Protocol):
    """An engine elsewhere: it runs a statement in its dialect, and names the columns of a relation with DuckDB's types."""

    @property
    def dialect(self) -> str: ...

    def rows(self, statement: str, cancel: Cancel) -> Sequence[tuple[Any, ...]]: ...

    def columns(self, relation: str, cancel: Cancel) -> Sequence[tuple[str, str]]:
        """(name, type) of each column; type is "DATE", "DECIMAL", … or "VARCHAR". Empty: there is no such relation."""
        ...


def read_relation(warehouse: Warehouse, relation: str, options: pb.TableOptions, cancel: Cancel) -> ReadTable:
    """A relation as a table. Its columns have types there; text that holds dates or numbers is not read as such."""
    if not _RELATION.fullmatch(relation):
        raise InvalidArgument("relation", "must be a name, or schema.name, of letters, digits and underscores")
    found = warehouse.columns(relation, cancel)
    if not found:
        raise NotFound("relation", relation)
    names = [name for name, _ in found]
    given = given_roles(options, names)
    columns = []
    for name, kind in found:
        column = Column(name, TYPES.get(kind, roles.Type.TEXT), kind in TYPES, floating=kind == "DOUBLE")
        columns.append(column)
    assigned = roles.assign({column.name: column.kind for column in columns}, given)
    for column in columns:
        known = assigned[column.name]
        column.typed = True
        column.role, column.confidence, column.alternatives = known.role, known.confidence, known.alternatives
        if (
            known.role
            and column.kind not in roles.ROLES[known.role].types
            and roles.Type.TEXT not in roles.ROLES[known.role].types
        ):
            raise InvalidArgument(
                "options.columns",
                f"{column.name!r} is {column.kind.value} in the warehouse; the role {known.role} needs another type",
            )

    def rows_of(statement: str) -> Any:
        return warehouse.rows(translate(statement, warehouse.dialect), cancel)

    quoted = ".".join(identifier(part) for part in relation.split("."))
    sums = _money(warehouse, quoted, columns, options, cancel)
    parsed = parse(columns, sums)
    if not set(parsed.roles).intersection(("revenue", "units", "spend")):
        raise InvalidArgument(
            "options.columns", f"no column has the role revenue, units or spend; the columns are: {', '.join(names[:20])}"
        )
    inner = parsed.inner(quoted)
    rejected = int(rows_of(f"SELECT count(*) FROM ({inner}) AS p WHERE {parsed.bad}")[0][0]) if parsed.bad else 0
    select = parsed.canonical(inner, only_good=rejected > 0)
    profile, notes = profile_of(rows_of, select, parsed, "count(DISTINCT {})")
    if not profile.rows:
        raise FailedPrecondition(f"the relation {relation} has no row that can be read")
    description = describe(columns, parsed, sums, options)
    description.rows, description.rejected_rows = profile.rows, rejected
    description.files.append(relation)
    description.notes.extend(
        [*notes, "analysed in the warehouse; its content is not watched, and answers from a cache may be as old as the cache"]
    )
    finish(description, profile)
    return ReadTable(description, profile)


#: The types that a warehouse's are told as.
TYPES = {"DATE": roles.Type.DATE, "DECIMAL": roles.Type.NUMBER, "DOUBLE": roles.Type.NUMBER, "BIGINT": roles.Type.NUMBER}


def _money(warehouse: Warehouse, relation: str, columns: Sequence[Column], options: pb.TableOptions, cancel: Cancel) -> Money:
    if options.currency_code:
        return Money(options.currency_code, (options.currency_code,), options.currency_code)
    column = next((column for column in columns if column.role == "currency"), None)
    if column is not None:
        expression = f"upper(trim({identifier(column.name)}))"
        statement = (
            f"SELECT DISTINCT {expression} AS c FROM {relation} WHERE {identifier(column.name)} <> {literal('')} LIMIT 50"
        )
        found = tuple(sorted(row[0] for row in warehouse.rows(translate(statement, warehouse.dialect), cancel) if row[0]))
        if len(found) == 1:
            return Money(found[0], found, found[0])
        note = f"its amounts are in {', '.join(found[:8])}: they are never added up, and an analysis must choose one"
        return Money("", found, UNKNOWN_CURRENCY, expression, (note,) if found else ())
    named = {code for entry in columns if entry.role in AMOUNTS and (code := in_heading(entry.name))}
    if len(named) == 1:
        code = named.pop()
        return Money(code, (code,), code)
    return Money("", (), UNKNOWN_CURRENCY)
