"""ACES fitment data with PIES product data (Auto Care Association XML), any number of files of each.

ACES names vehicles, part types and positions by the numbers of reference databases that are licensed apart. Their names
are read from CSV files beside the XML, each with a header: ``base_vehicles.csv`` (id, year, make, model),
``part_types.csv`` (id, name, and optionally category), ``positions.csv`` (id, name), and optionally ``engines.csv``,
``submodels.csv`` and ``body_types.csv`` (id, name). An application that spells its make or model out needs no table. An
application whose numbers no table knows is refused with its line: nothing is guessed.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

from hexar.agents.parts.catalogue.records import Article, Position, Side
from hexar.agents.parts.catalogue.report import CatalogueUnreadable
from hexar.agents.parts.catalogue.writer import CatalogueWriter
from hexar.agents.parts.importers import fields
from hexar.agents.parts.importers.build import Builder, Vehicle, slug
from hexar.agents.parts.importers.source import Source, find
from hexar.agents.parts.importers.xmlstream import records, root, text_of

_APP = frozenset({"App"})
_ITEM = frozenset({"Item"})

#: The categories of applications whose part type has none in its table.
NO_CATEGORY = "Parts"


@dataclass(frozen=True, slots=True)
class _Product:
    """What PIES tells about one part number."""

    brand: str = ""
    brand_id: str = ""
    name: str = ""
    image_url: str = ""
    details: tuple[tuple[str, str], ...] = ()
    oem: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Tables:
    """Names by id; the values are the columns after the id."""

    rows: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def name(self, table: str, element: Element | None) -> str:
        """The name that an element's id or text stands for; empty where nothing tells it."""
        if element is None:
            return ""
        found = self.rows.get(table, {}).get(element.get("id", ""))
        return found[0] if found else text_of(element)


def xml_files(folder: Path) -> tuple[list[Source], list[Source]]:
    """(ACES files, PIES files) of a folder by their document element, each by name."""
    fitment, product = [], []
    for path in sorted(folder.iterdir()):
        if path.name.endswith((".xml", ".xml.gz")):
            source = Source(path)
            name = root(source, lambda *_: None)
            if name == "ACES":
                fitment.append(source)
            elif name == "PIES":
                product.append(source)
    return fitment, product


def load(folder: Path, fitment: Sequence[Source], product: Sequence[Source], writer: CatalogueWriter) -> None:
    """Read all files into ``writer``."""
    reference = _tables(folder, writer)
    products: dict[str, _Product] = {}
    for source in product:
        for line, item in records(source, _ITEM, writer.progress):
            writer.report.read["items"] += 1
            _item(source, line, item, reference, products, writer)
    builder = Builder(writer)
    for source in fitment:
        for line, app in records(source, _APP, writer.progress):
            writer.report.read["applications"] += 1
            if app.get("action", "A") == "D":
                writer.report.refuse("applications", source.name, line, "action D deletes; only full files are imported")
                continue
            problem = _application(app, reference, products, builder)
            if problem:
                writer.report.refuse("applications", source.name, line, problem)
            else:
                writer.report.kept["applications"] += 1
    builder.finish()


def _tables(folder: Path, writer: CatalogueWriter) -> _Tables:
    tables = _Tables()
    for name in ("base_vehicles", "part_types", "positions", "engines", "submodels", "body_types"):
        source = find(folder, name, (".csv",))
        if source is None:
            continue
        rows = csv.reader(source.text(writer.progress))
        header = next(rows, [])
        width = 4 if name == "base_vehicles" else 2
        if len(header) < width:
            raise CatalogueUnreadable(f"{source.name}: the header needs {width} columns")
        known = tables.rows.setdefault(name, {})
        for row in rows:
            if len(row) >= width and row[0].strip():
                known[row[0].strip()] = [" ".join(cell.split()) for cell in row[1:]]
            elif row:
                writer.report.refuse(name, source.name, rows.line_num, f"{width} columns are expected")
    return tables


def _item(
    source: Source, line: int, item: Element, reference: _Tables, products: dict[str, _Product], writer: CatalogueWriter
) -> None:
    number = text_of(item.find("PartNumber"))
    if not number:
        writer.report.refuse("items", source.name, line, "PartNumber is missing")
        return
    name = ""
    for description in item.iterfind("Descriptions/Description"):
        language = description.get("LanguageCode", "EN").upper()
        if language == "EN" and (not name or description.get("DescriptionCode") in ("SHO", "DES")):
            name = name or text_of(description)
    terminology = item.find("PartTerminologyID")
    if terminology is not None:
        known = reference.rows.get("part_types", {}).get(text_of(terminology))
        name = known[0] if known else name
    details = []
    for attribute in item.iterfind("ProductAttributes/ProductAttribute"):
        key, value, unit = attribute.get("AttributeID", ""), text_of(attribute), attribute.get("AttributeUOM", "")
        if key and value:
            details.append((f"{key} [{unit}]" if unit else key, value))
    oem: list[tuple[str, str]] = []
    for change in item.iterfind("PartInterchangeInfo/PartInterchange"):
        make = change.get("BrandLabel") or change.get("BrandAAIAID") or ""
        oem.extend((make, text_of(part)) for part in change.iterfind("PartNumber") if text_of(part))
    image = next((text_of(uri) for uri in item.iterfind("DigitalAssets/DigitalFileInformation/URI") if text_of(uri)), "")
    product = _Product(
        text_of(item.find("BrandLabel")), text_of(item.find("BrandAAIAID")), name, image, tuple(details), tuple(oem)
    )
    if number in products:
        writer.report.repeated["items"] += 1
    else:
        writer.report.kept["items"] += 1
        products[number] = product


def _vehicles(app: Element, tables: _Tables) -> tuple[list[tuple[str, str, int, int]], str]:
    """The (make, model, from, to) of an application, or what is wrong."""
    base = app.find("BaseVehicle")
    if base is not None:
        row = tables.rows.get("base_vehicles", {}).get(base.get("id", ""))
        if row is None:
            return [], f"BaseVehicle {base.get('id', '')[:20]} is not in base_vehicles.csv"
        year = fields.years(row[0])[0]
        if not year:
            return [], f"the year of BaseVehicle {base.get('id', '')[:20]} is not a year"
        return [(row[1], row[2], year, year)], ""
    make, model = text_of(app.find("Make")), text_of(app.find("Model"))
    span = app.find("Years")
    first, last = fields.years(span.get("from"), span.get("to")) if span is not None else (0, 0)
    if not make or not model or not first:
        return [], "neither BaseVehicle nor Years, Make and Model by name"
    return [(make, model, first, last or first)], ""


def _application(app: Element, tables: _Tables, products: Mapping[str, _Product], builder: Builder) -> str:
    vehicles, problem = _vehicles(app, tables)
    if problem:
        return problem
    part_type = app.find("PartType")
    kind = tables.rows.get("part_types", {}).get(part_type.get("id", "")) if part_type is not None else None
    number = text_of(app.find("Part"))
    if not number:
        return "Part is missing"
    product = products.get(number, _Product())
    name = fields.label((kind[0] if kind else "") or product.name or (text_of(part_type) if part_type is not None else ""))
    if name is None:
        return f"PartType {part_type.get('id', '')[:20] if part_type is not None else ''} is not in part_types.csv"
    place = app.find("Position")
    where = tables.name("positions", place)
    if place is not None and not where:
        return f"Position {place.get('id', '')[:20]} is not in positions.csv"
    side, position = fields.fitting(where)
    qualifiers = list(_qualifiers(app))
    for make, model, first, last in vehicles:
        variant = tables.name("submodels", app.find("SubModel"))
        engine = tables.name("engines", app.find("EngineBase"))
        vehicle = Vehicle(
            make, model, first, last, " ".join(text for text in (variant, engine) if text), "",
            body=tables.name("body_types", app.find("BodyType")), capacity_cc=fields.capacity_cc(engine),
        )  # fmt: skip
        category = kind[1] if kind and len(kind) > 1 and kind[1] else NO_CATEGORY
        article = _article(number, name, product, side, position, where, qualifiers)
        builder.fitment(vehicle, ("", category), ("", name), article)
    return ""


def _article(
    number: str,
    name: str,
    product: _Product,
    side: Side,
    position: Position,
    where: str,
    qualifiers: Sequence[tuple[str, str]],
) -> Article:
    # One part number may be sold for several places: each is an article of its own, so that a side is never lost.
    identifier = slug(product.brand_id or product.brand or "x", number, *([where] if where else []))
    details = (*((("Fitting Position", where),) if where else ()), *qualifiers, *product.details)
    return Article(
        identifier, name, number, product.brand or product.brand_id, image_url=product.image_url, side=side,
        position=position, details=details, oem=product.oem,
    )  # fmt: skip


def _qualifiers(app: Element) -> Iterator[tuple[str, str]]:
    for note in (*app.iterfind("Qual/text"), *app.iterfind("Note")):
        if text_of(note):
            yield "Note", text_of(note)
