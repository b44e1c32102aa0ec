"""Revisions of the glossary's table."""
