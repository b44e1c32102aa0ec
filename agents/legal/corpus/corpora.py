"""Corpora as they are searched: the versions in memory, brought in when they are first asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hexar.agents.legal.corpus.files import File
from hexar.agents.legal.corpus.index import CorpusIndex
from hexar.agents.legal.corpus.passages import CorpusKey
from hexar.agents.legal.corpus.reading import Reading, read
from hexar.agents.legal.corpus.store import DEFAULT, CorpusRow, CorpusStore, dependency
from hexar.agents.llm.embeddings import StaticEmbeddings
from hexar.core.cache.versions import Versions
from hexar.core.errors import FailedPrecondition
from hexar.core.store import Database

#: Versions that stay in memory.
RESIDENT = 8


@dataclass(frozen=True, slots=True)
class ImportReport:
    """How an import ended."""

    corpus: CorpusRow
    read: int
    refused: int
    problems: list[tuple[str, int, str]] = field(default_factory=list)


class Corpora:
    """All corpora of a store.

    Thread-safety: all methods may be called from any thread; they block on the store.
    """

    def __init__(self, database: Database, versions: Versions, words: StaticEmbeddings | None) -> None:
        self.store = CorpusStore(database)
        self._versions = versions
        self._words = words
        self._resident: OrderedDict[CorpusKey, CorpusIndex] = OrderedDict()
        self._known: dict[tuple[str, str], tuple[tuple[int, int], CorpusKey | None]] = {}
        self._lock = threading.Lock()
        self._loading = threading.Lock()

    def key(self, tenant: str, name: str, version: int = 0) -> CorpusKey | None:
        """The version that a request means; None where no such corpus was imported."""
        name = name or DEFAULT
        stamp = (self._versions.get(dependency(tenant, name)), self._versions.get(dependency("", name)))
        known = self._known.get((tenant, name))
        if known is None or known[0] != stamp or known[1] is None:
            known = (stamp, self.store.current(tenant, name))
            self._known[(tenant, name)] = known
        found = known[1]
        if found is None or not version or version == found.version:
            return found
        return CorpusKey(found.tenant, name, version)

    def held(self, key: CorpusKey) -> CorpusIndex | None:
        """The version if it is in memory; waits for nothing."""
        with self._lock:
            index = self._resident.get(key)
            if index is not None:
                self._resident.move_to_end(key)
            return index

    def index(self, key: CorpusKey) -> CorpusIndex:
        """The version in memory; FailedPrecondition where it is no longer kept."""
        index = self.held(key)
        if index is not None:
            return index
        with self._loading:
            index = self.held(key)
            if index is None:
                index = CorpusIndex(key, *self.store.load(key), self._words)
                with self._lock:
                    self._resident[key] = index
                    while len(self._resident) > RESIDENT:
                        self._resident.popitem(last=False)
        return index

    def replace(
        self,
        tenant: str,
        name: str,
        files: Iterable[File],
        jurisdiction: str = "",
        progress: Callable[[Reading], None] | None = None,
    ) -> ImportReport:
        """Read all files, then put them in the place of the corpus at once; what depends on it is reachable no more.

        Raises FailedPrecondition where nothing could be read, OSError and Unreadable where a file cannot.
        """
        reading = Reading()
        for reading in read(files, jurisdiction):
            if progress is not None:
                progress(reading)
        if not reading.passages:
            reason = reading.problems[0][2] if reading.problems else "nothing was sent"
            raise FailedPrecondition(f"no passage could be read: {reason}")
        row = self.store.replace(tenant, name or DEFAULT, reading.passages)
        self._versions.bump(dependency(tenant, name or DEFAULT))
        return ImportReport(row, len(reading.passages), reading.refused, reading.problems)
