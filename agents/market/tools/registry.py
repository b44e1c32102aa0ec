"""Every tool by its name in the contract: how it runs, what it will ask of the table, and the sets that have names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hexar.agents.market.figures.aggregates import PERIOD, SPAN, Frame, Keys
from hexar.agents.market.tools import investment, performance, series
from hexar.agents.market.tools.result import Asked, Result
from hexar.v1 import market_pb2 as pb


def _by(*roles: str) -> Callable[[Frame], list[Keys]]:
    return lambda frame: [
        (SPAN,),
        *((role, SPAN) for role in roles if role in frame.profile.dimensions and not frame.many(role)),
    ]


def _by_all(frame: Frame) -> list[Keys]:
    return _by(*frame.profile.dimensions)(frame)


def _series(frame: Frame) -> list[Keys]:
    return [(PERIOD,)]


def _anomalies(frame: Frame) -> list[Keys]:
    return [(PERIOD,), *((role, PERIOD) for role in series.explaining(frame))]


def _mix(frame: Frame) -> list[Keys]:
    return [(SPAN,), (*performance.mix_keys(frame), SPAN)]


def _spend(frame: Frame) -> list[Keys]:
    if "date" not in frame.profile.roles:
        return []
    keys: list[Keys] = [(PERIOD,)]
    if "channel" in frame.profile.roles and not frame.profile.wide_spend and "spend" in frame.profile.roles:
        keys += [("channel", PERIOD), ("channel",)]
    return keys


@dataclass(frozen=True, slots=True)
class Tool:
    """One analysis. ``foresees`` names the groups that it will ask for."""

    name: str
    run: Callable[[Frame, Asked], Result]
    foresees: Callable[[Frame], list[Keys]]


TOOLS: dict[pb.MarketTool, Tool] = {
    pb.MARKET_TOOL_OVERVIEW: Tool("overview", performance.overview, _by_all),
    pb.MARKET_TOOL_BRAND: Tool("brand", performance.performance("brand", "brand"), _by("brand")),
    pb.MARKET_TOOL_CATEGORY: Tool("category", performance.performance("category", "category"), _by("category")),
    pb.MARKET_TOOL_PRODUCT: Tool("product", performance.performance("product", "product"), _by("product")),
    pb.MARKET_TOOL_REGION: Tool("region", performance.performance("region", "region", "country"), _by("region", "country")),
    pb.MARKET_TOOL_STORE: Tool("store", performance.performance("store", "store"), _by("store")),
    pb.MARKET_TOOL_CHANNEL: Tool("channel", performance.performance("channel", "channel"), _by("channel")),
    pb.MARKET_TOOL_PROFITABILITY: Tool("profitability", performance.profitability, _by_all),
    pb.MARKET_TOOL_PRICE_VOLUME_MIX: Tool("price_volume_mix", performance.price_volume_mix, _mix),
    pb.MARKET_TOOL_TREND: Tool("trend", series.trend, _series),
    pb.MARKET_TOOL_FORECAST: Tool("forecast", series.forecast_tool, _series),
    pb.MARKET_TOOL_ROI: Tool("roi", investment.roi, _spend),
    pb.MARKET_TOOL_BUDGET: Tool("budget", investment.budget, _spend),
    pb.MARKET_TOOL_KPI: Tool("kpi", performance.kpi, _by_all),
    pb.MARKET_TOOL_ANOMALIES: Tool("anomalies", series.anomalies, _anomalies),
    pb.MARKET_TOOL_SHARE: Tool("share", performance.share, _by_all),
}

_PERFORMANCE = (
    pb.MARKET_TOOL_OVERVIEW, pb.MARKET_TOOL_BRAND, pb.MARKET_TOOL_CATEGORY, pb.MARKET_TOOL_PRODUCT, pb.MARKET_TOOL_REGION,
    pb.MARKET_TOOL_STORE, pb.MARKET_TOOL_CHANNEL, pb.MARKET_TOOL_SHARE, pb.MARKET_TOOL_KPI,
)  # fmt: skip
KINDS: dict[pb.AnalysisKind, Sequence[pb.MarketTool]] = {
    pb.ANALYSIS_KIND_COMPREHENSIVE: tuple(TOOLS),
    pb.ANALYSIS_KIND_PERFORMANCE: _PERFORMANCE,
    pb.ANALYSIS_KIND_PROFITABILITY: (pb.MARKET_TOOL_PROFITABILITY, pb.MARKET_TOOL_PRICE_VOLUME_MIX, pb.MARKET_TOOL_KPI),
    pb.ANALYSIS_KIND_OUTLOOK: (pb.MARKET_TOOL_TREND, pb.MARKET_TOOL_FORECAST, pb.MARKET_TOOL_ANOMALIES),
    pb.ANALYSIS_KIND_INVESTMENT: (pb.MARKET_TOOL_ROI, pb.MARKET_TOOL_BUDGET),
}


def foresee(frame: Frame, tools: Iterable[pb.MarketTool]) -> None:
    """Tell a frame what ``tools`` will ask, for the level that shares one scan."""
    frame.foresee(keys for tool in tools for keys in TOOLS[tool].foresees(frame))
