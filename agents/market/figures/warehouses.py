"""Which engine a warehouse is, by its address.

Adding one is a class with ``dialect``, ``rows``, ``columns`` and ``close``, and a line here.
"""

from __future__ import annotations

from hexar.agents.market.figures.postgres import PostgresWarehouse
from hexar.agents.market.figures.spark import SparkWarehouse

#: By the scheme of the address.
WAREHOUSES: dict[str, type[PostgresWarehouse] | type[SparkWarehouse]] = {
    "postgresql": PostgresWarehouse,
    "postgres": PostgresWarehouse,
    "postgresql+psycopg": PostgresWarehouse,
    "sc": SparkWarehouse,
}


def scheme(url: str) -> str:
    """The scheme of an address that is that of a warehouse. ValueError."""
    found, divided, _ = url.partition("://")
    if not divided or found not in WAREHOUSES:
        raise ValueError("must begin with postgresql:// or sc:// (Spark Connect)")
    return found


def open_warehouse(url: str) -> PostgresWarehouse | SparkWarehouse:
    """The warehouse at an address; connected to by its first statement. ValueError."""
    return WAREHOUSES[scheme(url)](url)
