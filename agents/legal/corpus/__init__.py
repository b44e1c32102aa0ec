"""Authorities: imported, kept by version, searched by jurisdiction and day."""
