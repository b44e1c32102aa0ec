"""Reading a catalogue from the store: pages for the list RPCs, and what is listed for variants.

Every function takes the generation to read, so that an answer reads one state of the catalogue from beginning to end.
"""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Select, Table, and_, func, or_, select

from hexar.agents.parts.catalogue import tables
from hexar.agents.parts.catalogue.records import Position, Side, Steering
from hexar.core.store import Database


@dataclass(frozen=True, slots=True)
class CatalogueRow:
    """An imported catalogue; ``counts`` by kind of row."""

    name: str
    generation: int
    version: int
    imported_at: float
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Listed:
    """An article as listed for one variant under one group and category."""

    variant_key: int
    group_key: int
    category_key: int
    article_key: int
    id: str
    name: str
    part_number: str
    brand: str
    side: Side
    position: Position
    steering: Steering
    year_from: int
    year_to: int


@dataclass(frozen=True, slots=True)
class ArticleRow:
    """An article with everything that the catalogue tells."""

    key: int
    id: str
    name: str
    part_number: str
    brand: str
    supplier_id: str
    products_id: str
    image_url: str
    details: tuple[tuple[str, str], ...]
    oem: tuple[tuple[str, str], ...]


class CatalogueStore:
    """Statements on the catalogue tables; blocking, for worker threads. Thread-safe like its database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- catalogues ---------------------------------------------------------------------------------------------------

    def current(self, name: str) -> CatalogueRow | None:
        """The visible state of a catalogue, or None where there is none of that name."""
        with self._database.read() as connection:
            row = connection.execute(select(tables.catalogues).where(tables.catalogues.c.name == name)).first()
        return _catalogue(row) if row else None

    def catalogues(self, after: str, limit: int) -> list[CatalogueRow]:
        """Catalogues by name, those after ``after``."""
        table = tables.catalogues
        with self._database.read() as connection:
            rows = connection.execute(select(table).where(table.c.name > after).order_by(table.c.name).limit(limit)).all()
        return [_catalogue(row) for row in rows]

    # -- whole tables, for the in-memory indexes ----------------------------------------------------------------------

    def all_rows(self, generation: int, table: Table) -> list[Any]:
        """Every row of a small table of the generation, by key."""
        with self._database.read() as connection:
            return list(connection.execute(select(table).where(table.c.generation == generation).order_by(table.c.key)))

    def group_names(self, generation: int) -> list[Any]:
        """(group_key, category_key, name, articles) of everything listed."""
        table = tables.group_names
        columns = (table.c.group_key, table.c.category_key, table.c.name, table.c.articles)
        with self._database.read() as connection:
            return list(connection.execute(select(*columns).where(table.c.generation == generation)))

    def declared_groups(self, generation: int) -> list[Any]:
        """(group_key, category_key) of all trees, each once."""
        table = tables.trees
        with self._database.read() as connection:
            return list(
                connection.execute(
                    select(table.c.group_key, table.c.category_key).where(table.c.generation == generation).distinct()
                )
            )

    # -- what is listed -----------------------------------------------------------------------------------------------

    def listed(self, generation: int, variant_keys: Sequence[int], group_keys: Sequence[int]) -> list[Listed]:
        """Everything listed for the variants under the groups; a pair without rows lists nothing."""
        fitment, article = tables.fitments, tables.articles
        statement = (
            select(
                fitment.c.variant_key, fitment.c.group_key, fitment.c.category_key, article.c.key, article.c.id,
                article.c.name, article.c.part_number, article.c.brand, article.c.side, article.c.position,
                article.c.steering, article.c.year_from, article.c.year_to,
            )
            .join(article, and_(article.c.generation == generation, article.c.key == fitment.c.article_key))
            .where(
                fitment.c.generation == generation,
                fitment.c.variant_key.in_(list(variant_keys)),
                fitment.c.group_key.in_(list(group_keys)),
            )
        )  # fmt: skip
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return [Listed(*row[:8], Side(row[8]), Position(row[9]), Steering(row[10]), row[11], row[12]) for row in rows]

    def groups_of_variant(self, generation: int, variant_key: int) -> list[int]:
        """Keys of the groups that list anything for a variant."""
        table = tables.fitments
        statement = select(table.c.group_key).where(table.c.generation == generation, table.c.variant_key == variant_key)
        with self._database.read() as connection:
            return list(connection.execute(statement.distinct()).scalars())

    def articles(self, generation: int, keys: Iterable[int]) -> dict[int, ArticleRow]:
        """Whole articles by key."""
        wanted = list(keys)
        if not wanted:
            return {}
        table = tables.articles
        with self._database.read() as connection:
            rows = connection.execute(_whole(table).where(table.c.generation == generation, table.c.key.in_(wanted))).all()
        return {row.key: _article(row) for row in rows}

    def listed_anywhere(self, generation: int, names: Sequence[str], group_keys: Sequence[int], limit: int) -> list[Listed]:
        """Articles with one of the names (any name where empty) in the groups, whatever the vehicle; variant keys are 0."""
        listing, article = tables.group_articles, tables.articles
        statement = (
            select(
                listing.c.group_key, listing.c.category_key, article.c.key, article.c.id, article.c.name,
                article.c.part_number, article.c.brand, article.c.side, article.c.position, article.c.steering,
                article.c.year_from, article.c.year_to,
            )
            .join(article, and_(article.c.generation == generation, article.c.key == listing.c.article_key))
            .where(listing.c.generation == generation, listing.c.group_key.in_(list(group_keys)))
            .order_by(article.c.key)
            .limit(limit)
        )  # fmt: skip
        if names:
            statement = statement.where(article.c.name.in_(list(names)))
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
        return [Listed(0, *row[:7], Side(row[7]), Position(row[8]), Steering(row[9]), row[10], row[11]) for row in rows]

    # -- pages --------------------------------------------------------------------------------------------------------

    def page(
        self, generation: int, table: Table, after: tuple[str, str], limit: int, conditions: Sequence[ColumnElement[bool]] = ()
    ) -> tuple[list[Any], int]:
        """Rows of a named table by (name, id) after ``after``, and the count of all."""
        mine = and_(table.c.generation == generation, *conditions)
        name, identifier = after
        onward = or_(table.c.name > name, and_(table.c.name == name, table.c.id > identifier)) if identifier else mine
        statement = select(table).where(mine, onward).order_by(table.c.name, table.c.id).limit(limit)
        with self._database.read() as connection:
            return list(connection.execute(statement)), _count(connection, table, mine)

    def article_page(
        self,
        generation: int,
        after: str,
        limit: int,
        *,
        variant_key: int | None = None,
        category_key: int | None = None,
        group_key: int | None = None,
    ) -> tuple[list[ArticleRow], int]:
        """Articles by id after ``after``, and the count of all that the filters leave."""
        table = tables.articles
        condition = table.c.generation == generation
        if variant_key is not None:
            fitment = tables.fitments
            inner = select(fitment.c.article_key).where(
                fitment.c.generation == generation, fitment.c.variant_key == variant_key
            )
            if group_key is not None:
                inner = inner.where(fitment.c.group_key == group_key)
            if category_key is not None:
                inner = inner.where(fitment.c.category_key == category_key)
            condition = and_(condition, table.c.key.in_(inner))
        elif group_key is not None:
            listing = tables.group_articles
            inner = select(listing.c.article_key).where(listing.c.generation == generation, listing.c.group_key == group_key)
            condition = and_(condition, table.c.key.in_(inner))
        statement = _whole(table).where(condition, table.c.id > after).order_by(table.c.id).limit(limit)
        with self._database.read() as connection:
            rows = connection.execute(statement).all()
            return [_article(row) for row in rows], _count(connection, table, condition)

    def tree(self, generation: int, variant_key: int | None) -> list[tuple[int, int, int]]:
        """(category key, group key, articles listed) of a variant's tree, or of all trees."""
        trees = tables.trees
        if variant_key is None:
            declared = select(trees.c.category_key, trees.c.group_key).where(trees.c.generation == generation).distinct()
            listing = tables.group_articles
            counted = (
                select(listing.c.category_key, listing.c.group_key, func.count())
                .where(listing.c.generation == generation)
                .group_by(listing.c.category_key, listing.c.group_key)
            )
        else:
            declared = select(trees.c.category_key, trees.c.group_key).where(
                trees.c.generation == generation, trees.c.variant_key == variant_key
            )
            fitment = tables.fitments
            counted = (
                select(fitment.c.category_key, fitment.c.group_key, func.count())
                .where(fitment.c.generation == generation, fitment.c.variant_key == variant_key)
                .group_by(fitment.c.category_key, fitment.c.group_key)
            )
        with self._database.read() as connection:
            counts = {(row[0], row[1]): row[2] for row in connection.execute(counted)}
            return [(row[0], row[1], counts.get((row[0], row[1]), 0)) for row in connection.execute(declared)]


_WHOLE = ("key", "id", "name", "part_number", "brand", "supplier_id", "products_id", "image_url", "details")


def _whole(table: Table) -> Select[Any]:
    return select(*(table.c[name] for name in _WHOLE))


def _article(row: Any) -> ArticleRow:
    told = orjson.loads(zlib.decompress(row.details))
    return ArticleRow(
        row.key, row.id, row.name, row.part_number, row.brand, row.supplier_id, row.products_id, row.image_url,
        tuple((name, value) for name, value in told["details"]), tuple((make, number) for make, number in told["oem"]),
    )  # fmt: skip


def _catalogue(row: Any) -> CatalogueRow:
    return CatalogueRow(row.name, row.generation, row.version, row.imported_at, orjson.loads(row.counts))


def _count(connection: Connection, table: Table, condition: ColumnElement[bool]) -> int:
    return int(connection.execute(select(func.count()).select_from(table).where(condition)).scalar_one())
