"""Queries as words, and the order of passages for them: what every system that searches texts shares."""
