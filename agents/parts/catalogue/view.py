"""One state of a catalogue as requests use it: indexes in memory, listings from the store behind a bounded cache.

A :class:`CatalogueView` belongs to one version. :class:`Catalogues` hands out the current one and builds the next when the
store's version moves; requests that hold the old one go on with it. Thread-safety: views are read-only but for their
listing cache, which has a lock; any number of threads may use one.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from hexar.agents.parts.catalogue import tables
from hexar.agents.parts.catalogue.reading import ArticleRow, CatalogueRow, CatalogueStore, Listed
from hexar.agents.parts.components.matching import ComponentMatcher, GroupRow
from hexar.agents.parts.vehicles.resolve import VehicleIndex
from hexar.agents.parts.vehicles.rows import ManufacturerRow, ModelRow, VariantRow
from hexar.core.errors import NotFound

#: Rows of listings kept in memory by one view; about 300 bytes each.
MAX_LISTED_ROWS = 60_000
#: (variant, group) pairs kept, the empty ones included.
MAX_PAIRS = 50_000
#: Whole articles kept, with their details; a few kilobytes each.
MAX_ARTICLES = 4_000
#: Seconds for which a view is known to be current without asking the store: how soon a new import is seen.
FRESH = 1.0
#: Variants read by one statement.
VARIANTS_A_READ = 8


@dataclass(frozen=True, slots=True)
class NamedRow:
    """A category or a product group."""

    key: int
    id: str
    name: str


class Listings:
    """What is listed for (variant, group) pairs: least recently used out first, bounded in rows and in pairs."""

    def __init__(self, max_rows: int = MAX_LISTED_ROWS, max_pairs: int = MAX_PAIRS) -> None:
        self._max_rows, self._max_pairs = max_rows, max_pairs
        self._pairs: OrderedDict[tuple[int, int], tuple[Listed, ...]] = OrderedDict()
        self._rows = 0
        self._lock = threading.Lock()

    def get(self, variant_key: int, group_key: int) -> tuple[Listed, ...] | None:
        """The listing, or None where it is not in memory."""
        with self._lock:
            found = self._pairs.get((variant_key, group_key))
            if found is not None:
                self._pairs.move_to_end((variant_key, group_key))
            return found

    def put(self, variant_key: int, group_key: int, rows: tuple[Listed, ...]) -> None:
        """Keep a listing; one that alone exceeds the bound is not kept."""
        if len(rows) > self._max_rows:
            return
        with self._lock:
            before = self._pairs.pop((variant_key, group_key), ())
            self._pairs[variant_key, group_key] = rows
            self._rows += len(rows) - len(before)
            while self._rows > self._max_rows or len(self._pairs) > self._max_pairs:
                _, dropped = self._pairs.popitem(last=False)
                self._rows -= len(dropped)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._pairs.clear()
            self._rows = 0

    def __len__(self) -> int:
        return len(self._pairs)


class CatalogueView:
    """One version of one catalogue."""

    def __init__(self, row: CatalogueRow, store: CatalogueStore) -> None:
        self.row = row
        self.store = store
        generation = row.generation
        self.categories = [NamedRow(r.key, r.id, r.name) for r in store.all_rows(generation, tables.categories)]
        self.groups = [NamedRow(r.key, r.id, r.name) for r in store.all_rows(generation, tables.groups)]
        self.category_by_id = {entry.id: entry for entry in self.categories}
        self.group_by_id = {entry.id: entry for entry in self.groups}
        self.vehicles = VehicleIndex(
            [ManufacturerRow(r.key, r.id, r.name) for r in store.all_rows(generation, tables.manufacturers)],
            [
                ModelRow(r.key, r.id, r.name, r.manufacturer_key, r.year_from, r.year_to)
                for r in store.all_rows(generation, tables.models)
            ],
            [
                VariantRow(
                    r.key, r.id, r.name, r.model_key, r.manufacturer_key, r.year_from, r.year_to,
                    tuple(code for code in r.engine_codes.split(",") if code), r.fuel, r.capacity_cc, r.power_kw,
                    r.cylinders, r.body,
                )
                for r in store.all_rows(generation, tables.variants)
            ],
        )  # fmt: skip
        self.model_by_id = {model.id: model for model in self.vehicles.models}
        self.manufacturer_by_id = {maker.id: maker for maker in self.vehicles.manufacturers}
        self.components = ComponentMatcher(
            [GroupRow(*r) for r in store.group_names(generation)],
            [(r[0], r[1]) for r in store.declared_groups(generation)],
            [group.name for group in self.groups],
            [category.name for category in self.categories],
        )
        self.listings = Listings()
        self._articles: OrderedDict[int, ArticleRow] = OrderedDict()
        self._articles_lock = threading.Lock()

    def articles(self, keys: Sequence[int]) -> dict[int, ArticleRow]:
        """Whole articles by key; one read of the store at most."""
        found: dict[int, ArticleRow] = {}
        with self._articles_lock:
            for key in keys:
                known = self._articles.get(key)
                if known is not None:
                    self._articles.move_to_end(key)
                    found[key] = known
        missing = [key for key in keys if key not in found]
        if missing:
            read = self.store.articles(self.row.generation, missing)
            found.update(read)
            with self._articles_lock:
                self._articles.update(read)
                while len(self._articles) > MAX_ARTICLES:
                    self._articles.popitem(last=False)
        return found

    def forget(self) -> None:
        """Drop what was kept in memory of listings and articles."""
        self.listings.clear()
        with self._articles_lock:
            self._articles.clear()

    def listed(self, variant_keys: Sequence[int], group_keys: Sequence[int]) -> tuple[list[Listed], int, int]:
        """(rows, cache hits, cache misses) for all pairs of the variants and groups; one read of the store at most."""
        rows: list[Listed] = []
        missing: list[tuple[int, int]] = []
        hits = 0
        for variant in variant_keys:
            for group in group_keys:
                found = self.listings.get(variant, group)
                if found is None:
                    missing.append((variant, group))
                else:
                    hits += 1
                    rows.extend(found)
        if missing:
            pairs: dict[tuple[int, int], list[Listed]] = {pair: [] for pair in missing}
            variants = sorted({variant for variant, _ in missing})
            groups = sorted({group for _, group in missing})
            for row in self.store.listed(self.row.generation, variants, groups):
                entry = pairs.get((row.variant_key, row.group_key))
                if entry is not None:
                    entry.append(row)
            for (variant, group), found_rows in pairs.items():
                self.listings.put(variant, group, tuple(found_rows))
                rows.extend(found_rows)
        return rows, hits, len(missing)


class Catalogues:
    """The current view of every catalogue in use; built once a version, by one thread, while others wait for it."""

    def __init__(self, store: CatalogueStore) -> None:
        self.store = store
        self._views: dict[str, CatalogueView] = {}
        self._checked: dict[str, float] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def fresh(self, name: str) -> CatalogueView | None:
        """The view where it was current less than :data:`FRESH` seconds ago; asks nobody."""
        checked = self._checked.get(name)
        return self._views.get(name) if checked is not None and time.monotonic() - checked < FRESH else None

    def view(self, name: str) -> CatalogueView:
        """The view of the visible version; raises NotFound where nothing was imported under that name."""
        now = time.monotonic()
        row = self.store.current(name)
        if row is None:
            self._views.pop(name, None)
            raise NotFound("catalogue", name)
        view = self._views.get(name)
        if view is not None and view.row.generation == row.generation:
            self._checked[name] = now
            return view
        with self._guard:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            view = self._views.get(name)
            if view is None or view.row.generation < row.generation:
                view = CatalogueView(row, self.store)
                self._views[name] = view
                self._checked[name] = now
            return view
