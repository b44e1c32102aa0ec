"""Benchmark of ``hexar.core.merge``: is it one product (labelled pairs), and what all vendors say of each.

The merge is the one that a query runs (``hexar.agents.gear.products.assembly``), with the same precedence: 5 vendors x 2,000 live readings
and 2,000 static ones of 2,000 products. All contenders start from readings that are grouped by product and end with, for
each product, the value of each field that comes first, where it is from, and each vendor's offer. The peers also get the
easier task of starting from finished data frames and ending with one (``vs_polars_frames``, ``vs_pandas_frames``): reading rows
into a frame is then free for them and not for us. ``vs_best_peer`` is against the fastest peer from rows,
``vs_best_peer_frames`` against the fastest from frames.

``products_800_ms`` is what a query does with 8 vendors x 100 listings, 60 of each 100 shared: find out what is one product and
assemble all; ``cluster_800_ms`` and ``merge_800_ms`` are the parts of it that the kernels take.
"""

import gzip
import itertools
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))
if (ROOT / "build" / "ns").is_dir():
    sys.path.insert(1, str(ROOT / "build" / "ns"))

import pandas  # type: ignore[import-untyped]  # noqa: E402
import polars  # noqa: E402

from hexar.agents.gear.candidates import Batch  # noqa: E402
from hexar.agents.gear.products.assembly import PRECEDENCE  # noqa: E402
from hexar.agents.gear.products.catalogue import Catalogue  # noqa: E402
from hexar.agents.vendors.model import Listing, Money  # noqa: E402
from hexar.core.cache import Tier  # noqa: E402
from hexar.core.merge import DEFAULT_THRESHOLD, Reading, cluster, merge, same_product  # noqa: E402
from tests.bench.harness import data_folder, options, report  # noqa: E402
from tests.core.merge import oracle_merge  # noqa: E402

VENDORS = ("alpine", "harbour", "peak", "summit", "valley")
KNOWLEDGE = ("name", "brand", "category", "description", "year", "rating")
ORDER = ["stale", "live", "vendor", "sku"]  # PRECEDENCE, as columns
Rows = list[dict[str, Any]]


class Listed(Reading):
    """A reading with the price of its offer."""

    __slots__ = ("price",)

    def __init__(self, row: dict[str, Any]) -> None:
        values = {name: row[name] for name in KNOWLEDGE if name in row}
        super().__init__(row["vendor"], row["sku"], values, live=row["live"], stale=row["stale"], fetched_at=row["fetched_at"])
        self.price = row.get("price")


def rows_of(products: int, seed: int = 5) -> Rows:
    """One static row and five vendors' live rows of each product: everyone says something, nobody says all."""
    rng = random.Random(seed)
    rows: Rows = []
    for i in range(products):
        of = {"id": f"p{i:05d}", "stale": False, "fetched_at": 1_000.0 + rng.randrange(1000)}
        rows.append(
            of
            | {"vendor": "catalogue", "sku": f"c-{i}", "live": False, "name": f"Product {i}", "brand": f"Brand {i % 97}"}
            | {"category": f"category {i % 13}", "description": f"What the catalogue says of product {i}"}
            | {"year": 2015 + i % 10, "rating": round(rng.uniform(1, 5), 1)}
        )
        for vendor in VENDORS:
            row = of | {"vendor": vendor, "sku": f"{vendor}-{i}", "live": True, "stale": rng.random() < 0.1}
            row |= {"price": rng.randrange(10, 900) * 1_000_000, "name": f"{vendor} product {i}"}
            if rng.random() < 0.5:
                row["description"] = f"What {vendor} says of product {i}"
            if rng.random() < 0.5:
                row["rating"] = round(rng.uniform(1, 5), 1)
            rows.append(row)
    rng.shuffle(rows)
    return rows


def grouped(rows: Rows) -> list[list[Listed]]:
    """The readings of each product."""
    groups: dict[str, list[Listed]] = {}
    for row in rows:
        groups.setdefault(row["id"], []).append(Listed(row))
    return [groups[name] for name in sorted(groups)]


def by_polars(frame: polars.DataFrame) -> tuple[polars.DataFrame, polars.DataFrame]:
    """Fields with their vendor, and offers, by polars: a sort, then the first that is known of each group."""
    order = frame.lazy().sort(ORDER)
    first: list[polars.Expr] = []
    for name in KNOWLEDGE:
        known = polars.col(name).is_not_null()
        first.append(polars.col(name).filter(known).first())
        first += [polars.col(of).filter(known).first().alias(f"{name}.{of}") for of in ("vendor", "fetched_at", "live")]
    fields = order.group_by("id").agg(first)
    offers = order.filter(polars.col("live")).group_by(["id", "vendor", "sku"]).agg(polars.col("price").first())
    one, other = polars.collect_all([fields, offers])
    return one, other


def by_pandas(frame: pandas.DataFrame) -> tuple[dict[str, pandas.DataFrame], pandas.DataFrame]:
    """The same by pandas: for each field the first known row of each product."""
    frame = frame.sort_values(ORDER, kind="stable")
    fields = {}
    for name in KNOWLEDGE:
        rows = frame[["id", name, "vendor", "fetched_at", "live"]]
        fields[name] = rows[rows[name].notna()].drop_duplicates("id")
    return fields, frame[frame["live"]].drop_duplicates(["id", "vendor", "sku"])[["id", "vendor", "sku", "price"]]


def polars_from_rows(rows: Rows) -> tuple[Rows, Rows]:
    fields, offers = by_polars(polars.DataFrame(rows, infer_schema_length=None))
    return fields.to_dicts(), offers.to_dicts()


def pandas_from_rows(rows: Rows) -> tuple[dict[str, Any], Any]:
    fields, offers = by_pandas(pandas.DataFrame.from_records(rows))
    return {name: frame.to_dict("records") for name, frame in fields.items()}, offers.to_dict("records")


def ours(groups: list[list[Listed]]) -> int:
    """Merge, and read the fields, the sources and each offer's price."""
    total = 0
    for readings in groups:
        merged = merge(readings, PRECEDENCE)
        total += len(merged.fields) + len(merged.sources)
        for offer in merged.offers:
            total += offer.price
    return total


def oracle(groups: list[list[Listed]]) -> int:
    """The same by the oracle."""
    total = 0
    for readings in groups:
        fields, sources, _, offers = oracle_merge.merge(readings, PRECEDENCE)
        total += len(fields) + len(sources) + sum(offer.price for offer in offers)  # type: ignore[attr-defined]
    return total


def agree(rows: Rows, groups: list[list[Listed]]) -> None:
    """Every contender finds the same winners, sources and offers, or the comparison is worth nothing."""
    assert ours(groups) == oracle(groups)
    found = {f"p{i:05d}": merge(readings, PRECEDENCE) for i, readings in enumerate(groups)}
    fields, offers = polars_from_rows(rows)
    frames, more = pandas_from_rows(rows)
    for row in fields:
        merged = found[row["id"]]
        for name in KNOWLEDGE:
            assert merged.fields.get(name) == row[name]
            assert merged.sources[name].vendor == row[f"{name}.vendor"]
    for name, table in frames.items():
        assert all(found[row["id"]].fields[name] == row[name] for row in table)
    for row in (*offers, *more):
        assert {(one.vendor, one.sku): one.price for one in found[row["id"]].offers}[row["vendor"], row["sku"]] == row["price"]
    assert len(offers) == len(more) == sum(len(merged.offers) for merged in found.values())


def batches(vendors: int = 8, listed: int = 100, shared: int = 60) -> list[Batch]:
    """What each vendor of a query lists: ``shared`` products that all sell, the rest its own."""
    found = []
    for vendor in range(vendors):
        rng = random.Random(vendor)
        listings = []
        for i in range(listed):
            names = random.Random(i if i < shared else 1000 * (vendor + 1) + i)
            word = "".join(names.choice("bdfgklmnprst") + names.choice("aeiou") for _ in range(3)).title()
            listings.append(
                Listing(
                    vendor=f"shop{vendor}",
                    sku=f"{vendor}-{i}",
                    name=f"Kestra {word} {names.randrange(2, 99)} Snowboard {rng.choice(('2026', '25/26', ''))}".strip(),
                    fetched_at=1.0,
                    brand="Kestra",
                    category="Snowboards",
                    description=f"A board for the whole mountain, number {i} of {vendor}.",
                    price=Money("USD", names.randrange(200, 900) * 1_000_000),
                )
            )
        found.append(Batch(f"shop{vendor}", listings))
    return found


def query_figures() -> dict[str, float]:
    """Milliseconds of the least disturbed of some rounds over 8 x 100 listings: all, clustering, merging."""
    read = batches()
    records = [record for batch in read for record in batch.records]
    merges: list[list[Reading]] = []

    def products() -> None:
        catalogue_ = Catalogue()
        found = catalogue_.products({batch.vendor: catalogue_.place(batch, Tier.SOURCE, stale=False) for batch in read})
        merges[:] = [list(parts.readings) for parts in found]

    taken = rounds(
        {
            "products_800_ms": products,
            "cluster_800_ms": lambda: cluster(records),
            "merge_800_ms": lambda: [merge(readings, PRECEDENCE) for readings in merges],
        },
        7,
    )
    assert sum(len(readings) > 1 for readings in merges) >= 55, "products that vendors share are not found"
    return {name: seconds * 1e3 for name, seconds in taken.items()}


def rounds(contenders: dict[str, Callable[[], object]], repeat: int) -> dict[str, float]:
    """Seconds of the least disturbed round of each, measured in turns so that noise of the machine falls on all."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeat):
        for name, function in contenders.items():
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
    return {name: min(values) for name, values in times.items()}


def f1(folder: Path, name: str) -> float:
    """F1 on the test split, at the default threshold."""
    with gzip.open(folder / "matching" / name / "test.jsonl.gz", "rt", encoding="utf-8") as lines:
        pairs = [json.loads(line) for line in lines]
    says = [same_product(pair["left"], pair["right"]) >= DEFAULT_THRESHOLD for pair in pairs]
    labels: list[bool] = [pair["label"] == 1 for pair in pairs]
    hit = sum(1 for label, yes in zip(labels, says, strict=True) if yes and label)
    return 2 * hit / (says.count(True) + labels.count(True))


def catalogue(products: int, seed: int = 7) -> list[dict[str, str]]:
    """Four vendors' listings of each product, worded by each in its own way, some without the model code."""
    rng = random.Random(seed)
    words = ["".join(rng.choice("bdfgklmnprst") + rng.choice("aeiou") for _ in range(3)) for _ in range(600)]
    rows = []
    for i in range(products):
        brand, name, extra = rng.choice(words[:40]), rng.choice(words), rng.choice(words)
        code = f"{rng.choice('ABCDE')}{rng.choice('XYZ')}-{rng.randrange(100, 9999)}"
        for vendor in VENDORS[:4]:
            title = [brand, name, extra, "snowboard", *([code] if rng.random() < 0.8 else [])]
            if rng.random() < 0.3:
                rng.shuffle(title)
            rows.append({"vendor": vendor, "sku": f"{vendor}-{i}", "title": " ".join(title), "price": str(200 + i % 500)})
    rng.shuffle(rows)
    return rows


def workload() -> int:
    """A fixed amount of work of every kernel, about a second: for counting instructions."""
    rows = catalogue(1_000)
    for left, right in itertools.pairwise(rows):
        same_product(left, right)
    cluster(rows)
    groups = grouped(rows_of(2_000))
    return sum(ours(groups) for _ in range(20))


def main() -> None:
    """Print the tables and the JSON line."""
    chosen = options("Matching, clustering and merging of listings.")
    folder = data_folder()
    if folder is None:
        print("HEXAR_DATA is not set: abt_buy_f1 and amazon_google_f1 are not measured")
    rows = rows_of(2_000)
    groups = grouped(rows)
    agree(rows, groups)
    frame = polars.DataFrame(rows, infer_schema_length=None)
    table = pandas.DataFrame.from_records(rows)
    taken = rounds(
        {
            "ours": lambda: ours(groups),
            "oracle": lambda: oracle(groups),
            "polars": lambda: polars_from_rows(rows),
            "polars_frames": lambda: by_polars(frame),
            "pandas": lambda: pandas_from_rows(rows),
            "pandas_frames": lambda: by_pandas(table),
        },
        11 if chosen.quick else 31,
    )
    ratio = {name: taken[name] / taken["ours"] for name in taken}
    listed = catalogue(5_000)
    start = time.perf_counter()
    clusters = cluster(listed)
    cluster_seconds = time.perf_counter() - start
    pairs = list(itertools.pairwise(listed))
    start = time.perf_counter()
    for left, right in pairs:
        same_product(left, right)
    pairs_per_s = len(pairs) / (time.perf_counter() - start)
    report(
        "merge",
        {
            "abt_buy_f1": f1(folder, "Abt-Buy") if folder else None,
            "amazon_google_f1": f1(folder, "Amazon-Google") if folder else None,
            "threshold": DEFAULT_THRESHOLD,
            "merge_ms": taken["ours"] * 1e3,
            "vs_oracle": ratio["oracle"],
            "vs_best_peer": min(ratio["polars"], ratio["pandas"]),
            "vs_best_peer_frames": min(ratio["polars_frames"], ratio["pandas_frames"]),
            "vs_polars": ratio["polars"],
            "vs_pandas": ratio["pandas"],
            "vs_polars_frames": ratio["polars_frames"],
            "vs_pandas_frames": ratio["pandas_frames"],
            "cluster_20k_s": cluster_seconds,
            "clusters": len(clusters),
            "pairs_per_s": pairs_per_s,
            **query_figures(),
        },
    )


if __name__ == "__main__":
    main()
