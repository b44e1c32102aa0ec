"""Revisions of the legal system's tables, a branch of their own."""
