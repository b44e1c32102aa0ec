"""What the glossary keeps."""

from pathlib import Path

import sqlalchemy as sa

from hexar.core.store import NAMING, Tables

metadata = sa.MetaData(naming_convention=NAMING)
TABLES = Tables(metadata, Path(__file__).parent / "migrations")

meanings = sa.Table(
    "meanings",
    metadata,
    sa.Column("term", sa.String(100), primary_key=True),
    sa.Column("meaning", sa.String(200), primary_key=True),
)
