"""The figures that analysts are given: the telling ones of each tool, few enough to be read at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson

from hexar.agents.market.tools.result import Result
from hexar.v1 import market_pb2 as pb

#: Figures of one tool, and of all.
OF_A_TOOL, OF_ALL = 14, 90
#: Names of figures that say most, by tool; of others the first are taken.
_TELLING = {
    "overview": ("revenue", "profit", "margin", "revenue_change", "units_change", "profit_change", "revenue_current",
    "revenue_previous",
                 "revenue_share", "units"),
    "profitability": ("margin", "margin_change", "loss", "profit", "loss_rows"),
    "price_volume_mix": ("revenue_change_amount", "price_effect", "volume_effect", "mix_effect", "new_effect", "gone_effect"),
    "trend": ("trend", "annual_growth", "season_index", "season_strength"),
    "forecast": ("forecast_total", "mape", "coverage", "forecast"),
    "share": ("share_change", "share", "concentration"),
    "roi": ("response", "return_on_spend", "spend"),
    "budget": ("planned_spend", "planned_share", "share_so_far", "expected_change"),
    "anomalies": ("deviation", "expected", "revenue", "anomalies"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class State:
    """What analysts see. ``text`` is how it is written for a model."""

    figures: tuple[pb.Figure, ...]
    text: str

    @property
    def size(self) -> int:
        """Bytes of the text."""
        return len(self.text.encode())


def make_state(results: Iterable[Result], *, compressed: bool) -> State:
    """The state out of all results. ``compressed``: a line a figure instead of JSON; the same figures."""
    figures: list[pb.Figure] = []
    for result in results:
        figures.extend(_telling(result))
    figures = figures[:OF_ALL]
    return State(tuple(figures), "\n".join(map(_line, figures)) if compressed else _json(figures))


def _telling(result: Result) -> Sequence[pb.Figure]:
    names = _TELLING.get(result.tool)
    if names is None:
        return result.figures[:OF_A_TOOL]
    order = {name: at for at, name in enumerate(names)}
    known = [figure for figure in result.figures if figure.name in order]
    # Those of the whole before those of a part, in the order of what they say.
    known.sort(key=lambda figure: (bool(figure.dimensions), order[figure.name] if not figure.dimensions else 0))
    return known[:OF_A_TOOL]


def _json(figures: Sequence[pb.Figure]) -> str:
    rows = []
    for figure in figures:
        row: dict[str, object] = {"id": figure.id, "name": figure.name, "value": _value(figure), "unit": figure.unit}
        if figure.dimensions:
            row["of"] = dict(sorted(figure.dimensions.items()))
        if figure.HasField("low"):
            row["low"], row["high"] = float(f"{figure.low:.6g}"), float(f"{figure.high:.6g}")
        if figure.reason:
            row["reason"] = figure.reason
        rows.append(row)
    return orjson.dumps(rows).decode()


def _line(figure: pb.Figure) -> str:
    parts = [figure.id, figure.name, *(f"{key}={value}" for key, value in sorted(figure.dimensions.items()))]
    said = f"{' '.join(parts)}: {_value(figure)} {figure.unit}"
    return f"{said} [{figure.low:.6g}..{figure.high:.6g}]" if figure.HasField("low") else said


def _value(figure: pb.Figure) -> str:
    return figure.exact or f"{figure.value:.6g}"
