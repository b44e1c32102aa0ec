"""The tables of a parts catalogue.

Every row belongs to a *generation*: one import writes one new generation, which readers cannot see until the catalogue's
row in ``parts_catalogues`` points to it. That one update is the moment a new import becomes visible; a process that dies
earlier leaves the old generation untouched, and its own rows are removed by the next import.

Inside a generation rows are linked by ``key``, a dense integer from 0, so that the 10⁶ fitment rows stay small; ``id`` is
what the catalogue's publisher calls the thing, and the only identifier that callers see.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

from hexar.core.store import NAMING, Tables

metadata = MetaData(naming_convention=NAMING)
TABLES = Tables(metadata, Path(__file__).parents[1] / "migrations")

catalogues = Table(
    "parts_catalogues",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("imported_at", Float, nullable=False),
    Column("counts", Text, nullable=False),
)

#: Every generation that was begun and not yet removed. ``retired_at`` is set when another one took its place.
generations = Table(
    "parts_generations",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=True),
    Column("catalogue", String(100), nullable=False),
    Column("host", String(255), nullable=False),
    Column("process", Integer, nullable=False),
    Column("touched_at", Float, nullable=False),
    Column("published_at", Float),
    Column("retired_at", Float),
    sqlite_autoincrement=True,
)


def _rows(name: str, *columns: Column[Any]) -> Table:
    """A table whose primary key is the generation and its key columns, stored in that order on SQLite."""
    return Table(
        name,
        metadata,
        Column("generation", Integer, primary_key=True, autoincrement=False),
        *columns,
        sqlite_with_rowid=False,
    )


def _key(name: str = "key") -> Column[Any]:
    return Column(name, Integer, primary_key=True, autoincrement=False)


def _text(name: str) -> Column[Any]:
    return Column(name, Text, nullable=False, server_default="")


def _number(name: str) -> Column[Any]:
    return Column(name, BigInteger, nullable=False, server_default="0")


manufacturers = _rows("parts_manufacturers", _key(), _text("id"), _text("name"))

models = _rows(
    "parts_models",
    _key(),
    _text("id"),
    _text("name"),
    _number("manufacturer_key"),
    _number("year_from"),
    _number("year_to"),
)

variants = _rows(
    "parts_variants",
    _key(),
    _text("id"),
    _text("name"),
    _number("model_key"),
    _number("manufacturer_key"),
    _number("year_from"),
    _number("year_to"),
    _text("engine_codes"),
    _text("fuel"),
    _number("capacity_cc"),
    _number("power_kw"),
    _number("cylinders"),
    _text("body"),
)

categories = _rows("parts_categories", _key(), _text("id"), _text("name"))

groups = _rows("parts_groups", _key(), _text("id"), _text("name"))

#: What the catalogue's tree declares for a variant, whether or not any article is listed there.
trees = _rows("parts_trees", _key("variant_key"), _key("category_key"), _key("group_key"))

#: ``details`` is zlib-compressed JSON: {"details": [[name, value]…], "oem": [[make, number]…]}. It is the last column and is
#: only read for the articles that are sent. ``side``, ``position`` and ``steering`` are the contract's enum numbers.
articles = Table(
    "parts_articles",
    metadata,
    Column("generation", Integer, primary_key=True, autoincrement=False),
    _key(),
    _text("id"),
    _text("name"),
    _text("part_number"),
    _text("brand"),
    _text("supplier_id"),
    _text("products_id"),
    _number("side"),
    _number("position"),
    _number("steering"),
    _number("year_from"),
    _number("year_to"),
    _text("image_url"),
    Column("details", LargeBinary, nullable=False),
)
Index("ix_parts_articles_id", articles.c.generation, articles.c.id, unique=True)
Index("ix_parts_articles_name", articles.c.generation, articles.c.name)

#: The fitments: this article is listed for this variant under this category and group.
fitments = _rows(
    "parts_fitments",
    _key("variant_key"),
    _key("group_key"),
    _key("category_key"),
    _key("article_key"),
)

#: Articles by group over all variants, derived from the fitments.
group_articles = _rows("parts_group_articles", _key("group_key"), _key("article_key"), _key("category_key"))

#: How many articles of each name a group holds, derived: what component matching needs of the articles.
group_names = _rows(
    "parts_group_names",
    _key("group_key"),
    _key("category_key"),
    Column("name", String(400), primary_key=True),
    _number("articles"),
)

#: All tables with rows of a generation; the big ones name the key that their removal is cut by.
GENERATION_TABLES: tuple[tuple[Table, str], ...] = (
    (fitments, "variant_key"),
    (articles, "key"),
    (group_articles, "group_key"),
    (group_names, "group_key"),
    (trees, "variant_key"),
    (variants, "key"),
    (models, "key"),
    (groups, "key"),
    (categories, "key"),
    (manufacturers, "key"),
)
