"""Are the authorities found that answer a question, in the right jurisdiction, word for word?

Reads ``HEXAR_DATA/legal``: ``passages.jsonl`` is imported through the importer that users take, ``questions.jsonl`` is asked with
the jurisdiction filter. The floor is plain BM25 over the same passages under the same filter, computed here. ``--split`` asks one
half of the questions, cut by the hash of their ids: what the search was built with, or what it was not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from hexar.agents.legal.corpus.corpora import Corpora
from hexar.agents.legal.corpus.files import files_of
from hexar.agents.legal.corpus.index import CorpusIndex
from hexar.agents.legal.corpus.jurisdictions import applies
from hexar.agents.legal.tables import TABLES
from hexar.agents.llm.embeddings import embedded
from hexar.core.cache.versions import Versions
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables
from tests.bench.harness import data_folder, report

TOP = 10
K1, B = 1.2, 0.75


class Bm25:
    """The floor: BM25 over lower-case words, nothing else."""

    def __init__(self, texts: list[str]) -> None:
        self._counts = [Counter(re.findall(r"\w+", text.lower())) for text in texts]
        self._lengths = [sum(counts.values()) for counts in self._counts]
        self._average = sum(self._lengths) / max(1, len(texts))
        held = Counter(word for counts in self._counts for word in counts)
        self._rarity = {word: math.log(1 + (len(texts) - n + 0.5) / (n + 0.5)) for word, n in held.items()}

    def top(self, question: str, allowed: list[int]) -> list[int]:
        words = set(re.findall(r"\w+", question.lower()))

        def score(at: int) -> float:
            length = K1 * (1 - B + B * self._lengths[at] / self._average)
            counts = self._counts[at]
            return sum(self._rarity[w] * counts[w] * (K1 + 1) / (counts[w] + length) for w in words if w in counts)

        return sorted(allowed, key=lambda at: (-score(at), at))[:TOP]


def half(question: dict[str, Any]) -> str:
    """Which half of the questions one belongs to."""
    return "built" if hashlib.sha256(question["qid"].encode()).digest()[0] % 2 == 0 else "kept"


def measure(index: CorpusIndex, questions: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of ``questions``."""
    today = datetime.now(UTC).date()
    bm25 = Bm25([passage.quote for passage in index.passages])
    ours: list[float] = []
    floor: list[float] = []
    wrong = altered = 0
    seconds: list[float] = []
    for question in questions:
        gold = set(question["gold_passages"]) & set(index.by_id)
        if not gold:
            continue
        started = time.perf_counter()
        hits = index.search(question["question"], question["jurisdiction"], today, TOP)
        seconds.append(time.perf_counter() - started)
        wrong += sum(not applies(hit.passage.jurisdictions, question["jurisdiction"]) for hit in hits)
        altered += sum(hit.passage.quote != index.by_id[hit.passage.id].quote for hit in hits)
        ours.append(len(gold & {hit.passage.id for hit in hits}) / len(gold))
        allowed = index.applicable(question["jurisdiction"], today)
        best = bm25.top(question["question"], allowed)
        floor.append(len(gold & {index.passages[at].id for at in best}) / len(gold))
    recall, lower = sum(ours) / len(ours), sum(floor) / len(floor)
    return {
        "questions": len(ours),
        "authorities_recall10": round(recall, 4),
        "bm25_recall10": round(lower, 4),
        "recall10_ratio_to_bm25": round(recall / lower, 3),
        "wrong_jurisdiction": wrong,
        "altered_quotes": altered,
        "search_ms": round(1e3 * sorted(seconds)[len(seconds) // 2], 3),
    }


def main() -> None:
    """Print the figures; without the data all are empty."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="as without: it takes some seconds")
    parser.add_argument("--split", choices=("all", "built", "kept"), default="all", help="which half of the questions")
    options = parser.parse_args()
    folder = data_folder()
    if folder is None or not (folder / "legal" / "questions.jsonl").is_file():
        report("legal_quality", dict.fromkeys(("authorities_recall10", "recall10_ratio_to_bm25", "wrong_jurisdiction")))
        return
    with (folder / "legal" / "questions.jsonl").open(encoding="utf-8") as lines:
        questions = [json.loads(line) for line in lines]
    if options.split != "all":
        questions = [question for question in questions if half(question) == options.split]
    with tempfile.TemporaryDirectory(prefix="hexar-bench-") as store:
        database = Database(f"sqlite:///{store}/store.db")
        create_tables(database, (TABLES,))
        corpora = Corpora(database, Versions(database), embedded())
        imported = corpora.replace("", "", files_of(folder / "legal" / "passages.jsonl"))
        key = corpora.key("", "")
        assert key is not None
        figures = measure(corpora.index(key), questions)
        database.close()
    report("legal_quality", {"passages": imported.read, "refused": imported.refused, **figures})


if __name__ == "__main__":
    main()
