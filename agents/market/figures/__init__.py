"""Aggregates of a table: one relational expression for every engine."""
