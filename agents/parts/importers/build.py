"""From rows of names to a catalogue of ids, for formats that have names where the catalogue needs ids.

A manufacturer's id is made of its name, a model's of the manufacturer's and its own, and so on: the same source gives the
same ids, so that a caller's stored ids survive a new import.
"""

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


@dataclass(slots=True)
class _ModelDraft:
    record: Model
    years: set[int] = field(default_factory=set)
    open_end: bool = False


class Builder:
    """Collects vehicles, groups and articles by name, then hands whole records to the writer.

    Vehicles are known in full only at the end (a model's years come from all its rows), so fitments wait until then.
    """

    def __init__(self, writer: CatalogueWriter) -> None:
        self._writer = writer
        self._models: dict[str, _ModelDraft] = {}
        self._manufacturers: dict[str, Manufacturer] = {}
        self._variants: dict[str, Variant] = {}
        self._fitments: list[tuple[str, int, int, int]] = []

    def vehicle(self, vehicle: Vehicle) -> str:
        """The id of the vehicle's variant, registered where it is new."""
        make_id = vehicle.ids[0] or slug(vehicle.make)
        model_id = vehicle.ids[1] or slug(vehicle.make, vehicle.model)
        name = vehicle.variant or vehicle.engine or vehicle.model
        details = (vehicle.body, vehicle.fuel, vehicle.engine)
        variant_id = vehicle.ids[2] or slug(
            vehicle.make, vehicle.model, name, *(text for text in details if text and text != name)
        )
        self._manufacturers.setdefault(make_id, Manufacturer(make_id, vehicle.make))
        draft = self._models.setdefault(model_id, _ModelDraft(Model(model_id, vehicle.model, make_id)))
        draft.years.update(year for year in (vehicle.year_from, vehicle.year_to) if year)
        draft.open_end = draft.open_end or bool(vehicle.year_from and not vehicle.year_to)
        known = self._variants.get(variant_id)
        first, last = vehicle.year_from, vehicle.year_to
        if known is not None:
            first = min(first or known.year_from, known.year_from or first)
            last = max(last, known.year_to) if last and known.year_to else 0
        self._variants[variant_id] = Variant(
            variant_id,
            name,
            model_id,
            first,
            last,
            fields.engine_codes(vehicle.engine) if not vehicle.engine.count(" ") else (),
            vehicle.fuel,
            vehicle.capacity_cc,
            vehicle.power_kw,
            vehicle.cylinders,
            vehicle.body,
        )
        return variant_id

    def fitment(self, variant_id: str, category: tuple[str, str], group: tuple[str, str], article: Article) -> None:
        """List ``article`` for a variant; category and group are (id or empty, name)."""
        writer = self._writer
        category_key = writer.category(category[0] or slug(category[1]), category[1])
        group_key = writer.group(group[0] or slug(category[1], group[1]), group[1])
        if article.id not in writer.article_keys:
            writer.article(article)
        self._fitments.append((variant_id, group_key, category_key, writer.article_keys[article.id]))

    def finish(self) -> None:
        """Hand over everything that waited."""
        writer = self._writer
        for manufacturer in self._manufacturers.values():
            writer.manufacturer(manufacturer)
        for draft in self._models.values():
            first = min(draft.years, default=0)
            last = 0 if draft.open_end else max(draft.years, default=0)
            writer.model(Model(draft.record.id, draft.record.name, draft.record.manufacturer_id, first, last))
        for variant in self._variants.values():
            writer.variant(variant)
        for variant_id, group_key, category_key, article_key in self._fitments:
            writer.fitment(writer.variant_keys[variant_id], group_key, category_key, article_key)
