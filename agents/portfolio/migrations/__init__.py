"""Revisions of the tables of portfolio."""
