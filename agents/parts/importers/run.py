"""``import_catalogue``: find the format of a path, import it as one generation, publish."""

import time
from collections.abc import Mapping
from pathlib import Path

from hexar.agents.parts.catalogue.report import CatalogueUnreadable, ImportReport
from hexar.agents.parts.catalogue.writer import CatalogueWriter, Progress, no_progress
from hexar.agents.parts.importers import aces, bucket, csvmap
from hexar.agents.parts.importers.source import Source
from hexar.core.store import Database

#: The catalogue that requests without a name read.
DEFAULT_CATALOGUE = "default"


def import_catalogue(
    database: Database,
    path: Path,
    *,
    catalogue: str = DEFAULT_CATALOGUE,
    replace: bool = False,
    columns: Mapping[str, str] | None = None,
    progress: Progress = no_progress,
) -> ImportReport:
    """Import ``path``: a folder in the bucket layout or with ACES and PIES files, or a CSV file with a column map.

    Readers see the new catalogue from one instant to the next, whole; until then, and where anything raises, they see
    what was there before. Raises CatalogueExists, CatalogueUnreadable, and OSError where the path cannot be read.
    """
    started = time.monotonic()
    if not catalogue or len(catalogue) > 100 or not catalogue.isprintable():
        raise CatalogueUnreadable("a catalogue's name has 1 to 100 printable characters")
    if not path.exists():
        raise CatalogueUnreadable(f"{path} is not there")
    fitment, product = aces.xml_files(path) if path.is_dir() else ([], [])
    if path.is_dir() and not bucket.is_bucket(path) and not fitment:
        raise CatalogueUnreadable(f"{path} holds neither fitments.csv nor an ACES file")
    with CatalogueWriter(database, catalogue, replace=replace, progress=progress) as writer:
        if path.is_file():
            csvmap.load(Source(path), columns or {}, writer)
        elif fitment:
            aces.load(path, fitment, product, writer)
        else:
            bucket.load(path, writer)
        report = writer.finish()
    report.seconds = time.monotonic() - started
    return report
