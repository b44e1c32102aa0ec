"""The bucket layout: one file a kind of row, JSON lines or CSV, plain or gzip.

``manufacturers.json`` ({id: name}, optional), ``models.jsonl``, ``variants.jsonl``, ``categories.jsonl``,
``articles.jsonl``, ``fitments.csv``. A row that cannot be read, or that refers to something the files before it do not
hold, is refused with its file and line; everything else is kept.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import orjson

from hexar.agents.parts.catalogue.records import Article, Manufacturer, Model, Variant
from hexar.agents.parts.catalogue.report import CatalogueUnreadable
from hexar.agents.parts.catalogue.writer import CatalogueWriter
from hexar.agents.parts.importers import fields
from hexar.agents.parts.importers.source import Source, find

#: The files without which there is no catalogue, with their suffixes.
REQUIRED = {
    "models": (".jsonl",),
    "variants": (".jsonl",),
    "categories": (".jsonl",),
    "articles": (".jsonl",),
    "fitments": (".csv",),
}
#: Columns of fitments.csv that are read; others may be there.
FITMENT_COLUMNS = ("variant_id", "category_id", "product_group_id", "article_id")

#: Details that repeat a field of the article.
_REPEATED_DETAILS = {"Article ID", "Article Number", "Manufacturer"}


def is_bucket(folder: Path) -> bool:
    """Whether the folder looks like this layout."""
    return find(folder, "fitments", (".csv",)) is not None


def load(folder: Path, writer: CatalogueWriter) -> None:
    """Read all files of ``folder`` into ``writer``; raises CatalogueUnreadable where a required one is missing."""
    sources = {stem: find(folder, stem, suffixes) for stem, suffixes in REQUIRED.items()}
    missing = [stem for stem, source in sources.items() if source is None]
    if missing:
        raise CatalogueUnreadable(
            f"the folder lacks {', '.join(missing)}: expected files such as models.jsonl, fitments.csv.gz"
        )
    found = {stem: source for stem, source in sources.items() if source is not None}
    _models(found["models"], find(folder, "manufacturers", (".json",)), writer)
    _variants(found["variants"], writer)
    _categories(found["categories"], writer)
    _articles(found["articles"], writer)
    _fitments(found["fitments"], writer)


def _objects(source: Source, kind: str, writer: CatalogueWriter) -> Iterator[tuple[int, dict[str, object]]]:
    for number, line in source.lines(writer.progress):
        if not line.strip():
            continue
        writer.report.read[kind] += 1
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            writer.report.refuse(kind, source.name, number, "not a line of JSON")
            continue
        if not isinstance(row, dict):
            writer.report.refuse(kind, source.name, number, "not a JSON object")
            continue
        yield number, row


def _names(source: Source | None, writer: CatalogueWriter) -> dict[str, str]:
    """Manufacturers by id, from {id: name} or [{id, name}]."""
    if source is None:
        return {}
    try:
        value = orjson.loads(b"".join(line for _, line in source.lines(writer.progress)))
    except orjson.JSONDecodeError:
        writer.report.refuse("manufacturers", source.name, 1, "not a JSON document")
        return {}
    pairs = value.items() if isinstance(value, dict) else []
    if isinstance(value, list):
        pairs = [(row.get("id"), row.get("name")) for row in value if isinstance(row, dict)]
    names = {}
    for raw_id, raw_name in pairs:
        writer.report.read["manufacturers"] += 1
        key, name = fields.identifier(raw_id), fields.label(raw_name)
        if key is None or name is None:
            writer.report.refuse("manufacturers", source.name, 1, "id or name is missing", about=str(raw_id)[:50])
        else:
            names[key] = name
    return names


def _models(source: Source, manufacturers: Source | None, writer: CatalogueWriter) -> None:
    rows = []
    by_manufacturer: dict[str, list[str]] = defaultdict(list)
    for number, row in _objects(source, "models", writer):
        key, name, manufacturer = (
            fields.identifier(row.get("id")),
            fields.label(row.get("name")),
            fields.identifier(row.get("manufacturerId")),
        )
        if key is None or name is None or manufacturer is None:
            writer.report.refuse("models", source.name, number, "id, name or manufacturerId is missing")
            continue
        info = row.get("additionalInfo")
        info = info if isinstance(info, dict) else {}
        rows.append(Model(key, name, manufacturer, *fields.years(info.get("fromDate"), info.get("toDate"))))
        by_manufacturer[manufacturer].append(name)
    names = _names(manufacturers, writer)
    for manufacturer, model_names in by_manufacturer.items():
        writer.manufacturer(
            Manufacturer(manufacturer, names.pop(manufacturer, "") or fields.common_lead(model_names) or manufacturer)
        )
    for manufacturer, name in names.items():
        writer.manufacturer(Manufacturer(manufacturer, name))
    for model in rows:
        writer.model(model)


def _variants(source: Source, writer: CatalogueWriter) -> None:
    for number, row in _objects(source, "variants", writer):
        key, model = fields.identifier(row.get("id")), fields.identifier(row.get("modelId"))
        if key is None or model is None:
            writer.report.refuse("variants", source.name, number, "id or modelId is missing")
            continue
        if model not in writer.model_keys:
            writer.report.refuse("variants", source.name, number, "its model is not in models", about=model)
            continue
        specs = row.get("specs")
        specs = specs if isinstance(specs, dict) else {}
        first, last = fields.years(specs.get("year"))
        writer.variant(
            Variant(
                key,
                fields.label(row.get("type")) or key,
                model,
                first,
                last,
                fields.engine_codes(specs.get("engineCode")),
                fields.optional(specs.get("fuelType")),
                fields.capacity_cc(specs.get("capacity")),
                fields.power_kw(specs.get("power")),
                fields.whole(specs.get("cylinder")),
                fields.optional(specs.get("body")),
            )
        )


def _categories(source: Source, writer: CatalogueWriter) -> None:
    for number, row in _objects(source, "categories", writer):
        variant = writer.variant_keys.get(fields.identifier(row.get("variantId")) or "")
        tree = row.get("categories")
        if not isinstance(tree, list):
            writer.report.refuse("categories", source.name, number, "categories is not a list")
            continue
        # The names hold for every variant, so a tree of an unknown variant still tells them.
        for branch in tree:
            names = _branch(branch)
            if names is None:
                writer.report.refuse("categories", source.name, number, "a category without id, name or productGroups")
                continue
            category = writer.category(*names[0])
            for leaf in names[1]:
                group = writer.group(*leaf)
                if variant is not None:
                    writer.declare(variant, category, group)
        if variant is None:
            writer.report.refuse(
                "categories",
                source.name,
                number,
                "its variant is not in variants",
                about=str(row.get("variantId"))[:50],
            )
        else:
            writer.report.kept["categories"] += 1


def _branch(branch: object) -> tuple[tuple[str, str], list[tuple[str, str]]] | None:
    if not isinstance(branch, dict) or not isinstance(branch.get("productGroups"), list):
        return None
    key, name = fields.identifier(branch.get("id")), fields.label(branch.get("name"))
    if key is None or name is None:
        return None
    leaves = []
    for leaf in branch["productGroups"]:
        if isinstance(leaf, dict):
            leaf_key, leaf_name = fields.identifier(leaf.get("id")), fields.label(leaf.get("name"))
            if leaf_key is not None and leaf_name is not None:
                leaves.append((leaf_key, leaf_name))
    return (key, name), leaves


def _articles(source: Source, writer: CatalogueWriter) -> None:
    for number, row in _objects(source, "articles", writer):
        key, name = fields.identifier(row.get("id")), fields.label(row.get("name"))
        if key is None or name is None:
            writer.report.refuse("articles", source.name, number, "id or name is missing")
            continue
        raw = row.get("techDetails")
        details, oem = _details(raw if isinstance(raw, dict) else {})
        known = dict(details)
        side, position = fields.fitting(known.get("Fitting Position", "") or known.get("Axle Version", ""))
        writer.article(
            Article(
                key,
                name,
                fields.optional(row.get("partNo")),
                fields.optional(row.get("brand")),
                fields.optional(row.get("supplierId")),
                fields.optional(row.get("productsId")),
                fields.optional(row.get("imageUrl")),
                side,
                position,
                fields.steering(known.get("Left-/right-hand drive vehicles", "")),
                fields.years(known.get("Model year from"))[0],
                fields.years(known.get("Model year to"))[0],
                details,
                oem,
            )
        )


def _details(raw: dict[str, object]) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    details: list[tuple[str, str]] = []
    oem: list[tuple[str, str]] = []
    for raw_name, raw_value in raw.items():
        name, value = raw_name.strip().rstrip(":"), fields.optional(raw_value)
        if not value or name in _REPEATED_DETAILS:
            continue
        if name.startswith("OEM Numbers"):
            make = name.removeprefix("OEM Numbers").strip()
            # A comma without a space is part of a number.
            oem.extend((make, number.strip()) for number in value.split(", ") if number.strip())
        else:
            details.append((name, value))
    return tuple(details), tuple(oem)


def _fitments(source: Source, writer: CatalogueWriter) -> None:
    report = writer.report
    rows = csv.reader(source.text(writer.progress))
    header = [name.strip() for name in next(rows, [])]
    missing = [name for name in FITMENT_COLUMNS if name not in header]
    if missing:
        raise CatalogueUnreadable(f"{source.name}: the header lacks {', '.join(missing)}")
    at_variant, at_category, at_group, at_article = (header.index(name) for name in FITMENT_COLUMNS)
    width = len(header)
    # The loop runs once a fitment, a million times: everything that it needs is a local name.
    variants, categories, groups, articles = (
        writer.variant_keys.get, writer.category_keys.get, writer.group_keys.get, writer.article_keys.get
    )  # fmt: skip
    put_variant, put_group, put_category, put_article = (column.append for column in writer.fitment_columns)
    read = 0
    while True:
        try:
            row = next(rows, None)
        except csv.Error:
            report.refuse("fitments", source.name, rows.line_num, "not a row of CSV")
            read += 1
            continue
        if row is None:
            break
        if not row:
            continue
        read += 1
        if len(row) != width:
            report.refuse("fitments", source.name, rows.line_num, f"{width} columns are expected", about=str(len(row)))
            continue
        variant, category, group, article = (
            variants(row[at_variant]), categories(row[at_category]), groups(row[at_group]), articles(row[at_article])
        )  # fmt: skip
        if variant is None or category is None or group is None or article is None:
            _refuse_fitment(writer, source, rows.line_num, dict(zip(header, row, strict=True)))
            continue
        put_variant(variant)
        put_group(group)
        put_category(category)
        put_article(article)
    report.read["fitments"] += read


def _refuse_fitment(writer: CatalogueWriter, source: Source, line: int, row: dict[str, str]) -> None:
    known = (
        ("variant_id", writer.variant_keys, "variants"),
        ("article_id", writer.article_keys, "articles"),
        ("category_id", writer.category_keys, "categories"),
        ("product_group_id", writer.group_keys, "categories"),
    )
    for column, keys, file in known:
        if row[column] not in keys:
            writer.report.refuse("fitments", source.name, line, f"its {column} is not in {file}", about=row[column][:50])
            return
