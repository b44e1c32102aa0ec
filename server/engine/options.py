"""What an operator may turn off and on while the server runs. Systems declare theirs (``Servicer.options``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Option:
    """One switch. ``text`` says what off means."""

    name: str
    text: str
    read: Callable[[], bool]
    write: Callable[[bool], None]


def attribute(name: str, text: str, owner: object, field: str) -> Option:
    """The switch that is the attribute ``field`` of ``owner``."""
    return Option(name, text, lambda: bool(getattr(owner, field)), lambda on: setattr(owner, field, on))
