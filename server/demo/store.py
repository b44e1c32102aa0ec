"""What the demo's systems answer from, in a store: the catalogue and the corpus that ship."""

from __future__ import annotations

from contextlib import suppress

from hexar.agents.legal.corpus.corpora import Corpora
from hexar.agents.legal.corpus.files import files_of
from hexar.agents.legal.demo import CORPUS
from hexar.agents.parts.demo import PATH as CATALOGUE
from hexar.agents.parts.importers.run import import_catalogue
from hexar.core.cache.versions import Versions
from hexar.core.errors import AlreadyExists
from hexar.core.store import Database


def fill(database: Database) -> None:
    """Import the demo's catalogue and corpus where the store, which has its tables, has none of that name yet."""
    with suppress(AlreadyExists):
        import_catalogue(database, CATALOGUE)
    corpora = Corpora(database, Versions(database), None)
    if corpora.key("", "") is None:
        corpora.replace("", "", files_of(CORPUS))
