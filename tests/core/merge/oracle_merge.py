"""The plain-Python oracle of merging: slow, obvious, not shipped. Same rules, none of the machinery."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hexar.core.merge import Reading


def known(value: Any) -> bool:
    """False for None, empty text and empty collections."""
    return value is not None and not (isinstance(value, (str, list, tuple, set, frozenset, Mapping)) and len(value) == 0)


def rank(reading: Reading, precedence: Sequence[str]) -> tuple[Any, ...]:
    """Ascending: the least comes first."""
    when = -math.inf if reading.fetched_at is None else reading.fetched_at
    keys = {
        "current": reading.stale,
        "static": reading.live,
        "live": not reading.live,
        "newest": -when,
        "vendor": reading.vendor,
        "sku": reading.sku,
    }
    return tuple(keys[name] for name in precedence)


def merge(
    readings: Sequence[Reading], precedence: Sequence[str]
) -> tuple[dict[Any, Any], dict[Any, Reading], list[Reading], list[Reading]]:
    """Fields, the reading of each, all readings in order, and the offers."""
    ordered = sorted(readings, key=lambda reading: rank(reading, precedence))
    fields: dict[Any, Any] = {}
    sources: dict[Any, Reading] = {}
    for name in dict.fromkeys(name for reading in ordered for name in reading.values):
        for reading in ordered:
            if known(reading.values.get(name)):
                fields[name], sources[name] = reading.values[name], reading
                break
    offers: dict[tuple[str, str], Reading] = {}
    for reading in ordered:
        if reading.live and (reading.vendor, reading.sku) not in offers:
            offers[reading.vendor, reading.sku] = reading
    return fields, sources, ordered, [offers[key] for key in sorted(offers)]
