"""The semantic cache: the kept answer of a question that asked the same in other words.

It holds no answers, only where they are kept: for each question its vector, its form (see ``meaning``) and the key of its
answer in the answer cache. So an answer that expired, or that a change of the portfolio made unreachable, is not served from
here either. A question is only compared inside its *scope*: tenant, portfolio, agent, language and answer settings.

A hit must pass a cosine threshold and every guard. Some hits are checked in the background against a fresh answer; where the
two differ, and where a caller says so, the entry is purged by its id in every process.
"""

import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hexar.agents.llm.embeddings import Embeddings
from hexar.agents.portfolio.chat.question_form import Meaning, difference, numerals, other_numbers, read
from hexar.core.ids import random_hex
from hexar.core.memo import remembered
from hexar.core.search.similarity import nearest
from hexar.v1 import chat_pb2

Vector = NDArray[np.float32]

#: Cosines that a hit needs, by language. The guards decide; the cosine only finds, and misses less in the language that the
#: embedded vectors know less well.
THRESHOLDS: Mapping[str, float] = {"en": 0.60, "es": 0.50}
#: Questions kept in one scope, and scopes.
SCOPE_QUESTIONS = 2048
SCOPES = 4096
#: Bytes that all scopes take at most, and what a kept question takes beside its vector: its text and what is read of it.
SCOPES_BYTES = 64 * 1024 * 1024
QUESTION_BYTES = 4096
#: Neighbours that are looked at.
NEIGHBOURS = 8
#: The share of hits that are checked against a fresh answer.
SHADOW_SHARE = 0.02
#: Cosine above which two answers without citations say the same.
AGREEMENT = 0.8
#: The numbers of the rows of a scope, of which the first are in use.
_PLACES = np.arange(SCOPE_QUESTIONS)
#: Seconds that a question is kept; its answer may go earlier.
KEEP_SECONDS = 3600.0


class VersionBook(Protocol):
    """What makes a purge reach every process."""

    def get(self, name: str) -> int:
        """The version of ``name`` now."""
        ...

    def bump(self, name: str) -> int:
        """Raise the version of ``name`` and return it."""
        ...


@dataclass(frozen=True, slots=True)
class SemanticHit:
    """A kept question that asks the same: its id for a purge, its answer's key, and how near it is."""

    semantic_id: str
    question: str
    key: bytes
    similarity: float
    shadow: bool


@dataclass(slots=True)
class SemanticStats:
    """Counters since the start; ``refused`` counts near questions by the guard that refused them."""

    hits: int = 0
    misses: int = 0
    shadow_checks: int = 0
    shadow_failures: int = 0
    purged: int = 0
    refused: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Kept:
    semantic_id: str
    question: str
    meaning: Meaning
    numerals: frozenset[str]
    key: bytes
    until: float


class _Scope:
    """Kept questions with their vectors in one matrix, of which the first ``len(entries)`` rows are in use."""

    __slots__ = ("entries", "matrix")

    def __init__(self, dimension: int) -> None:
        self.entries: list[_Kept] = []
        self.matrix: Vector = np.zeros((16, dimension), np.float32)

    @property
    def nbytes(self) -> int:
        return self.matrix.nbytes + QUESTION_BYTES * len(self.entries)

    def add(self, entry: _Kept, vector: Vector) -> None:
        if len(self.entries) == len(self.matrix):
            now = time.monotonic()
            self._keep([i for i, old in enumerate(self.entries) if old.until > now][-(SCOPE_QUESTIONS // 2) :])
        self.matrix[len(self.entries)] = vector
        self.entries.append(entry)

    def remove(self, semantic_id: str) -> bool:
        kept = [i for i, old in enumerate(self.entries) if old.semantic_id != semantic_id]
        removed = len(kept) < len(self.entries)
        self._keep(kept)
        return removed

    def _keep(self, places: list[int]) -> None:
        # Readers hold the old list and matrix: both are replaced, never shifted.
        size = min(SCOPE_QUESTIONS, max(16, 2 * len(places)))
        matrix = np.zeros((size, self.matrix.shape[1]), np.float32)
        matrix[: len(places)] = self.matrix[places]
        self.entries, self.matrix = [self.entries[i] for i in places], matrix


def purge_name(tenant: str, semantic_id: str) -> str:
    """The version that is raised when a kept question is purged."""
    return f"semantic:{tenant}/{semantic_id}"


@remembered("chat.meaning")
def _form(question: str, language: str) -> Meaning:
    """A question is read when it is looked for and again when its answer is kept, some seconds later."""
    return read(question, language)


class SemanticCache:
    """Finds kept answers by meaning.

    Thread-safety: all methods may be called from any thread; :meth:`purge` blocks on the store.
    """

    def __init__(
        self,
        versions: VersionBook,
        *,
        thresholds: Mapping[str, float] = THRESHOLDS,
        shadow_share: float = SHADOW_SHARE,
        keep_seconds: float = KEEP_SECONDS,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._versions = versions
        self._thresholds = dict(thresholds)
        self._shadow_share = shadow_share
        self._keep = keep_seconds
        self._chance = chance
        self._lock = threading.Lock()
        self._scopes: OrderedDict[tuple[str, str], _Scope] = OrderedDict()
        self._bytes = 0
        self.stats = SemanticStats()
        #: False: nothing is found; an operator may turn it off.
        self.enabled = True

    def find(self, tenant: str, scope: str, language: str, question: str, vector: Vector) -> SemanticHit | None:
        """The nearest kept question that asks the same, or None. Languages without guards never hit."""
        threshold = self._thresholds.get(language) if self.enabled else None
        with self._lock:
            kept = self._scopes.get((tenant, scope))
            entries, rows = (kept.entries, kept.matrix[: len(kept.entries)]) if kept is not None else ([], None)
        if threshold is None or rows is None or not entries:
            self.stats.misses += 1
            return None
        written = numerals(question)
        now = time.monotonic()
        for place, cosine in nearest(rows, _PLACES[: len(rows)], vector, NEIGHBOURS):
            if cosine < threshold:
                break
            entry = entries[place]
            # Most neighbours ask the same of another thing; that is seen without reading the question.
            refused = "number" if other_numbers(written, entry.numerals) else ""
            if not refused and (entry.until <= now or self._versions.get(purge_name(tenant, entry.semantic_id))):
                continue
            refused = refused or difference(_form(question, language), entry.meaning)
            if refused:
                self.stats.refused[refused] = self.stats.refused.get(refused, 0) + 1
                continue
            self.stats.hits += 1
            shadow = self._chance() < self._shadow_share
            return SemanticHit(entry.semantic_id, entry.question, entry.key, cosine, shadow)
        self.stats.misses += 1
        return None

    def keep(self, tenant: str, scope: str, language: str, question: str, vector: Vector, key: bytes) -> str:
        """Remember where the answer of ``question`` is kept; its id."""
        entry = _Kept(
            random_hex(12), question, _form(question, language), numerals(question), key, time.monotonic() + self._keep
        )
        with self._lock:
            kept = self._scopes.get((tenant, scope))
            if kept is None or kept.matrix.shape[1] != len(vector):
                self._bytes -= kept.nbytes if kept is not None else 0
                kept = self._scopes[(tenant, scope)] = _Scope(len(vector))
                self._bytes += kept.nbytes
            self._scopes.move_to_end((tenant, scope))
            self._bytes -= kept.nbytes
            kept.add(entry, vector)
            self._bytes += kept.nbytes
            while len(self._scopes) > 1 and (len(self._scopes) > SCOPES or self._bytes > SCOPES_BYTES):
                self._bytes -= self._scopes.popitem(last=False)[1].nbytes
        return entry.semantic_id

    def shadowed(self, tenant: str, semantic_id: str, agrees: bool) -> None:
        """Note the outcome of a background check; an entry that does not hold is purged."""
        self.stats.shadow_checks += 1
        if not agrees:
            self.stats.shadow_failures += 1
            self.purge(tenant, semantic_id)

    def purge(self, tenant: str, semantic_id: str) -> bool:
        """Forget a kept question, here and in every other process; whether this process held it."""
        self._versions.bump(purge_name(tenant, semantic_id))
        with self._lock:
            held = [scope for (owner, _), scope in self._scopes.items() if owner == tenant]
            self._bytes -= sum(scope.nbytes for scope in held)
            removed = sum(scope.remove(semantic_id) for scope in held) > 0
            self._bytes += sum(scope.nbytes for scope in held)
        self.stats.purged += removed
        return removed


def agree(served: Sequence[chat_pb2.ChatEvent], fresh: Sequence[chat_pb2.ChatEvent], embeddings: Embeddings | None) -> bool:
    """Whether two answers say about the same: half of what they cite in common, else texts that are near."""
    cited = [{event.citation.chunk_id for event in events if event.HasField("citation")} for events in (served, fresh)]
    if all(cited):
        return len(cited[0] & cited[1]) * 2 >= len(cited[0] | cited[1])
    texts = ["".join(event.token.text for event in events if event.HasField("token")) for events in (served, fresh)]
    if texts[0] == texts[1] or embeddings is None or embeddings.blocking:
        return texts[0] == texts[1]
    rows = embeddings.embed(texts)
    return float(rows[0] @ rows[1]) >= AGREEMENT
