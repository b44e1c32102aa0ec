"""Benchmark of ``hexar.core.merge``: is it one product (labelled pairs), and joining what five vendors say.

The join: 5 vendors x 2,000 live listings over 2,000 products of 8 static fields. All contenders start from the same Python
rows and end with, for each product, the last writer of each field, where it came from, and each vendor's offer. The peers
also get the easier task of starting from finished data frames and ending with one (``vs_polars_frames``,
``vs_pandas_frames``): reading rows into a frame is then free for them and not for us. ``vs_best_peer`` is against the
fastest peer from rows, ``vs_best_peer_frames`` against the fastest from frames.
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

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
if (ROOT / "build" / "ns").is_dir():
    sys.path.insert(1, str(ROOT / "build" / "ns"))

import pandas  # type: ignore[import-untyped]  # noqa: E402
import polars  # noqa: E402

from hexar.core.merge import DEFAULT_THRESHOLD, Merged, cluster, merge, same_product  # noqa: E402
from tests.bench.harness import data_folder, options, report  # noqa: E402
from tests.core.merge import oracle_merge  # noqa: E402

VENDORS = ("alpine", "harbour", "peak", "summit", "valley")
KNOWLEDGE = ("name", "brand", "category", "description", "year", "rating")
OFFER = ("sku", "price", "currency", "availability")
Rows = list[dict[str, Any]]


def listings(products: int, seed: int = 5) -> tuple[Rows, dict[str, Rows]]:
    """Static rows, and the live rows of each vendor: everyone says something about every product, nobody says all."""
    rng = random.Random(seed)
    static: Rows = []
    live: dict[str, Rows] = {vendor: [] for vendor in VENDORS}
    for i in range(products):
        static.append(
            {
                "id": f"p{i:05d}",
                "vendor": "catalogue",
                "fetched_at": 1_000.0 + rng.randrange(1000),
                "name": f"Product {i}",
                "brand": f"Brand {i % 97}",
                "category": f"category {i % 13}",
                "description": f"What the catalogue says of product {i}",
                "year": 2015 + i % 10,
                "rating": round(rng.uniform(1, 5), 1),
            }
        )
        for vendor in VENDORS:
            row: dict[str, Any] = {
                "product_id": f"p{i:05d}",
                "sku": f"{vendor}-{i}",
                "fetched_at": 500.0 + rng.randrange(2000),
                "price": rng.randrange(10, 900) * 1_000_000,
                "currency": "USD",
                "availability": rng.choice(("in_stock", "out_of_stock")),
                "name": f"{vendor} product {i}",
            }
            if rng.random() < 0.5:
                row["description"] = f"What {vendor} says of product {i}"
            if rng.random() < 0.5:
                row["rating"] = round(rng.uniform(1, 5), 1)
            live[vendor].append(row)
    for rows in live.values():
        rng.shuffle(rows)
    return static, live


def tagged(static: Rows, live: dict[str, Rows]) -> Rows:
    """All rows as one table's: what the peers read."""
    rows = [{**row, "live": False} for row in static]
    for vendor, found in live.items():
        rows.extend({**row, "id": row["product_id"], "vendor": vendor, "live": True} for row in found)
    return rows


def by_polars(frame: polars.DataFrame) -> tuple[polars.DataFrame, polars.DataFrame]:
    """Fields with provenance, and offers, by polars: two sorts, then the last that is known of each group."""
    order = frame.lazy().sort(["fetched_at", "live", "vendor"], descending=[False, False, True])
    rated = frame.lazy().sort(["live", "fetched_at", "vendor"], descending=[False, False, True])
    plain = [name for name in KNOWLEDGE if name != "rating"]

    def last(names: list[str]) -> list[polars.Expr]:
        wanted: list[polars.Expr] = []
        for name in names:
            known = polars.col(name).is_not_null()
            wanted.append(polars.col(name).filter(known).last())
            wanted += [polars.col(of).filter(known).last().alias(f"{name}.{of}") for of in ("vendor", "fetched_at", "live")]
        return wanted

    fields = order.group_by("id").agg(last(plain)).join(rated.group_by("id").agg(last(["rating"])), on="id")
    offers = rated.filter(polars.col("price").is_not_null())
    kept = (*OFFER[1:], "fetched_at", "live")
    offers = offers.group_by(["id", "vendor", "sku"]).agg(polars.col(name).last() for name in kept)
    first, second = polars.collect_all([fields, offers])
    return first, second


def by_pandas(frame: pandas.DataFrame) -> tuple[dict[str, pandas.DataFrame], pandas.DataFrame]:
    """The same by pandas: for each field the last known row of each product."""
    frame = frame.sort_values("vendor", ascending=False, kind="stable")
    order = frame.sort_values(["fetched_at", "live"], kind="stable")
    rated = frame.sort_values(["live", "fetched_at"], kind="stable")
    fields = {}
    for name in KNOWLEDGE:
        rows = (rated if name == "rating" else order)[["id", name, "vendor", "fetched_at", "live"]]
        fields[name] = rows[rows[name].notna()].drop_duplicates("id", keep="last")
    offers = rated[rated["price"].notna()].drop_duplicates(["id", "vendor", "sku"], keep="last")
    return fields, offers[["id", "vendor", *OFFER, "fetched_at", "live"]]


def polars_from_rows(static: Rows, live: dict[str, Rows]) -> tuple[Rows, Rows]:
    fields, offers = by_polars(polars.DataFrame(tagged(static, live), infer_schema_length=None))
    return fields.to_dicts(), offers.to_dicts()


def pandas_from_rows(static: Rows, live: dict[str, Rows]) -> tuple[dict[str, Any], Any]:
    fields, offers = by_pandas(pandas.DataFrame.from_records(tagged(static, live)))
    return {name: frame.to_dict("records") for name, frame in fields.items()}, offers.to_dict("records")


def ours_from_rows(static: Rows, live: dict[str, Rows]) -> int:
    """Merge, and read the fields, the sources and each offer's price: an offer is a view of its row."""
    total = 0
    for product in merge(static, live).products.values():
        total += len(product.fields) + len(product.provenance)
        for offer in product.offers.values():
            total += offer.get("price", 0)
    return total


def oracle_from_rows(static: Rows, live: dict[str, Rows]) -> int:
    """The same by the oracle."""
    total = 0
    for product in oracle_merge.merge(static, live).values():
        total += len(product["fields"]) + len(product["provenance"])
        for _, values in product["offers"].values():
            total += values["price"]
    return total


def agree(static: Rows, live: dict[str, Rows]) -> None:
    """Every contender finds the same winners, sources and offers, or the comparison is worth nothing."""
    ours = merge(static, live)
    plain = oracle_merge.merge(static, live)
    fields, offers = polars_from_rows(static, live)
    frames, more = pandas_from_rows(static, live)
    for row in fields:
        product = ours[row["id"]]
        for name in KNOWLEDGE:
            assert product.fields.get(name) == row[name] == plain[row["id"]]["fields"].get(name)
            assert product.provenance[name].vendor == row[f"{name}.vendor"]
    for name, rows in frames.items():
        assert all(ours[row["id"]].fields[name] == row[name] for row in rows)
    for row in (*offers, *more):
        assert ours[row["id"]].offers[row["vendor"], row["sku"]].values["price"] == row["price"]
    assert len(offers) == len(more) == sum(len(product.offers) for product in ours.products.values())


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


def workload() -> Merged:
    """A fixed amount of work of every kernel, about a second: for counting instructions."""
    rows = catalogue(1_000)
    for left, right in itertools.pairwise(rows):
        same_product(left, right)
    cluster(rows)
    static, live = listings(2_000)
    merged = merge(static, live)
    for _ in range(20):
        merged = merge(static, live)
    return merged


def main() -> None:
    """Print the tables and the JSON line."""
    chosen = options("Matching, clustering and merging of listings.")
    folder = data_folder()
    if folder is None:
        print("HEXAR_DATA is not set: abt_buy_f1 and amazon_google_f1 are not measured")
    static, live = listings(2_000)
    agree(static, live)
    rows = tagged(static, live)
    frame = polars.DataFrame(rows, infer_schema_length=None)
    table = pandas.DataFrame.from_records(rows)
    taken = rounds(
        {
            "ours": lambda: ours_from_rows(static, live),
            "oracle": lambda: oracle_from_rows(static, live),
            "polars": lambda: polars_from_rows(static, live),
            "polars_frames": lambda: by_polars(frame),
            "pandas": lambda: pandas_from_rows(static, live),
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
        },
    )


if __name__ == "__main__":
    main()
