"""A CSV whose columns are named by a column map; one row is one article for one vehicle.

The map says which column holds which of our fields (:data:`FIELDS`); a column that already has our name needs no entry.
Columns mapped as ``detail:NAME`` become technical properties, ``oem:MAKE`` the maker's numbers. Example (YAML)::

    make: Manufacturer
    model: Model line
    year_from: From
    part_number: Art.-No.
    group: Product
    "detail:Width [mm]": Width

Required: make, model, group or name, and part_number or article_id.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

import yaml

from hexar.agents.parts.catalogue.records import Article
from hexar.agents.parts.catalogue.report import CatalogueUnreadable
from hexar.agents.parts.catalogue.writer import CatalogueWriter
from hexar.agents.parts.importers import fields
from hexar.agents.parts.importers.build import Builder, Vehicle, slug
from hexar.agents.parts.importers.source import Source

FIELDS = (
    "make", "make_id", "model", "model_id", "variant", "variant_id", "year_from", "year_to", "engine", "fuel", "body",
    "capacity", "power", "cylinders", "category", "category_id", "group", "group_id", "article_id", "part_number",
    "name", "brand", "fitting_position", "steering", "image_url",
)  # fmt: skip


def read_map(path: Path) -> dict[str, str]:
    """A column map from a YAML or JSON file; raises CatalogueUnreadable where it is not a map of texts or names no field."""
    try:
        value = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise CatalogueUnreadable(f"{path.name}: not a YAML or JSON document") from None
    if not isinstance(value, dict) or not all(isinstance(k, str) and isinstance(v, str) for k, v in value.items()):
        raise CatalogueUnreadable(f"{path.name}: a column map is a list of FIELD: COLUMN")
    unknown = sorted(name for name in value if name not in FIELDS and not name.startswith(("detail:", "oem:")))
    if unknown:
        raise CatalogueUnreadable(f"{path.name}: unknown field {unknown[0]!r}; known are {', '.join(FIELDS)}")
    return dict(value)


def load(source: Source, columns: Mapping[str, str], writer: CatalogueWriter) -> None:
    """Read the file into ``writer``; raises CatalogueUnreadable where the header lacks a mapped or a required column."""
    report = writer.report
    sample = next(source.text(writer.progress), "")
    delimiter = max(",;\t|", key=sample.count)
    rows = csv.reader(source.text(writer.progress), delimiter=delimiter)
    header = [name.strip() for name in next(rows, [])]
    mapping = {name: name for name in FIELDS if name in header} | dict(columns)
    absent = sorted({column for column in mapping.values() if column not in header})
    if absent:
        raise CatalogueUnreadable(f"{source.name}: no column {absent[0]!r}; the header has {', '.join(header)[:500]}")
    for either in (("make",), ("model",), ("group", "name"), ("part_number", "article_id")):
        if not any(name in mapping for name in either):
            raise CatalogueUnreadable(f"{source.name}: a column for {' or '.join(either)} is needed; give a column map")
    places = {name: header.index(column) for name, column in mapping.items()}
    builder = Builder(writer)
    while True:
        try:
            row = next(rows, None)
        except csv.Error:
            report.read["rows"] += 1
            report.refuse("rows", source.name, rows.line_num, "not a row of CSV")
            continue
        if row is None:
            break
        if not any(cell.strip() for cell in row):
            continue
        report.read["rows"] += 1
        if len(row) != len(header):
            report.refuse("rows", source.name, rows.line_num, f"{len(header)} columns are expected", about=str(len(row)))
            continue
        problem = _row({name: row[place].strip() for name, place in places.items()}, builder)
        if problem:
            report.refuse("rows", source.name, rows.line_num, problem)
        else:
            report.kept["rows"] += 1
    builder.finish()


def _row(row: Mapping[str, str], builder: Builder) -> str:
    """Take one row over; returns what is wrong with it, or an empty text."""
    if any("\ufffd" in value for value in row.values()):
        return "not UTF-8"
    make, model = fields.label(row.get("make")), fields.label(row.get("model"))
    name = fields.label(row.get("name")) or fields.label(row.get("group"))
    part_number = fields.optional(row.get("part_number"))
    article_id = fields.identifier(row.get("article_id"))
    if make is None or model is None:
        return "make or model is empty"
    if name is None:
        return "name and group are empty"
    if article_id is None and not part_number:
        return "part_number is empty"
    brand = fields.optional(row.get("brand"))
    first, last = fields.years(row.get("year_from"), row.get("year_to"))
    for column, year in (("year_from", first), ("year_to", last)):
        if row.get(column) and not year and column == "year_from":
            return f"{column} is not a year"
    side, position = fields.fitting(row.get("fitting_position", ""))
    vehicle = Vehicle(
            make, model, first, last, row.get("variant", ""), row.get("engine", ""), row.get("fuel", ""),
            row.get("body", ""), fields.capacity_cc(row.get("capacity")), fields.power_kw(row.get("power")),
            fields.whole(row.get("cylinders")),
            tuple(fields.identifier(row.get(key)) or "" for key in ("make_id", "model_id", "variant_id")),  # type: ignore[arg-type]
    )  # fmt: skip
    group = fields.label(row.get("group")) or name
    builder.fitment(
        vehicle,
        (row.get("category_id", ""), fields.label(row.get("category")) or "Parts"),
        (row.get("group_id", ""), group),
        Article(
            article_id or slug(brand or "x", part_number),
            name,
            part_number,
            brand,
            image_url=row.get("image_url", ""),
            side=side,
            position=position,
            steering=fields.steering(row.get("steering", "")),
            details=tuple((key[7:], row[key]) for key in row if key.startswith("detail:") and row[key]),
            oem=tuple((key[4:], row[key]) for key in row if key.startswith("oem:") and row[key]),
        ),
    )
    return ""
