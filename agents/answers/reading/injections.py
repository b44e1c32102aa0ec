"""Sentences in a document that give orders to whoever answers. A document is data: they are never quoted."""

from collections.abc import Iterable, Iterator

from hexar.agents.answers.reading.patterns import alternatives, tables
from hexar.agents.answers.reading.units import Unit
from hexar.core.text.words import fold

_TABLES = tables("injections")["orders"]
_ORDERS, _CONTINUES = alternatives(_TABLES["any"]), alternatives(_TABLES["continues"])


def gives_orders(text: str) -> bool:
    """Whether ``text`` tells a model, or whoever answers, what to do."""
    return _ORDERS.search(fold(" ".join(text.lower().split()))) is not None


def orders(units: Iterable[Unit]) -> Iterator[Unit]:
    """``units`` without those that give orders, nor those that go on with one in the same paragraph."""
    ordered = -1
    for unit in units:
        if gives_orders(unit.text) or (ordered == unit.group and _CONTINUES.match(fold(unit.text.lower()))):
            ordered = unit.group
            continue
        yield unit
