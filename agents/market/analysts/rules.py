"""Advice without a model: what stands out in the figures, said in sentences of their own numbers.

Each rule looks for one thing and gives at most one piece of advice, with a weight: what moves more of the money comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hexar.agents.market.analysts.advice import Advice
from hexar.v1 import market_pb2 as pb

_DIMENSIONS = ("brand", "category", "region", "country", "channel", "product", "store")
#: One for each piece of advice that is given.
_PRIORITIES = (pb.PRIORITY_HIGH, pb.PRIORITY_MEDIUM, pb.PRIORITY_LOW)
#: A group must have this share of the total to be worth advice.
WEIGHTY = 0.03


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule found; ``weight`` 0 to 1 puts it in order."""

    weight: float
    title: str
    text: str
    figures: tuple[pb.Figure, ...]


class Figures:
    """The figures of all tools, by what they are."""

    def __init__(self, figures: Iterable[pb.Figure]) -> None:
        self._by_tool: dict[str, list[pb.Figure]] = {}
        for figure in figures:
            self._by_tool.setdefault(figure.id.rpartition("-")[0], []).append(figure)

    def one(self, tool: str, name: str) -> pb.Figure | None:
        """The figure of the whole."""
        return next((figure for figure in self._by_tool.get(tool, ()) if figure.name == name and not figure.dimensions), None)

    def all(self, tool: str, name: str) -> list[pb.Figure]:
        """The figures of parts."""
        return [figure for figure in self._by_tool.get(tool, ()) if figure.name == name and figure.dimensions]

    def beside(self, tool: str, name: str, figure: pb.Figure) -> pb.Figure | None:
        """The figure of the same part by another name."""
        return next((other for other in self.all(tool, name) if other.dimensions == figure.dimensions), None)


def amount(figure: pb.Figure, *, absolute: bool = False) -> str:
    """An amount as text, with its unit."""
    value = abs(figure.value) if absolute else figure.value
    digits = 0 if figure.unit in ("units", "rows") else 2
    unit = "" if figure.unit == "currency unknown" else f" {figure.unit}"
    return f"{value:,.{digits}f}{unit}"


def percent(figure: pb.Figure, *, absolute: bool = False) -> str:
    """A ratio as a percentage."""
    return f"{abs(figure.value) * 100 if absolute else figure.value * 100:.1f} %"


def points(figure: pb.Figure) -> str:
    """Percentage points, without a sign."""
    return f"{abs(figure.value):.1f} percentage points"


def part(figure: pb.Figure) -> tuple[str, str]:
    """(dimension, value) of the part that a figure is of."""
    return next((role, figure.dimensions[role]) for role in (*_DIMENSIONS, *figure.dimensions) if role in figure.dimensions)


def _measure(have: Figures) -> str:
    return "revenue" if have.one("overview", "revenue") is not None else "units"


# -- the data analyst: what the figures say ---------------------------------------------------------------------------------


def growth(have: Figures) -> Found | None:
    """Whether it grew, and what made it."""
    measure = _measure(have)
    change, now, before = (have.one("overview", f"{measure}_{part}") for part in ("change", "current", "previous"))
    if change is None or now is None or before is None:
        return None
    cited = [change, now, before]
    verb = "rose" if change.value > 0 else "fell"
    text = f"{measure.capitalize()} {verb} {percent(change, absolute=True)}, from {amount(before)} to {amount(now)}."
    effects = [have.one("price_volume_mix", f"{name}_effect") for name in ("price", "volume", "mix", "new", "gone")]
    known = [effect for effect in effects if effect is not None and effect.value]
    if known:
        largest = max(known, key=lambda effect: abs(effect.value))
        name = largest.name.removesuffix("_effect")
        said = {"price": "Prices", "volume": "Volume", "mix": "The mix", "new": "What is new", "gone": "What is gone"}[name]
        text += f" {said} accounts for the largest part, {'+' if largest.value > 0 else '−'}{amount(largest, absolute=True)}."
        cited.append(largest)
    return Found(0.6 + min(0.4, abs(change.value)), f"{measure.capitalize()} {verb}", text, tuple(cited))


def margin(have: Figures) -> Found | None:
    """How the margin moved, and where most."""
    change, now = have.one("profitability", "margin_change"), have.one("profitability", "margin_current")
    if change is None or now is None:
        return None
    verb = "rose" if change.value > 0 else "fell"
    cited = [change, now]
    text = f"The margin {verb} by {points(change)} to {percent(now)}."
    moved = [
        figure for figure in have.all("profitability", "margin_change") if part(figure)[0] in ("brand", "category", "region")
    ]
    same = [figure for figure in moved if figure.value * change.value > 0]
    if same:
        most = max(same, key=lambda figure: abs(figure.value))
        role, name = part(most)
        text += f" It {verb} most for the {role} {name}, by {points(most)}."
        cited.append(most)
    return Found(0.4 + min(0.5, abs(change.value) / 10), f"The margin {verb}", text, tuple(cited))


def concentration(have: Figures) -> Found | None:
    """What most depends on."""
    measure = _measure(have)
    shares = [
        figure
        for figure in have.all("overview", f"{measure}_share")
        if part(figure)[0] in ("brand", "category", "region", "channel", "product")
    ]
    if not shares:
        return None
    most = max(shares, key=lambda figure: figure.value)
    role, name = part(most)
    text = f"The {role} {name} makes {percent(most)} of {measure}, more than any other {role}."
    return Found(min(0.9, most.value), f"{name} carries the most", text, (most,))


def outlier(have: Figures) -> Found | None:
    """The period that stands out most."""
    found = have.all("anomalies", "deviation")
    if not found:
        return None
    most = max(found, key=lambda figure: abs(figure.value))
    measure = have.beside("anomalies", _measure(have), most)
    expected = have.beside("anomalies", "expected", most)
    if measure is None or expected is None:
        return None
    (period,) = most.dimensions.values()
    side = "above" if most.value > 0 else "below"
    text = f"{period} was {percent(most, absolute=True)} {side} what trend and season let expect: "
    text += f"{amount(measure)} instead of {amount(expected)}."
    return Found(0.5 + min(0.4, abs(most.value)), f"{period} stands out", text, (most, measure, expected))


def season(have: Figures) -> Found | None:
    """The strongest and the weakest season."""
    found = have.all("trend", "season_index")
    if len(found) < 4:
        return None
    high, low = max(found, key=lambda figure: figure.value), min(found, key=lambda figure: figure.value)
    names = [figure.dimensions["season"] for figure in (high, low)]
    text = f"{names[0]} is the strongest season, at {high.value:.2f} times the average. "
    text += f"{names[1]} is the weakest, at {low.value:.2f}."
    return Found(0.3 + min(0.3, high.value - low.value), "There is a season", text, (high, low))


def share_shift(have: Figures) -> Found | None:
    """Who gained and who lost share."""
    found = [
        figure for figure in have.all("share", "share_change") if part(figure)[0] in ("brand", "category", "channel", "region")
    ]
    if not found:
        return None
    most = max(found, key=lambda figure: abs(figure.value))
    now = have.beside("share", "share_current", most)
    if now is None or abs(most.value) < 0.1:
        return None
    role, name = part(most)
    verb = "gained" if most.value > 0 else "lost"
    text = f"The {role} {name} {verb} {points(most)} of share and now has {percent(now)}."
    return Found(0.3 + min(0.5, abs(most.value) / 10), f"{name} {verb} share", text, (most, now))


# -- the strategy analyst: what to do about it ------------------------------------------------------------------------------


def _weighty(have: Figures, tool: str, role: str) -> list[pb.Figure]:
    measure = _measure(have)
    shares = have.all(tool, f"{measure}_share")
    return [figure for figure in shares if role in figure.dimensions and figure.value >= WEIGHTY]


def falling(have: Figures) -> Found | None:
    """The group that lost most."""
    measure, worst = _measure(have), None
    for role in ("brand", "category", "region", "channel"):
        for share in _weighty(have, role, role):
            now, before = (have.beside(role, f"{measure}_{name}", share) for name in ("current", "previous"))
            change = have.beside(role, f"{measure}_change", share)
            if now is None or before is None or change is None or change.value >= -0.02:
                continue
            loss = before.value - now.value
            if worst is None or loss > worst[0]:
                worst = (loss, role, share, now, before, change)
    if worst is None:
        return None
    _, role, share, now, before, change = worst
    name = share.dimensions[role]
    text = f"Find out why the {role} {name} is losing: its {measure} fell {percent(change, absolute=True)}, "
    text += f"from {amount(before)} to {amount(now)}."
    return Found(0.7 + min(0.25, abs(change.value)), f"Stop the fall of {name}", text, (change, before, now))


def rising(have: Figures) -> Found | None:
    """The group that grew most."""
    measure, best = _measure(have), None
    for role in ("brand", "category", "region", "channel"):
        for share in _weighty(have, role, role):
            change = have.beside(role, f"{measure}_change", share)
            if change is not None and change.value > 0.02 and (best is None or change.value > best[0].value):
                best = (change, role, share)
    if best is None:
        return None
    change, role, share = best
    name = share.dimensions[role]
    text = f"Build on the {role} {name}: it grew {percent(change)} and makes {percent(share)} of {measure}."
    return Found(0.45 + min(0.3, change.value), f"Build on {name}", text, (change, share))


def thin(have: Figures) -> Found | None:
    """The weighty group with the thinnest margin."""
    overall, worst = have.one("profitability", "margin"), None
    if overall is None:
        return None
    for role in ("brand", "category", "region", "channel"):
        for share in _weighty(have, role, role):
            margin = have.beside("profitability", "margin", share)
            if margin is not None and (worst is None or margin.value < worst[0].value):
                worst = (margin, role, share)
    if worst is None or overall.value - worst[0].value < 0.02:
        return None
    low, role, share = worst
    name = share.dimensions[role]
    text = f"Review prices and costs of the {role} {name}: its margin is {percent(low)} against {percent(overall)} over all, "
    text += f"on {percent(share)} of revenue."
    return Found(0.5 + min(0.4, overall.value - low.value), f"Raise the margin of {name}", text, (low, overall, share))


def losses(have: Figures) -> Found | None:
    """What is sold at a loss."""
    loss, rows = have.one("profitability", "loss"), have.one("profitability", "loss_rows")
    profit = have.one("profitability", "profit")
    if loss is None or rows is None or loss.value >= 0:
        return None
    cited = [loss, rows]
    text = f"Look at what is sold at a loss: {rows.value:,.0f} rows lose {amount(loss, absolute=True)} together."
    parts = [
        figure for figure in have.all("profitability", "loss") if part(figure)[0] in ("brand", "category", "product", "region")
    ]
    if parts:
        most = min(parts, key=lambda figure: figure.value)
        role, name = part(most)
        text += f" The {role} {name} alone loses {amount(most, absolute=True)}."
        cited.append(most)
    weight = min(0.45, abs(loss.value) / profit.value) if profit is not None and profit.value > 0 else 0.45
    return Found(0.5 + weight, "Stop selling at a loss", text, tuple(cited))


def invest(have: Figures) -> Found | None:
    """The channel whose spend went along with most."""
    responses = have.all("roi", "response")
    sure = [figure for figure in responses if figure.low > 0]
    if not sure:
        return None
    best = max(sure, key=lambda figure: figure.value)
    name = best.dimensions["channel"]
    text = f"Test more spend in {name}: one more unit went along with {best.value:.2f} of revenue."
    cited = [best]
    none = [figure for figure in responses if figure.low <= 0 <= figure.high]
    if none:
        other = none[0]
        text += f" No response is seen to {other.dimensions['channel']}, "
        text += f"whose interval runs from −{abs(other.low):.2f} to {other.high:.2f}."
        cited.append(other)
    return Found(0.75, f"Test more spend in {name}", text, tuple(cited))


def prepare(have: Figures) -> Found | None:
    """Plan for what is coming."""
    total, errors = have.one("forecast", "forecast_total"), have.all("forecast", "mape")
    if total is None or not errors:
        return None
    text = f"Plan purchases and stock for {amount(total)} of {_measure(have)} over the forecast periods. "
    text += f"The same method was off by {percent(errors[0])} on average on the past."
    return Found(0.55, "Plan for the forecast", text, (total, errors[0]))


_RULES: dict[pb.Analyst, Sequence[Callable[[Figures], Found | None]]] = {
    pb.ANALYST_DATA: (growth, margin, concentration, outlier, season, share_shift),
    pb.ANALYST_STRATEGY: (falling, thin, losses, invest, rising, prepare),
}


def advise(analyst: pb.Analyst, figures: Iterable[pb.Figure]) -> list[Advice]:
    """The advice of an analyst, the weightiest first."""
    have = Figures(figures)
    found = [entry for rule in _RULES[analyst] if (entry := rule(have)) is not None]
    found.sort(key=lambda entry: -entry.weight)
    return [
        Advice(entry.title, entry.text, entry.figures, priority) for priority, entry in zip(_PRIORITIES, found, strict=False)
    ]
