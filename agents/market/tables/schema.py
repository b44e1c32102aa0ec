"""The store's tables of market: what is known of each sales table, and the copies of those that were uploaded.

A copy is the table's canonical Parquet in pieces, so that every process on the store can analyse what one of them was given.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Column, Float, Integer, LargeBinary, MetaData, String, Table, Text

from hexar.core.store import NAMING, Tables

metadata = MetaData(naming_convention=NAMING)
TABLES = Tables(metadata, Path(__file__).parents[1] / "migrations")

tables = Table(
    "market_tables",
    metadata,
    Column("tenant", String(200), primary_key=True),
    Column("name", String(128), primary_key=True),
    Column("source", String(200), nullable=False),
    Column("copy", String(100), nullable=False),
    Column("options", LargeBinary, nullable=False),
    Column("description", LargeBinary, nullable=False),
    Column("profile", Text, nullable=False),
    Column("paths", Text, nullable=False),
    Column("stamps", Text, nullable=False),
    Column("updated_at", Float, nullable=False),
)

pieces = Table(
    "market_pieces",
    metadata,
    Column("copy", String(100), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
