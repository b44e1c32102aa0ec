"""One file a revision of the schema; Alembic reads them in the order of ``down_revision``."""
