"""Readers of catalogue formats: each feeds a CatalogueWriter and reports the rows that it could not use."""
