"""What a request must satisfy before anything is read; every refusal names its field."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Sequence

from hexar.agents.market.tables.roles import BY_NUMBER, DIMENSIONS
from hexar.core.errors import InvalidArgument
from hexar.v1 import common_pb2
from hexar.v1 import market_pb2 as pb

NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
CURRENCY = re.compile(r"[A-Z]{3}|[$¥]")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
MAX_QUESTION, MAX_VALUES, MAX_VALUE, MAX_HORIZON, MAX_TOP, MAX_PATHS = 2000, 1000, 500, 60, 100, 1000
MAX_NAME = 500


def check_name(name: str, field: str) -> None:
    """A table's name."""
    if not NAME.fullmatch(name):
        raise InvalidArgument(field, "must be 1 to 128 letters, digits, dots, dashes or underscores")


def check_text(text: str, field: str, most: int) -> None:
    """A text of at most so many characters, without control characters."""
    if len(text) > most:
        raise InvalidArgument(field, f"must have at most {most} characters")
    if CONTROL.search(text):
        raise InvalidArgument(field, "must not hold control characters")


def _check_enum(values: Iterable[int], names: Sequence[int], field: str, *, zero: bool = True) -> None:
    for value in values:
        if value not in names or (value == 0 and not zero):
            raise InvalidArgument(field, f"{value} is not a value of the contract")


def check_day(text: str, field: str) -> dt.date | None:
    """A day; None where none is given."""
    if not text:
        return None
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            raise ValueError
        return dt.date.fromisoformat(text)
    except ValueError:
        raise InvalidArgument(field, "must be a day such as 2024-01-31") from None


def check_options(options: pb.TableOptions) -> None:
    """How a table is to be read."""
    check_name(options.name, "options.name")
    if options.currency_code and not CURRENCY.fullmatch(options.currency_code):
        raise InvalidArgument("options.currency_code", "must be three capitals, such as EUR")
    _check_enum([options.date_order], pb.DateOrder.values(), "options.date_order")
    if options.decimal_separator not in ("", ".", ","):
        raise InvalidArgument("options.decimal_separator", "must be a point or a comma")
    check_text(options.sheet, "options.sheet", 100)
    seen: set[int] = set()
    for at, entry in enumerate(options.columns):
        field = f"options.columns[{at}]"
        if entry.role not in BY_NUMBER:
            raise InvalidArgument(f"{field}.role", "must be a role of ListColumnRoles")
        if entry.role in seen:
            raise InvalidArgument(f"{field}.role", f"{BY_NUMBER[entry.role].name} is given twice")
        seen.add(entry.role)
        if len(entry.columns) > 1 and entry.role not in (pb.COLUMN_ROLE_SPEND, pb.COLUMN_ROLE_REVENUE, pb.COLUMN_ROLE_UNITS):
            raise InvalidArgument(f"{field}.columns", f"{BY_NUMBER[entry.role].name} can have one column only")
        for index, name in enumerate(entry.columns):
            check_text(name, f"{field}.columns[{index}]", MAX_NAME)


def check_register(request: pb.RegisterTableRequest) -> None:
    """A table that stays where it is."""
    check_options(request.options)
    if bool(request.paths) == bool(request.warehouse):
        raise InvalidArgument("paths", "either paths or a warehouse must be given")
    if len(request.paths) > MAX_PATHS:
        raise InvalidArgument("paths", f"must be at most {MAX_PATHS}")
    for at, path in enumerate(request.paths):
        check_text(path, f"paths[{at}]", 4096)
    if request.warehouse:
        check_text(request.warehouse, "warehouse", 100)
        if not request.relation:
            raise InvalidArgument("relation", "must name the relation in the warehouse")


def check_page(page: common_pb2.PageRequest) -> int:
    """How many rows a page has."""
    if page.size > 1000:
        raise InvalidArgument("page.size", "must be at most 1000")
    if page.token and not NAME.fullmatch(page.token):
        raise InvalidArgument("page.token", "must be the next_token of a page")
    return page.size or 100


def check_filters(filters: pb.AnalyzeFilters, field: str = "filters") -> None:
    """Conditions on rows."""
    first = check_day(filters.from_date, f"{field}.from_date")
    last = check_day(filters.to_date, f"{field}.to_date")
    if first and last and first > last:
        raise InvalidArgument(f"{field}.to_date", "must not be before from_date")
    seen: set[int] = set()
    for at, entry in enumerate(filters.dimensions):
        path = f"{field}.dimensions[{at}]"
        if entry.role not in BY_NUMBER or BY_NUMBER[entry.role].name not in DIMENSIONS:
            raise InvalidArgument(f"{path}.role", f"must be one of {', '.join(DIMENSIONS)}")
        if entry.role in seen:
            raise InvalidArgument(f"{path}.role", "is given twice")
        seen.add(entry.role)
        if not 1 <= len(entry.values) <= MAX_VALUES:
            raise InvalidArgument(f"{path}.values", f"must be 1 to {MAX_VALUES} values")
        for index, value in enumerate(entry.values):
            if not value.strip():
                raise InvalidArgument(f"{path}.values[{index}]", "must not be empty")
            check_text(value, f"{path}.values[{index}]", MAX_VALUE)


def check_analyze(request: pb.AnalyzeRequest) -> None:
    """A request for an analysis."""
    check_name(request.table, "table")
    check_text(request.question, "question", MAX_QUESTION)
    _check_enum(request.tools, pb.MarketTool.values(), "tools", zero=False)
    _check_enum(request.analysts, pb.Analyst.values(), "analysts", zero=False)
    for field, enum in (("kind", pb.AnalysisKind), ("optimization", pb.OptimizationLevel), ("granularity", pb.Granularity)):
        _check_enum([getattr(request, field)], enum.values(), field)
    _check_enum([request.cache_policy], common_pb2.CachePolicy.values(), "cache_policy")
    check_filters(request.filters)
    if request.horizon > MAX_HORIZON:
        raise InvalidArgument("horizon", f"must be at most {MAX_HORIZON}")
    if request.top_n > MAX_TOP:
        raise InvalidArgument("top_n", f"must be at most {MAX_TOP}")
    if request.confidence and not (math.isfinite(request.confidence) and 0.5 <= request.confidence <= 0.99):
        raise InvalidArgument("confidence", "must be from 0.5 to 0.99")
    if request.currency_code and not CURRENCY.fullmatch(request.currency_code):
        raise InvalidArgument("currency_code", "must be three capitals, such as EUR")
    if request.HasField("budget") and request.budget.micros <= 0:
        raise InvalidArgument("budget.micros", "must be more than zero")
    if request.spend_table:
        check_name(request.spend_table, "spend_table")
    seen: set[str] = set()
    for at, bound in enumerate(request.budget_bounds):
        path = f"budget_bounds[{at}]"
        check_text(bound.channel, f"{path}.channel", MAX_VALUE)
        if not bound.channel or bound.channel in seen:
            raise InvalidArgument(f"{path}.channel", "must name each channel once")
        seen.add(bound.channel)
        least = bound.min_micros if bound.HasField("min_micros") else 0
        if least < 0 or (bound.HasField("max_micros") and bound.max_micros < least):
            raise InvalidArgument(f"{path}.max_micros", "must not be less than min_micros, nor either less than zero")
