"""The sentences of advice by rules, in the languages that questions are understood in.

A language is one class: the same methods, each a sentence or a title around the figures that a rule found.
"""

from __future__ import annotations

from hexar.v1 import market_pb2 as pb

_SPANISH_MONTHS = {
    "January": "enero", "February": "febrero", "March": "marzo", "April": "abril", "May": "mayo", "June": "junio",
    "July": "julio", "August": "agosto", "September": "septiembre", "October": "octubre", "November": "noviembre",
    "December": "diciembre",
}  # fmt: skip
#: The dimensions with their article; the measures, which are plural.
_SPANISH_PARTS = {
    "brand": "la marca", "category": "la categoría", "product": "el producto", "region": "la región", "country": "el país",
    "store": "la tienda", "channel": "el canal",
}  # fmt: skip
_SPANISH_MEASURES = {"revenue": "ventas", "units": "unidades"}


class English:
    """English."""

    points_unit, units, rows = "percentage points", "units", "rows"

    def amount(self, figure: pb.Figure, *, absolute: bool = False) -> str:
        """An amount as text, with its unit."""
        value = abs(figure.value) if absolute else figure.value
        digits = 0 if figure.unit in ("units", "rows") else 2
        unit = {"currency unknown": "", "units": f" {self.units}", "rows": f" {self.rows}"}.get(figure.unit, f" {figure.unit}")
        return f"{value:,.{digits}f}{unit}"

    def percent(self, figure: pb.Figure, *, absolute: bool = False) -> str:
        """A ratio as a percentage."""
        return f"{abs(figure.value) * 100 if absolute else figure.value * 100:.1f} %"

    def points(self, figure: pb.Figure) -> str:
        """Percentage points, without a sign."""
        return f"{abs(figure.value):.1f} {self.points_unit}"

    def signed(self, figure: pb.Figure) -> str:
        """An amount with its sign."""
        return f"{'+' if figure.value > 0 else '−'}{self.amount(figure, absolute=True)}"

    # -- what the figures say -----------------------------------------------------------------------------------------------

    def moved(self, measure: str, up: bool) -> str:
        """A title: what happened to a measure."""
        return f"{measure.capitalize()} {'rose' if up else 'fell'}"

    def growth(self, measure: str, change: pb.Figure, before: pb.Figure, now: pb.Figure) -> str:
        """How far a measure moved."""
        moved = self.moved(measure, change.value > 0)
        return f"{moved} {self.percent(change, absolute=True)}, from {self.amount(before)} to {self.amount(now)}."

    def cause(self, name: str, effect: pb.Figure) -> str:
        """What made most of a change: "price", "volume", "mix", "new" or "gone"."""
        said = {"price": "Prices", "volume": "Volume", "mix": "The mix", "new": "What is new", "gone": "What is gone"}[name]
        return f"{said} accounts for the largest part, {self.signed(effect)}."

    def margin_moved(self, up: bool) -> str:
        """A title."""
        return f"The margin {'rose' if up else 'fell'}"

    def margin(self, change: pb.Figure, now: pb.Figure) -> str:
        """How the margin moved."""
        return f"{self.margin_moved(change.value > 0)} by {self.points(change)} to {self.percent(now)}."

    def margin_most(self, role: str, name: str, most: pb.Figure) -> str:
        """Where it moved most."""
        return f"It {'rose' if most.value > 0 else 'fell'} most for the {role} {name}, by {self.points(most)}."

    def carries(self, name: str) -> str:
        """A title."""
        return f"{name} carries the most"

    def concentration(self, measure: str, role: str, name: str, most: pb.Figure) -> str:
        """What most depends on."""
        return f"The {role} {name} makes {self.percent(most)} of {measure}, more than any other {role}."

    def stands_out(self, period: str) -> str:
        """A title."""
        return f"{period} stands out"

    def outlier(self, period: str, most: pb.Figure, measure: pb.Figure, expected: pb.Figure) -> str:
        """The period that stands out most."""
        side = "above" if most.value > 0 else "below"
        text = f"{period} was {self.percent(most, absolute=True)} {side} what trend and season let expect: "
        return text + f"{self.amount(measure)} instead of {self.amount(expected)}."

    def seasonal(self) -> str:
        """A title."""
        return "There is a season"

    def season(self, high: pb.Figure, low: pb.Figure) -> str:
        """The strongest and the weakest season."""
        text = f"{high.dimensions['season']} is the strongest season, at {high.value:.2f} times the average. "
        return text + f"{low.dimensions['season']} is the weakest, at {low.value:.2f}."

    def share_moved(self, name: str, up: bool) -> str:
        """A title."""
        return f"{name} {'gained' if up else 'lost'} share"

    def share(self, role: str, name: str, most: pb.Figure, now: pb.Figure) -> str:
        """Who gained or lost share."""
        verb = "gained" if most.value > 0 else "lost"
        return f"The {role} {name} {verb} {self.points(most)} of share and now has {self.percent(now)}."

    # -- what to do about it ------------------------------------------------------------------------------------------------

    def stop_fall(self, name: str) -> str:
        """A title."""
        return f"Stop the fall of {name}"

    def falling(self, measure: str, part: tuple[str, str], change: pb.Figure, before: pb.Figure, now: pb.Figure) -> str:
        """The group that lost most."""
        text = f"Find out why the {part[0]} {part[1]} is losing: its {measure} fell {self.percent(change, absolute=True)}, "
        return text + f"from {self.amount(before)} to {self.amount(now)}."

    def build_on(self, name: str) -> str:
        """A title."""
        return f"Build on {name}"

    def rising(self, measure: str, part: tuple[str, str], change: pb.Figure, share: pb.Figure) -> str:
        """The group that grew most."""
        role, name = part
        return f"Build on the {role} {name}: it grew {self.percent(change)} and makes {self.percent(share)} of {measure}."

    def raise_margin(self, name: str) -> str:
        """A title."""
        return f"Raise the margin of {name}"

    def thin(self, part: tuple[str, str], low: pb.Figure, overall: pb.Figure, share: pb.Figure) -> str:
        """The weighty group with the thinnest margin."""
        text = f"Review prices and costs of the {part[0]} {part[1]}: its margin is {self.percent(low)} against "
        return text + f"{self.percent(overall)} over all, on {self.percent(share)} of revenue."

    def stop_losses(self) -> str:
        """A title."""
        return "Stop selling at a loss"

    def losses(self, loss: pb.Figure, rows: pb.Figure) -> str:
        """What is sold at a loss."""
        return f"Look at what is sold at a loss: {rows.value:,.0f} rows lose {self.amount(loss, absolute=True)} together."

    def most_losses(self, role: str, name: str, most: pb.Figure) -> str:
        """Who loses most of it."""
        return f"The {role} {name} alone loses {self.amount(most, absolute=True)}."

    def test_spend(self, name: str) -> str:
        """A title."""
        return f"Test more spend in {name}"

    def invest(self, best: pb.Figure) -> str:
        """The channel whose spend went along with most."""
        return f"Test more spend in {best.dimensions['channel']}: one more unit went along with {best.value:.2f} of revenue."

    def no_response(self, other: pb.Figure) -> str:
        """A channel whose spend went along with nothing that can be seen."""
        text = f"No response is seen to {other.dimensions['channel']}, whose interval runs from "
        return text + f"−{abs(other.low):.2f} to {other.high:.2f}."

    def plan_ahead(self) -> str:
        """A title."""
        return "Plan for the forecast"

    def prepare(self, measure: str, total: pb.Figure, error: pb.Figure) -> str:
        """Plan for what is coming."""
        text = f"Plan purchases and stock for {self.amount(total)} of {measure} over the forecast periods. "
        return text + f"The same method was off by {self.percent(error)} on average on the past."


class Spanish(English):
    """Spanish."""

    points_unit, units, rows = "puntos porcentuales", "unidades", "filas"

    def _part(self, role: str, name: str) -> str:
        return f"{_SPANISH_PARTS.get(role, role)} {name}"

    @staticmethod
    def _begin(text: str) -> str:
        return text[:1].upper() + text[1:]

    def moved(self, measure: str, up: bool) -> str:
        return f"Las {_SPANISH_MEASURES[measure]} {'subieron' if up else 'bajaron'}"

    def growth(self, measure: str, change: pb.Figure, before: pb.Figure, now: pb.Figure) -> str:
        moved = self.moved(measure, change.value > 0)
        return f"{moved} un {self.percent(change, absolute=True)}, de {self.amount(before)} a {self.amount(now)}."

    def cause(self, name: str, effect: pb.Figure) -> str:
        said = {
            "price": "el precio",
            "volume": "el volumen",
            "mix": "la mezcla",
            "new": "lo nuevo",
            "gone": "lo que ya no está",
        }
        return f"Lo que más pesa es {said[name]}, {self.signed(effect)}."

    def margin_moved(self, up: bool) -> str:
        return f"El margen {'subió' if up else 'bajó'}"

    def margin(self, change: pb.Figure, now: pb.Figure) -> str:
        return f"{self.margin_moved(change.value > 0)} {self.points(change)}, hasta el {self.percent(now)}."

    def margin_most(self, role: str, name: str, most: pb.Figure) -> str:
        return f"Donde más {'subió' if most.value > 0 else 'bajó'} fue en {self._part(role, name)}, {self.points(most)}."

    def carries(self, name: str) -> str:
        return f"{name} es lo que más pesa"

    def concentration(self, measure: str, role: str, name: str, most: pb.Figure) -> str:
        other = "otro" if _SPANISH_PARTS.get(role, "el").startswith("el") else "otra"
        part = self._begin(self._part(role, name))
        return f"{part} aporta el {self.percent(most)} de las {_SPANISH_MEASURES[measure]}, más que cualquier {other}."

    def stands_out(self, period: str) -> str:
        return f"{period} se sale de lo esperado"

    def outlier(self, period: str, most: pb.Figure, measure: pb.Figure, expected: pb.Figure) -> str:
        side = "por encima" if most.value > 0 else "por debajo"
        text = f"{period} quedó un {self.percent(most, absolute=True)} {side} de lo que la tendencia y la temporada hacían "
        return text + f"esperar: {self.amount(measure)} en vez de {self.amount(expected)}."

    def seasonal(self) -> str:
        return "Hay estacionalidad"

    def season(self, high: pb.Figure, low: pb.Figure) -> str:
        best, worst = (self._begin(_SPANISH_MONTHS.get(name, name)) for name in (f.dimensions["season"] for f in (high, low)))
        text = f"{best} es la temporada más fuerte, con {high.value:.2f} veces la media. "
        return text + f"{worst} es la más floja, con {low.value:.2f}."

    def share_moved(self, name: str, up: bool) -> str:
        return f"{name} {'ganó' if up else 'perdió'} cuota"

    def share(self, role: str, name: str, most: pb.Figure, now: pb.Figure) -> str:
        verb = "ganó" if most.value > 0 else "perdió"
        return (
            f"{self._begin(self._part(role, name))} {verb} {self.points(most)} de cuota y ahora tiene el {self.percent(now)}."
        )

    def stop_fall(self, name: str) -> str:
        return f"Frenar la caída de {name}"

    def falling(self, measure: str, part: tuple[str, str], change: pb.Figure, before: pb.Figure, now: pb.Figure) -> str:
        text = f"Averigüe por qué pierde {self._part(*part)}: sus {_SPANISH_MEASURES[measure]} bajaron un "
        return text + f"{self.percent(change, absolute=True)}, de {self.amount(before)} a {self.amount(now)}."

    def build_on(self, name: str) -> str:
        return f"Apostar por {name}"

    def rising(self, measure: str, part: tuple[str, str], change: pb.Figure, share: pb.Figure) -> str:
        text = f"Apueste por {self._part(*part)}: creció un {self.percent(change)} y aporta el {self.percent(share)} "
        return text + f"de las {_SPANISH_MEASURES[measure]}."

    def raise_margin(self, name: str) -> str:
        return f"Mejorar el margen de {name}"

    def thin(self, part: tuple[str, str], low: pb.Figure, overall: pb.Figure, share: pb.Figure) -> str:
        whose = f"de {self._part(*part)}".replace("de el ", "del ")
        text = f"Revise precios y costes {whose}: su margen es del {self.percent(low)} frente al {self.percent(overall)} "
        return text + f"del total, sobre el {self.percent(share)} de las ventas."

    def stop_losses(self) -> str:
        return "Dejar de vender con pérdidas"

    def losses(self, loss: pb.Figure, rows: pb.Figure) -> str:
        return (
            f"Revise lo que se vende con pérdidas: {rows.value:,.0f} filas pierden {self.amount(loss, absolute=True)} en total."
        )

    def most_losses(self, role: str, name: str, most: pb.Figure) -> str:
        return f"Solo {self._part(role, name)} pierde {self.amount(most, absolute=True)}."

    def test_spend(self, name: str) -> str:
        return f"Probar más gasto en {name}"

    def invest(self, best: pb.Figure) -> str:
        text = f"Pruebe a gastar más en {best.dimensions['channel']}: cada unidad de más fue acompañada de "
        return text + f"{best.value:.2f} de ventas."

    def no_response(self, other: pb.Figure) -> str:
        text = f"No se ve respuesta a {other.dimensions['channel']}, cuyo intervalo va de "
        return text + f"−{abs(other.low):.2f} a {other.high:.2f}."

    def plan_ahead(self) -> str:
        return "Planificar según la previsión"

    def prepare(self, measure: str, total: pb.Figure, error: pb.Figure) -> str:
        # A count names its unit itself.
        of = "" if measure == "units" else f" de {_SPANISH_MEASURES[measure]}"
        text = f"Planifique compras y existencias para {self.amount(total)}{of} en los periodos previstos. "
        return text + f"El mismo método se equivocó un {self.percent(error)} de media en el pasado."


ENGLISH, SPANISH = English(), Spanish()


def words_of(language: str) -> English:
    """The sentences of a language; English where it is not known."""
    return SPANISH if language == "es" else ENGLISH
