"""Cache keys against ``json.dumps(sort_keys=True)`` and ``orjson.dumps(OPT_SORT_KEYS)``, each with hashlib's SHA-256.

The request has ten fields of mixed types, as a product query has. Both peers say less: they do not tell a list
from a tuple, refuse bytes and large numbers, and normalise no Unicode.

Run: ``python tests/bench/kernels/cachekey.py [--quick]``.
"""

import hashlib
import json
import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import orjson

from hexar.core.cachekey import cache_key, encode, normalize_text
from tests.bench.harness import options, paired, report, seconds

FIELDS: dict[str, object] = {
    "query": "beginner snowboard under $400",
    "limit": 20,
    "min_price": 49.95,
    "max_price": 400.0,
    "in_stock": True,
    "brand": None,
    "categories": ["snowboards", "bindings", "boots"],
    "ratings": [4, 4.5, 5],
    "filters": {"size": "156W", "level": "beginner", "flex": 3},
    "locale": "en-US",
}


def ours() -> bytes:
    return cache_key("acme", "query", FIELDS)


def with_json() -> bytes:
    return hashlib.sha256(json.dumps(["acme", "query", FIELDS], sort_keys=True).encode()).digest()


def with_orjson() -> bytes:
    return hashlib.sha256(orjson.dumps(["acme", "query", FIELDS], option=orjson.OPT_SORT_KEYS)).digest()


def workload() -> None:
    """A fixed amount of work whose instructions are counted."""
    for index in range(300):
        cache_key("acme", "query", FIELDS)
        vehicle = {"année": 2009 + index, "modèle": "Clio"}
        cache_key("acme", "parts", {"vehicle": vehicle, "components": ["faro", "capó"] * 10})
        normalize_text("  Beginner SNOWBOARD under $400 ")
        normalize_text("Tabla de nieve  PARA principiantes, 400 €")


def main() -> None:
    quick = options(__doc__ or "").quick
    repeat, number = (41, 500) if quick else (101, 2_000)  # many short rounds: the median passes over a busy moment
    mine, peer_json = paired(ours, with_json, repeat, number)
    mine_again, peer_orjson = paired(ours, with_orjson, repeat, number)
    report(
        "cachekey",
        {
            "vs_json_sha256": peer_json / mine,
            "vs_orjson_sha256": peer_orjson / mine_again,
            "key_us": mine * 1e6,
            "encode_us": seconds(lambda: encode("acme", "query", FIELDS), repeat, number) * 1e6,
            "json_sha256_us": peer_json * 1e6,
            "orjson_sha256_us": peer_orjson * 1e6,
            "encoding_bytes": len(encode("acme", "query", FIELDS)),
        },
    )


if __name__ == "__main__":
    main()
