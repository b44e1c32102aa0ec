"""Component names: what a text means (reading), and what the catalogue calls it (matching)."""
