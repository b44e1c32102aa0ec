"""What one analysis is made of before anything is read: its tables, tools, rows, and the key of its answer.

The order of tools, of analysts and of the values of a filter does not matter. The optimisation level is no part of the figures,
but of what the events tell of them, and therefore of the key.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from hexar.agents.market.figures.aggregates import Condition, Scope
from hexar.agents.market.figures.spans import make_scope
from hexar.agents.market.kinds import MARKET_TOOL
from hexar.agents.market.questions.reading import Reading
from hexar.agents.market.tables.library import Entry
from hexar.agents.market.tables.roles import BY_NUMBER, unavailable
from hexar.agents.market.tools.registry import KINDS, TOOLS
from hexar.agents.market.tools.result import Asked
from hexar.core.cachekey import cache_key, normalize_text
from hexar.core.errors import FailedPrecondition, InvalidArgument
from hexar.v1 import common_pb2
from hexar.v1 import market_pb2 as pb

#: The cache kind of answers.
KIND = MARKET_TOOL.name
LEVELS = {pb.OPTIMIZATION_LEVEL_NONE: "none", pb.OPTIMIZATION_LEVEL_PARTIAL: "partial", pb.OPTIMIZATION_LEVEL_FULL: "full"}
GRANULARITIES = {
    pb.GRANULARITY_DAY: "day", pb.GRANULARITY_WEEK: "week", pb.GRANULARITY_MONTH: "month", pb.GRANULARITY_QUARTER: "quarter",
}  # fmt: skip
DEFAULT_TOP, DEFAULT_HORIZON, DEFAULT_CONFIDENCE = 10, 6, 0.95
_MICROS = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Plan:
    """An analysis, ready to be made."""

    entry: Entry
    spend: Entry | None
    tools: tuple[pb.MarketTool, ...]
    unavailable: tuple[pb.ToolUnavailable, ...]
    scope: Scope
    asked: Asked
    level: pb.OptimizationLevel
    granularity: pb.Granularity
    analysts: tuple[pb.Analyst, ...]
    reading: Reading | None
    filters: pb.AnalyzeFilters
    tenant: str
    key: bytes
    depends: tuple[str, ...]
    read_cache: bool
    write_cache: bool
    only_cache: bool

    @property
    def money_unit(self) -> str:
        """What amounts are counted in."""
        return self.scope.currency or self.entry.profile.money_unit


def make_plan(request: pb.AnalyzeRequest, tenant: str, entry: Entry, spend: Entry | None, reading: Reading | None) -> Plan:
    """The plan of a request that passed validation.

    FailedPrecondition where a tool that was asked for by name lacks a role; InvalidArgument where a filter does.
    """
    roles = set(entry.profile.roles)
    if spend is not None:
        if "spend" not in spend.profile.roles:
            raise FailedPrecondition(f"the spend table {spend.description.name} has no column with the role spend")
        roles |= {"spend"}
    tools, lacking = _tools(request, roles, reading)
    filters = merge(request.filters, reading.filters if reading is not None else None)
    level = request.optimization or pb.OPTIMIZATION_LEVEL_PARTIAL
    granularity = (
        request.granularity
        or (reading.granularity if reading is not None else pb.GRANULARITY_UNSPECIFIED)
        or pb.GRANULARITY_MONTH
    )
    scope = _scope(request, entry, filters, GRANULARITIES[granularity])
    analysts = () if request.skip_analysts else tuple(sorted(set(request.analysts) or {pb.ANALYST_DATA, pb.ANALYST_STRATEGY}))
    asked = Asked(
        top_n=request.top_n or DEFAULT_TOP,
        horizon=request.horizon or (reading.horizon if reading is not None else 0) or DEFAULT_HORIZON,
        confidence=request.confidence or DEFAULT_CONFIDENCE,
        budget=_budget(request, entry, scope),
        bounds={
            bound.channel: (
                Decimal(bound.min_micros) / _MICROS if bound.HasField("min_micros") else None,
                Decimal(bound.max_micros) / _MICROS if bound.HasField("max_micros") else None,
            )
            for bound in request.budget_bounds
        },
    )
    policy = request.cache_policy
    return Plan(
        entry=entry,
        spend=spend,
        tools=tools,
        unavailable=lacking,
        scope=scope,
        asked=asked,
        level=level,
        granularity=granularity,
        analysts=analysts,
        reading=reading,
        filters=filters,
        tenant=tenant,
        key=_key(request, tenant, entry, spend, (tools, filters, level, granularity, analysts, asked)),
        depends=(),
        read_cache=policy != common_pb2.CACHE_POLICY_REFRESH,
        write_cache=policy != common_pb2.CACHE_POLICY_ONLY,
        only_cache=policy == common_pb2.CACHE_POLICY_ONLY,
    )


def _tools(
    request: pb.AnalyzeRequest, roles: set[str], reading: Reading | None
) -> tuple[tuple[pb.MarketTool, ...], tuple[pb.ToolUnavailable, ...]]:
    named = set(request.tools)
    by_words = set(reading.tools) if reading is not None and not named and not request.kind else set()
    wanted = named or by_words or set(KINDS[request.kind or pb.ANALYSIS_KIND_COMPREHENSIVE])
    if not named and not request.HasField("budget"):
        wanted.discard(pb.MARKET_TOOL_BUDGET)
    lacking = {tool: why for tool in wanted if (why := unavailable(tool, roles)) is not None}
    for tool in sorted(named & set(lacking)):
        raise FailedPrecondition(f"{pb.MarketTool.Name(tool)} cannot run on this table: {lacking[tool].reason}")
    tools = tuple(tool for tool in TOOLS if tool in wanted and tool not in lacking)
    if not tools:
        reasons = "; ".join(f"{pb.MarketTool.Name(tool)}: {why.reason}" for tool, why in sorted(lacking.items()))
        raise FailedPrecondition(
            f"the table has the columns of none of the tools that were asked for: {reasons}"
            if reasons
            else "no tool is left to run"
        )
    return tools, tuple(lacking[tool] for tool in sorted(lacking))


def merge(given: pb.AnalyzeFilters, read: pb.AnalyzeFilters | None) -> pb.AnalyzeFilters:
    """The caller's filters, and those of the question where the caller said nothing of the kind; in one order."""
    filters = pb.AnalyzeFilters(from_date=given.from_date, to_date=given.to_date)
    if read is not None and not given.from_date and not given.to_date:
        filters.from_date, filters.to_date = read.from_date, read.to_date
    rows = {entry.role: entry for entry in (*(read.dimensions if read is not None else ()), *given.dimensions)}
    for role in sorted(rows):
        entry = rows[role]
        values = sorted({value.strip() for value in entry.values}, key=lambda value: (value.casefold(), value))
        filters.dimensions.add(role=role, values=values, exclude=entry.exclude)
    return filters


def _scope(request: pb.AnalyzeRequest, entry: Entry, filters: pb.AnalyzeFilters, granularity: str) -> Scope:
    profile = entry.profile
    conditions = []
    for at, row in enumerate(filters.dimensions):
        role = BY_NUMBER[row.role].name
        if role not in profile.roles:
            raise InvalidArgument(f"filters.dimensions[{at}].role", f"the table has no column with the role {role}")
        conditions.append(Condition(role, tuple(row.values), row.exclude))
    first, last = (dt.date.fromisoformat(text) if text else None for text in (filters.from_date, filters.to_date))
    if (first or last) and profile.first is None:
        raise InvalidArgument("filters.from_date", "the table has no column with the role date")
    return make_scope(profile, granularity, first, last, tuple(conditions), _currency(request, entry))


def _currency(request: pb.AnalyzeRequest, entry: Entry) -> str:
    """The currency whose rows are read; empty where the table has one only."""
    known = entry.profile.currencies
    if len(known) > 1:
        if not request.currency_code:
            raise FailedPrecondition(f"the table's amounts are in {', '.join(known)}: currency_code must choose one")
        if request.currency_code not in known:
            raise InvalidArgument("currency_code", f"the table's amounts are in {', '.join(known)}")
        return request.currency_code
    if request.currency_code and known and request.currency_code not in known:
        raise InvalidArgument("currency_code", f"the table's amounts are in {known[0]}")
    if request.currency_code and not known:
        raise InvalidArgument("currency_code", "the table does not say what its amounts are in; give it when the table is read")
    return ""


def _budget(request: pb.AnalyzeRequest, entry: Entry, scope: Scope) -> Decimal | None:
    if not request.HasField("budget"):
        return None
    unit = scope.currency or entry.profile.money_unit
    if request.budget.currency_code and request.budget.currency_code != unit:
        raise InvalidArgument("budget.currency_code", f"the table's amounts are in {unit}")
    return Decimal(request.budget.micros) / _MICROS


def _key(
    request: pb.AnalyzeRequest, tenant: str, entry: Entry, spend: Entry | None,
    made: tuple[Sequence[int], pb.AnalyzeFilters, int, int, Sequence[int], Asked],
) -> bytes:  # fmt: skip
    tools, filters, level, granularity, analysts, asked = made
    return cache_key(
        tenant,
        KIND,
        {
            "table": entry.content,
            "name": entry.description.name,
            "spend": spend.content if spend is not None else "",
            "kind": request.kind,
            "tools": list(tools),
            "filters": filters.SerializeToString(deterministic=True),
            "level": level,
            "granularity": granularity,
            "analysts": list(analysts),
            "question": normalize_text(request.question),
            "top_n": asked.top_n,
            "horizon": asked.horizon,
            "confidence": asked.confidence,
            "budget": str(asked.budget or ""),
            "bounds": sorted(f"{name}\0{least}\0{most}" for name, (least, most) in asked.bounds.items()),
            "currency": request.currency_code,
        },
    )
