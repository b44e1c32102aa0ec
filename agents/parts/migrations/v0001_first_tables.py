"""The first tables of parts catalogues.

A database that was made before the areas had revisions of their own has these tables, or some of them.

Revision: parts_0001
"""

import sqlalchemy as sa
from alembic import op

revision = "parts_0001"
down_revision = None
branch_labels = ("parts",)
depends_on = "0001"


def upgrade() -> None:
    """Make what is missing."""
    op.create_table(
        "parts_articles",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("part_number", sa.Text(), server_default="", nullable=False),
        sa.Column("brand", sa.Text(), server_default="", nullable=False),
        sa.Column("supplier_id", sa.Text(), server_default="", nullable=False),
        sa.Column("products_id", sa.Text(), server_default="", nullable=False),
        sa.Column("side", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("position", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("steering", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("year_from", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("year_to", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("image_url", sa.Text(), server_default="", nullable=False),
        sa.Column("details", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("generation", "key", name="pk_parts_articles"),
        if_not_exists=True,
    )
    op.create_index("ix_parts_articles_id", "parts_articles", ["generation", "id"], unique=True, if_not_exists=True)
    op.create_index("ix_parts_articles_name", "parts_articles", ["generation", "name"], if_not_exists=True)
    op.create_table(
        "parts_catalogues",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("imported_at", sa.Float(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_parts_catalogues"),
        if_not_exists=True,
    )
    op.create_table(
        "parts_categories",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("generation", "key", name="pk_parts_categories"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "parts_fitments",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("variant_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("group_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("category_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("article_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint(
            "generation", "variant_key", "group_key", "category_key", "article_key", name="pk_parts_fitments"
        ),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "parts_generations",
        sa.Column("generation", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("catalogue", sa.String(length=100), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("process", sa.Integer(), nullable=False),
        sa.Column("touched_at", sa.Float(), nullable=False),
        sa.Column("published_at", sa.Float(), nullable=True),
        sa.Column("retired_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("generation", name="pk_parts_generations"),
        sqlite_autoincrement=True,
        if_not_exists=True,
    )
    op.create_table(
        "parts_group_articles",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("group_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("article_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("category_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("generation", "group_key", "article_key", "category_key", name="pk_parts_group_articles"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "parts_group_names",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("group_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("category_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=400), nullable=False),
        sa.Column("articles", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("generation", "group_key", "category_key", "name", name="pk_parts_group_names"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "parts_groups",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("generation", "key", name="pk_parts_groups"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "parts_manufacturers",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("generation", "key", name="pk_parts_manufacturers"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "parts_models",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("manufacturer_key", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("year_from", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("year_to", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("generation", "key", name="pk_parts_models"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "parts_trees",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("variant_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("category_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("group_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("generation", "variant_key", "category_key", "group_key", name="pk_parts_trees"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
    op.create_table(
        "parts_variants",
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("model_key", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("manufacturer_key", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("year_from", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("year_to", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("engine_codes", sa.Text(), server_default="", nullable=False),
        sa.Column("fuel", sa.Text(), server_default="", nullable=False),
        sa.Column("capacity_cc", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("power_kw", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cylinders", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("body", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("generation", "key", name="pk_parts_variants"),
        sqlite_with_rowid=False,
        if_not_exists=True,
    )
