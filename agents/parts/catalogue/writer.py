"""The one way to write a catalogue: records in any order of arrival that respects references, then :meth:`finish`.

Big tables are written in batches of their own transactions; nothing is visible before the last one. Fitments are kept as
four arrays of dense integers (16 bytes a row, repeats included), sorted and deduplicated by numpy, and inserted in the
order of the table's primary key, which is the fastest order for a clustered index.

Thread-safety: a writer belongs to one thread.
"""

import zlib
from array import array
from collections.abc import Callable
from dataclasses import replace as changed
from types import TracebackType
from typing import TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import Table

from hexar.agents.parts.catalogue import generations, tables
from hexar.agents.parts.catalogue.bulk import bulk_insert
from hexar.agents.parts.catalogue.records import Article, Manufacturer, Model, Variant
from hexar.agents.parts.catalogue.report import CatalogueUnreadable, ImportReport
from hexar.core.store import Database

#: Articles a transaction.
ARTICLE_BATCH = 5_000
#: Narrow rows a transaction.
ROW_BATCH = 50_000

R = TypeVar("R")

#: Called with a stage's name, the units done and all units (0: not known).
Progress = Callable[[str, int, int], None]


def no_progress(_stage: str, _done: int, _total: int) -> None:
    """Tell nobody."""


class CatalogueWriter:
    """Writes one generation of ``catalogue``; use as a context manager: an exception discards what was written."""

    def __init__(self, database: Database, catalogue: str, *, replace: bool, progress: Progress = no_progress) -> None:
        self.report = ImportReport()
        self.progress = progress
        self._database = database
        self._catalogue = catalogue
        self._replace = replace
        self.manufacturer_keys: dict[str, int] = {}
        self.model_keys: dict[str, int] = {}
        self.variant_keys: dict[str, int] = {}
        self.category_keys: dict[str, int] = {}
        self.group_keys: dict[str, int] = {}
        self.article_keys: dict[str, int] = {}
        self._manufacturers: list[Manufacturer] = []
        self._models: list[Model] = []
        self._variants: list[Variant] = []
        self._categories: list[tuple[str, str]] = []
        self._groups: list[tuple[str, str]] = []
        self._article_rows: list[tuple[object, ...]] = []
        self._name_keys: dict[str, int] = {}
        self._article_names = array("I")
        self._tree = (array("I"), array("I"), array("I"))
        #: variant, group, category and article keys of every fitment read.
        self.fitment_columns = (array("I"), array("I"), array("I"), array("I"))

    def __enter__(self) -> "CatalogueWriter":
        generations.collect(self._database)
        self.generation = generations.begin(self._database, self._catalogue, replace=self._replace)
        self.report.generation = self.generation
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            generations.discard(self._database, self.generation)

    # -- records ------------------------------------------------------------------------------------------------------

    def manufacturer(self, record: Manufacturer) -> bool:
        """Add a manufacturer; False where its id is there already."""
        return self._add("manufacturers", self.manufacturer_keys, self._manufacturers, record.id, record)

    def model(self, record: Model) -> bool:
        """Add a model of a known manufacturer; False where its id is there already."""
        return self._add("models", self.model_keys, self._models, record.id, record)

    def variant(self, record: Variant) -> bool:
        """Add a variant of a known model; a repeat widens the years (False), since both rows say that it was built then."""
        key = self.variant_keys.get(record.id)
        if key is not None and self._variants[key].model_id == record.model_id:
            known = self._variants[key]
            first = min(known.year_from, record.year_from)
            last = max(known.year_to, record.year_to) if known.year_to and record.year_to else 0
            self._variants[key] = changed(known, year_from=first, year_to=last)
        return self._add("variants", self.variant_keys, self._variants, record.id, record)

    def category(self, identifier: str, name: str) -> int:
        """The key of a category, added where it is new."""
        return self._named(self.category_keys, self._categories, identifier, name)

    def group(self, identifier: str, name: str) -> int:
        """The key of a product group, added where it is new."""
        return self._named(self.group_keys, self._groups, identifier, name)

    def declare(self, variant_key: int, category_key: int, group_key: int) -> None:
        """Put a group into a variant's tree."""
        for column, value in zip(self._tree, (variant_key, category_key, group_key), strict=True):
            column.append(value)

    def article(self, record: Article) -> bool:
        """Add an article; False where its id is there already."""
        if record.id in self.article_keys:
            self.report.repeated["articles"] += 1
            return False
        key = len(self.article_keys)
        self.article_keys[record.id] = key
        self._article_names.append(self._name_keys.setdefault(record.name, len(self._name_keys)))
        details = zlib.compress(orjson.dumps({"details": record.details, "oem": record.oem}), 1)
        self._article_rows.append(
            (
                self.generation, key, record.id, record.name, record.part_number, record.brand, record.supplier_id,
                record.products_id, int(record.side), int(record.position), int(record.steering), record.year_from,
                record.year_to, record.image_url, details,
            )
        )  # fmt: skip
        if len(self._article_rows) >= ARTICLE_BATCH:
            self._flush_articles()
        self.report.kept["articles"] += 1
        return True

    def fitment(self, variant_key: int, group_key: int, category_key: int, article_key: int) -> None:
        """Add a fitment by keys; repeats are dropped and counted in :meth:`finish`."""
        for column, value in zip(self.fitment_columns, (variant_key, group_key, category_key, article_key), strict=True):
            column.append(value)

    # -- the end ------------------------------------------------------------------------------------------------------

    def finish(self) -> ImportReport:
        """Write what is left, derive the summaries, publish. Raises CatalogueUnreadable where there is nothing to publish."""
        if not self._variants or not self.article_keys or not self.fitment_columns[0]:
            raise CatalogueUnreadable("the source holds no usable fitment: nothing was imported")
        self._flush_articles()
        self._write(tables.manufacturers, [(key, row.id, row.name) for key, row in enumerate(self._manufacturers)])
        self._write(tables.models, [self._model_row(key, row) for key, row in enumerate(self._models)])
        self._write(tables.variants, [self._variant_row(key, row) for key, row in enumerate(self._variants)])
        self._write(tables.categories, [(key, *row) for key, row in enumerate(self._categories)])
        self._write(tables.groups, [(key, *row) for key, row in enumerate(self._groups)])

        fitments = _unique_rows(*self.fitment_columns)
        total = len(self.fitment_columns[0])
        self.report.repeated["fitments"] += total - len(fitments)
        self.report.kept["fitments"] = len(fitments)
        self._write_array(tables.fitments, fitments, "fitments")

        variant, group, category, article = fitments.T
        self._write_array(tables.trees, _unique_rows(
            np.concatenate([np.asarray(self._tree[0], np.uint32), variant]),
            np.concatenate([np.asarray(self._tree[1], np.uint32), category]),
            np.concatenate([np.asarray(self._tree[2], np.uint32), group]),
        ), "trees")  # fmt: skip
        self._write_array(tables.group_articles, _unique_rows(group, article, category), "summaries")
        names = np.asarray(self._article_names, np.uint32)[article]
        self._write(tables.group_names, self._group_names(_unique_rows(group, category, names, article)))

        counts = {
            "manufacturers": len(self._manufacturers), "models": len(self._models), "variants": len(self._variants),
            "product_groups": len(self._groups), "articles": len(self.article_keys), "fitments": len(fitments),
        }  # fmt: skip
        self.report.version = generations.publish(
            self._database, self._catalogue, self.generation, counts, replace=self._replace
        )
        return self.report

    # -- private ------------------------------------------------------------------------------------------------------

    def _add(self, kind: str, keys: dict[str, int], rows: list[R], identifier: str, record: R) -> bool:
        if identifier in keys:
            self.report.repeated[kind] += 1
            return False
        keys[identifier] = len(rows)
        rows.append(record)
        self.report.kept[kind] += 1
        return True

    @staticmethod
    def _named(keys: dict[str, int], rows: list[tuple[str, str]], identifier: str, name: str) -> int:
        key = keys.get(identifier)
        if key is None:
            key = keys[identifier] = len(rows)
            rows.append((identifier, name))
        return key

    def _model_row(self, key: int, row: Model) -> tuple[object, ...]:
        return (key, row.id, row.name, self.manufacturer_keys[row.manufacturer_id], row.year_from, row.year_to)

    def _variant_row(self, key: int, row: Variant) -> tuple[object, ...]:
        model = self.model_keys[row.model_id]
        return (
            key, row.id, row.name, model, self.manufacturer_keys[self._models[model].manufacturer_id], row.year_from,
            row.year_to, ",".join(row.engine_codes), row.fuel, row.capacity_cc, row.power_kw, row.cylinders, row.body,
        )  # fmt: skip

    def _group_names(self, rows: NDArray[np.uint32]) -> list[tuple[object, ...]]:
        texts = list(self._name_keys)
        unique, counts = np.unique(rows[:, :3], axis=0, return_counts=True)
        return [
            (group, category, texts[name], count)
            for (group, category, name), count in zip(unique.tolist(), counts.tolist(), strict=True)
        ]

    def _flush_articles(self) -> None:
        with self._database.write() as connection:
            bulk_insert(connection, tables.articles, self._article_rows)
            generations.touch(connection, self.generation)
        self._article_rows.clear()

    def _write(self, table: Table, rows: list[tuple[object, ...]]) -> None:
        with self._database.write() as connection:
            bulk_insert(connection, table, [(self.generation, *row) for row in rows])
            generations.touch(connection, self.generation)

    def _write_array(self, table: Table, rows: NDArray[np.uint32], stage: str) -> None:
        total = len(rows)
        for start in range(0, total, ROW_BATCH):
            part = rows[start : start + ROW_BATCH]
            numbered = np.column_stack([np.full(len(part), self.generation, np.int64), part.astype(np.int64)])
            with self._database.write() as connection:
                bulk_insert(connection, table, numbered.tolist())
                generations.touch(connection, self.generation)
            self.progress(stage, start + len(part), total)


def _unique_rows(*columns: object) -> NDArray[np.uint32]:
    """Distinct rows of equally long columns of unsigned integers, in ascending order by the first column, then the next."""
    arrays = [np.asarray(column, np.uint32) for column in columns]
    if not len(arrays[0]):
        return np.empty((0, len(arrays)), np.uint32)
    order = np.lexsort(arrays[::-1])
    rows = np.column_stack([array_[order] for array_ in arrays])
    keep = np.ones(len(rows), np.bool_)
    keep[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    return rows[keep]
