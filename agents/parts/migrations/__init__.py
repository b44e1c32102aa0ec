"""Revisions of the tables of parts."""
