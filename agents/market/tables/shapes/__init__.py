"""The lines of a table that are no rows: what names the columns, what adds up the others."""
