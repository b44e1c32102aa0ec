"""From rows of names to a catalogue of ids, for formats that have names where the catalogue needs ids.

A manufacturer's id is made of its name, a model's of the manufacturer's and its own, and so on: the same source gives the
same ids, so that a caller's stored ids survive a new import.
"""

import itertools
import re
import unicodedata
from dataclasses import dataclass, field

from hexar.agents.parts.catalogue.records import Article, Manufacturer, Model, Variant
from hexar.agents.parts.catalogue.writer import CatalogueWriter
from hexar.agents.parts.importers import fields

_NOT_WORD = re.compile(r"[^a-z0-9]+")


def slug(*names: str) -> str:
    """Names as one id of lower-case ASCII letters, digits and hyphens, names divided by a dot."""
    parts = []
    for name in names:
        folded = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
        parts.append(_NOT_WORD.sub("-", folded).strip("-") or "x")
    return ".".join(parts)


@dataclass(slots=True)
class Vehicle:
    """One vehicle of a row: make and model by name; the rest may be empty."""

    make: str
    model: str
    year_from: int = 0
    year_to: int = 0
    variant: str = ""
    engine: str = ""
    fuel: str = ""
    body: str = ""
    capacity_cc: int = 0
    power_kw: int = 0
    cylinders: int = 0
    ids: tuple[str, str, str] = ("", "", "")


#: A year that no catalogue reaches: the end of an open span while spans are cut.
_OPEN = 9999


@dataclass(slots=True)
class _Draft:
    """A vehicle with what is listed for it: (from, to, group key, category key, article key), years of 0 unknown."""

    vehicle: Vehicle
    make_id: str
    model_id: str
    listed: list[tuple[int, int, int, int, int]] = field(default_factory=list)


class Builder:
    """Collects vehicles and what is listed for them by name, then hands whole records to the writer.

    Rows of one vehicle may differ in years: "pad A, 2004 to 2006", "pad B, 2004 to 2010". The vehicle is then cut at every
    year where a row begins or ends, and each span becomes a variant of its own, so that no part is listed for a year that
    its row does not name.
    """

    def __init__(self, writer: CatalogueWriter) -> None:
        self._writer = writer
        self._drafts: dict[str, _Draft] = {}

    def fitment(self, vehicle: Vehicle, category: tuple[str, str], group: tuple[str, str], article: Article) -> None:
        """List ``article`` for a vehicle; category and group are (id or empty, name)."""
        writer = self._writer
        category_key = writer.category(category[0] or slug(category[1]), category[1])
        group_key = writer.group(group[0] or slug(category[1], group[1]), group[1])
        if article.id not in writer.article_keys:
            writer.article(article)
        name = vehicle.variant or vehicle.engine or vehicle.model
        details = (text for text in (vehicle.body, vehicle.fuel, vehicle.engine) if text and text != name)
        variant_id = vehicle.ids[2] or slug(vehicle.make, vehicle.model, name, *details)
        draft = self._drafts.get(variant_id)
        if draft is None:
            make_id = vehicle.ids[0] or slug(vehicle.make)
            draft = _Draft(vehicle, make_id, vehicle.ids[1] or slug(vehicle.make, vehicle.model))
            self._drafts[variant_id] = draft
        draft.listed.append((vehicle.year_from, vehicle.year_to, group_key, category_key, writer.article_keys[article.id]))

    def finish(self) -> None:
        """Hand over everything that waited."""
        writer = self._writer
        years: dict[str, list[int]] = {}
        for draft in self._drafts.values():
            span = years.setdefault(draft.model_id, [])
            for first, last, *_ in draft.listed:
                span.extend(year for year in (first, last or (_OPEN if first else 0)) if year)
        for draft in self._drafts.values():
            if draft.make_id not in writer.manufacturer_keys:
                writer.manufacturer(Manufacturer(draft.make_id, draft.vehicle.make))
            if draft.model_id not in writer.model_keys:
                span = years[draft.model_id]
                first, last = min(span, default=0), max(span, default=0)
                model = Model(draft.model_id, draft.vehicle.model, draft.make_id, first, 0 if last == _OPEN else last)
                writer.model(model)
        for variant_id, draft in self._drafts.items():
            spans = [(0, 0)] if draft.vehicle.ids[2] else _spans(draft.listed)
            if draft.vehicle.ids[2]:
                known = [row for row in draft.listed if row[0]]
                last = 0 if any(not row[1] for row in known) else max((row[1] for row in known), default=0)
                spans = [(min((row[0] for row in known), default=0), last)]
            for first, last in spans:
                self._variant(variant_id if len(spans) == 1 else f"{variant_id}.{first}-{last or ''}", draft, first, last)

    def _variant(self, variant_id: str, draft: _Draft, first: int, last: int) -> None:
        writer, vehicle = self._writer, draft.vehicle
        codes = () if " " in vehicle.engine else fields.engine_codes(vehicle.engine)
        name = vehicle.variant or vehicle.engine or vehicle.model
        record = Variant(
            variant_id, name, draft.model_id, first, last, codes, vehicle.fuel, vehicle.capacity_cc, vehicle.power_kw,
            vehicle.cylinders, vehicle.body,
        )  # fmt: skip
        writer.variant(record)
        key = writer.variant_keys[variant_id]
        for start, end, group_key, category_key, article_key in draft.listed:
            if not start or vehicle.ids[2] or (start <= first and (last or _OPEN) <= (end or _OPEN)):
                writer.fitment(key, group_key, category_key, article_key)


def _spans(listed: list[tuple[int, int, int, int, int]]) -> list[tuple[int, int]]:
    """The spans between all years where a row begins or ends that some row covers; (0, 0) where no row has a year."""
    rows = [(row[0], row[1] or _OPEN) for row in listed if row[0]]
    if not rows:
        return [(0, 0)]
    cuts = sorted({year for first, last in rows for year in (first, last + 1)})
    spans = []
    for start, after in itertools.pairwise(cuts):
        if any(first <= start and after - 1 <= last for first, last in rows):
            spans.append((start, 0 if after - 1 == _OPEN else after - 1))
    return spans
