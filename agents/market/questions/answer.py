"""The sentence that answers a question, drawn from the figures; none where the figures do not hold it."""

from __future__ import annotations

from collections.abc import Sequence

from hexar.agents.market.analysts.words import ENGLISH, words_of
from hexar.agents.market.figures.aggregates import Scope
from hexar.agents.market.questions.reading import Reading
from hexar.agents.market.tools.result import Result
from hexar.v1 import market_pb2 as pb

#: The dimensions in Spanish, with their article; the measures, with theirs and whether they are plural.
_DIMENSIONS = {
    "brand": "la marca", "category": "la categoría", "product": "el producto", "region": "la región", "country": "el país",
    "store": "la tienda", "channel": "el canal",
}  # fmt: skip
_MEASURES = {
    "revenue": ("ventas", True), "profit": ("beneficio", False), "margin": ("margen", False), "units": ("unidades", True),
    "share": ("cuota", False), "average_price": ("precio medio", False),
}  # fmt: skip


def _spanish_move(measure: str, up: bool) -> tuple[str, str]:
    """("sus ventas", "bajaron")."""
    name, several = _MEASURES.get(measure, (measure, False))
    verb = ("subieron" if up else "bajaron") if several else ("subió" if up else "bajó")
    return ("sus " if several else "su ") + name, verb


def answer(reading: Reading, results: Sequence[Result], scope: Scope) -> tuple[str, list[pb.Figure]]:
    """(a sentence, its figures); empty where the question asks for no single thing. A change says between which days it is."""
    if reading.unread:
        # What was not understood may be what the question is about.
        return "", []
    said, figures = _answer(reading, results)
    if said and reading.move and scope.current is not None and scope.previous is not None:
        to, against = ("a", "frente a") if reading.language == "es" else ("to", "against")
        said += (
            f" ({scope.current.first} {to} {scope.current.last} {against} {scope.previous.first} {to} {scope.previous.last})"
        )
    return said, figures


def _answer(reading: Reading, results: Sequence[Result]) -> tuple[str, list[pb.Figure]]:
    if len(reading.dimensions) == 1 and (reading.end or reading.move or reading.focus):
        return _of_a_part(reading, results)
    if not reading.dimensions and not reading.end:
        return _of_the_whole(reading, results)
    return "", []


def _figures(results: Sequence[Result], tool: str, name: str) -> list[pb.Figure]:
    return [figure for result in results if result.tool == tool for figure in result.figures if figure.name == name]


def _of_a_part(reading: Reading, results: Sequence[Result]) -> tuple[str, list[pb.Figure]]:
    role, measure = reading.dimensions[0], reading.measure or "revenue"
    moved = bool(reading.move)
    own = "region" if role == "country" else role
    tool, name = {
        ("margin", False): ("profitability", "margin"),
        ("margin", True): ("profitability", "margin_change"),
        ("profit", False): ("profitability", "profit"),
        ("profit", True): ("profitability", "profit_change_amount"),
        ("share", False): ("share", "share"),
        ("share", True): ("share", "share_change"),
        ("units", False): (own, "units"),
        ("revenue", False): (own, "revenue"),
        ("revenue", True): (own, "revenue_change"),
    }.get((measure, moved), ("", ""))
    found = [
        figure for figure in _figures(results, tool, name) if role in figure.dimensions and figure.dimensions[role] != "(none)"
    ]
    if not found:
        return "", []
    wanted = reading.focus.get(role, ())
    if wanted:
        found = [figure for figure in found if figure.dimensions[role] in wanted]
        if len(found) != 1:
            return "", []
    elif reading.end == "low" and reading.move in ("down", "up"):
        found = [figure for figure in found if (figure.value < 0) == (reading.move == "down")] or found
    # "Lost least" is the other end of "lost most".
    high = (reading.move != "down") == (reading.end != "low") if reading.move in ("down", "up") else reading.end != "low"
    best = max(found, key=lambda figure: figure.value if high else -figure.value)
    wrong_way = (reading.move == "down" and best.value >= 0) or (reading.move == "up" and best.value <= 0)
    spanish = reading.language == "es"
    if wrong_way and not wanted:
        said = "sin bajada" if reading.move == "down" else "sin subida"
        if spanish:
            return f"En ningún caso: {_MEASURES.get(measure, (measure, False))[0]} {said}.", [best]
        return f"None: {measure} did not {'fall' if reading.move == 'down' else 'rise'} for any {role}.", [best]
    value = _value(best, spanish)
    label = best.dimensions[role]
    if spanish:
        if moved:
            what, verb = _spanish_move(measure, best.value > 0)
            return f"{_capital(_DIMENSIONS[role])} {label}: {what} {verb} {value}.", [best]
        of = "" if measure == "units" else f" de {_MEASURES.get(measure, (measure, False))[0]}"
        return f"{_capital(_DIMENSIONS[role])} {label}, con {value}{of}.", [best]
    if moved:
        return f"{label}: its {measure} {'rose' if best.value > 0 else 'fell'} by {value}.", [best]
    said = {"margin": f"with a margin of {value}", "units": f"with {value}"}.get(measure, f"with {value} of {measure}")
    return f"{label}, {said}.", [best]


def _of_the_whole(reading: Reading, results: Sequence[Result]) -> tuple[str, list[pb.Figure]]:
    spanish = reading.language == "es"
    if reading.horizon or (pb.MARKET_TOOL_FORECAST in reading.tools and not reading.move):
        total = next(iter(_figures(results, "forecast", "forecast_total")), None)
        if total is not None:
            said = "Se prevén" if spanish else "The forecast is"
            return f"{said} {words_of(reading.language).amount(total)}.", [total]
    measure = reading.measure
    if not measure:
        return "", []
    measure = "average_price" if measure == "price" else measure
    name = f"{measure}_change" if reading.move else measure
    tools = ("overview", "profitability", "kpi")
    found = next((figure for tool in tools for figure in _figures(results, tool, name) if not figure.dimensions), None)
    if found is None:
        return "", []
    value = _value(found, spanish)
    what = _MEASURES.get(measure, (measure, False))[0] if spanish else measure
    if reading.move:
        verb = "rose" if found.value > 0 else "fell"
        if spanish:
            what, verb = _spanish_move(measure, found.value > 0)
        return f"{_capital(what)} {verb} {value}." if spanish else f"{_capital(what)} {verb} by {value}.", [found]
    return f"{_capital(what.replace('_', ' '))}: {value}.", [found]


def _value(figure: pb.Figure, spanish: bool) -> str:
    absolute = figure.name.endswith(("change", "change_amount"))
    if figure.unit == "percentage points":
        return f"{abs(figure.value):.2f} {'puntos porcentuales' if spanish else 'percentage points'}"
    if figure.unit == "units":
        return f"{abs(figure.value) if absolute else figure.value:,.0f} {'unidades' if spanish else 'units'}"
    if figure.unit == "ratio":
        return ENGLISH.percent(figure, absolute=absolute)
    return ENGLISH.amount(figure, absolute=absolute)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
