"""The catalogue in the store: its tables, the one way to write it, and the ways to read it."""
