"""How many of the labelled requests are understood whole: every condition read, none invented. Its last line is one JSON object.

The requests (labelled/requests.txt) were written for this benchmark and the rules were tuned on them: what it measures is that
nothing is lost again. Requests that nobody tuned on say how good the rules are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from hexar.agents.gear.request.understanding import Brands, Understood, understand
from hexar.v1 import query_pb2

LABELLED = Path(__file__).with_name("labelled") / "requests.txt"


def labelled() -> Iterator[tuple[str, dict[str, str]]]:
    """Each request with its labels."""
    for line in LABELLED.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            text, _, labels = line.partition(" | ")
            yield text, dict(label.strip().split("=", 1) for label in labels.split(";"))  # type: ignore[misc]


def said(understood: Understood) -> dict[str, str]:
    """What was understood, written as the labels are."""
    filters = understood.filters
    found = {
        "heads": "+".join(understood.things),
        "level": _level(filters.skill_level) if filters.skill_level else "",
        "not_level": "+".join(map(_level, filters.excluded_levels)),
        "brand": "+".join(filters.brands),
        "not_brand": "+".join(filters.excluded_brands),
        "terrain": "+".join(filters.terrain),
        "not_terrain": "+".join(filters.excluded_terrain),
        "not": "+".join(filters.excluded_terms),
        "size": "+".join(filters.sizes),
        "measure": "+".join(map(_measure, filters.measures)),
        "stock": "yes" if filters.in_stock else "",
        "order": query_pb2.Ordering.Name(understood.ordering).removeprefix("ORDERING_").lower().replace("_", " "),
        "untold": "yes" if understood.not_applied else "",
    }
    found["order"] = found["order"].removeprefix("unspecified")
    for name in ("min", "max"):
        if filters.HasField(f"price_{name}"):
            money = getattr(filters, f"price_{name}")
            found[name] = f"{money.micros / 1e6:g} {money.currency_code}"
    return {name: value for name, value in found.items() if value}


def _level(value: query_pb2.SkillLevel) -> str:
    return query_pb2.SkillLevel.Name(value).removeprefix("SKILL_LEVEL_").lower()


def _measure(measure: query_pb2.Measure) -> str:
    name = query_pb2.Quantity.Name(measure.quantity).removeprefix("QUANTITY_").lower().replace("_", " ")
    low = f"{measure.min:.10g}" if measure.HasField("min") else ""
    high = f"{measure.max:.10g}" if measure.HasField("max") else ""
    return f"{name} {low}..{high}"


def wrong() -> list[tuple[str, dict[str, str], dict[str, str]]]:
    """The requests that are not understood whole: text, labels, what was understood."""
    brands = Brands()
    rows = [(text, labels, said(understand(text, query_pb2.Filters(), brands))) for text, labels in labelled()]
    return [row for row in rows if row[1] != row[2]]


def figures() -> dict[str, float]:
    """The share of requests that are understood whole."""
    total = sum(1 for _ in labelled())
    return {"requests": total, "understood": round(1 - len(wrong()) / total, 4)}


if __name__ == "__main__":
    for text, labels, found in wrong():
        print(f"{text}\n  labelled   {labels}\n  understood {found}")
    print(json.dumps(figures()))
