"""Advice without a model: what stands out in the figures, said in sentences of their own numbers.

Each rule looks for one thing and gives at most one piece of advice, with a weight: what moves more of the money comes first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hexar.agents.market.analysts.advice import Advice
from hexar.agents.market.analysts.words import ENGLISH, English, words_of
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
    """The figures of all tools, by what they are, and the words to tell them in."""

    def __init__(self, figures: Iterable[pb.Figure], say: English = ENGLISH) -> None:
        self.say = say
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
    text = have.say.growth(measure, change, before, now)
    effects = [have.one("price_volume_mix", f"{name}_effect") for name in ("price", "volume", "mix", "new", "gone")]
    known = [effect for effect in effects if effect is not None and effect.value]
    if known:
        largest = max(known, key=lambda effect: abs(effect.value))
        text += " " + have.say.cause(largest.name.removesuffix("_effect"), largest)
        cited.append(largest)
    return Found(0.6 + min(0.4, abs(change.value)), have.say.moved(measure, change.value > 0), text, tuple(cited))


def margin(have: Figures) -> Found | None:
    """How the margin moved, and where most."""
    change, now = have.one("profitability", "margin_change"), have.one("profitability", "margin_current")
    if change is None or now is None:
        return None
    cited = [change, now]
    text = have.say.margin(change, now)
    moved = [
        figure for figure in have.all("profitability", "margin_change") if part(figure)[0] in ("brand", "category", "region")
    ]
    same = [figure for figure in moved if figure.value * change.value > 0]
    if same:
        most = max(same, key=lambda figure: abs(figure.value))
        text += " " + have.say.margin_most(*part(most), most)
        cited.append(most)
    return Found(0.4 + min(0.5, abs(change.value) / 10), have.say.margin_moved(change.value > 0), text, tuple(cited))


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
    return Found(min(0.9, most.value), have.say.carries(name), have.say.concentration(measure, role, name, most), (most,))


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
    text = have.say.outlier(period, most, measure, expected)
    return Found(0.5 + min(0.4, abs(most.value)), have.say.stands_out(period), text, (most, measure, expected))


def season(have: Figures) -> Found | None:
    """The strongest and the weakest season."""
    found = have.all("trend", "season_index")
    if len(found) < 4:
        return None
    high, low = max(found, key=lambda figure: figure.value), min(found, key=lambda figure: figure.value)
    return Found(0.3 + min(0.3, high.value - low.value), have.say.seasonal(), have.say.season(high, low), (high, low))


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
    title, text = have.say.share_moved(name, most.value > 0), have.say.share(role, name, most, now)
    return Found(0.3 + min(0.5, abs(most.value) / 10), title, text, (most, now))


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
    text = have.say.falling(measure, (role, name), change, before, now)
    return Found(0.7 + min(0.25, abs(change.value)), have.say.stop_fall(name), text, (change, before, now))


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
    text = have.say.rising(measure, (role, name), change, share)
    return Found(0.45 + min(0.3, change.value), have.say.build_on(name), text, (change, share))


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
    text = have.say.thin((role, name), low, overall, share)
    return Found(0.5 + min(0.4, overall.value - low.value), have.say.raise_margin(name), text, (low, overall, share))


def losses(have: Figures) -> Found | None:
    """What is sold at a loss."""
    loss, rows = have.one("profitability", "loss"), have.one("profitability", "loss_rows")
    profit = have.one("profitability", "profit")
    if loss is None or rows is None or loss.value >= 0:
        return None
    cited = [loss, rows]
    text = have.say.losses(loss, rows)
    parts = [
        figure for figure in have.all("profitability", "loss") if part(figure)[0] in ("brand", "category", "product", "region")
    ]
    if parts:
        most = min(parts, key=lambda figure: figure.value)
        text += " " + have.say.most_losses(*part(most), most)
        cited.append(most)
    weight = min(0.45, abs(loss.value) / profit.value) if profit is not None and profit.value > 0 else 0.45
    return Found(0.5 + weight, have.say.stop_losses(), text, tuple(cited))


def invest(have: Figures) -> Found | None:
    """The channel whose spend went along with most."""
    responses = have.all("roi", "response")
    sure = [figure for figure in responses if figure.low > 0]
    if not sure:
        return None
    best = max(sure, key=lambda figure: figure.value)
    text = have.say.invest(best)
    cited = [best]
    none = [figure for figure in responses if figure.low <= 0 <= figure.high]
    if none:
        other = none[0]
        text += " " + have.say.no_response(other)
        cited.append(other)
    return Found(0.75, have.say.test_spend(best.dimensions["channel"]), text, tuple(cited))


def prepare(have: Figures) -> Found | None:
    """Plan for what is coming."""
    total, errors = have.one("forecast", "forecast_total"), have.all("forecast", "mape")
    if total is None or not errors:
        return None
    text = have.say.prepare(_measure(have), total, errors[0])
    return Found(0.55, have.say.plan_ahead(), text, (total, errors[0]))


RULES: dict[pb.Analyst, Sequence[Callable[[Figures], Found | None]]] = {
    pb.ANALYST_DATA: (growth, margin, concentration, outlier, season, share_shift),
    pb.ANALYST_STRATEGY: (falling, thin, losses, invest, rising, prepare),
}


def advise(analyst: pb.Analyst, figures: Iterable[pb.Figure], language: str = "en") -> list[Advice]:
    """The advice of an analyst, the weightiest first, in English or Spanish."""
    have = Figures(figures, words_of(language))
    found = [entry for rule in RULES[analyst] if (entry := rule(have)) is not None]
    found.sort(key=lambda entry: -entry.weight)
    return [
        Advice(entry.title, entry.text, entry.figures, priority) for priority, entry in zip(_PRIORITIES, found, strict=False)
    ]
