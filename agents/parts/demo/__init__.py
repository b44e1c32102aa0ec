"""A small catalogue for trying things out: real models, fictional brands and part numbers. ``PATH`` is its CSV file."""

from pathlib import Path

#: Import it with :func:`hexar.agents.parts.importers.run.import_catalogue`; its columns bear our field names.
PATH = Path(__file__).with_name("catalogue.csv")
