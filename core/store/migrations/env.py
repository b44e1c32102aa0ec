"""Alembic's entry: runs the revisions on the connection, and in the transaction, that :func:`upgrade` hands over."""

from alembic import context

from hexar.core.store.database import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, compare_type=True, render_as_batch=False
)
context.run_migrations()
