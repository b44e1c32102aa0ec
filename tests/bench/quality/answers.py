"""How well questions are answered by quotes: figures for ``chat_quality.py``.

``answered`` is the share of questions about a folder of documents whose answer holds every string that it must within its first
400 characters, or is silent where the documents do not say; ``wrongly_silent`` and ``invented`` count the two faults. A follow-up is
asked with the question ``before`` it.

``xquad_answer_*`` is the share of XQuAD's questions whose first two quotes hold the right answer, asked of all paragraphs.
``answerable_silent_*`` is the share of them that is not answered at all, ``unanswerable_silent_*`` the same where the passages of
the question's own article are left out of what a search finds.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from hexar.agents.answers.composer import choose
from hexar.agents.llm import Passage
from hexar.agents.llm.embeddings import StaticEmbeddings
from hexar.agents.portfolio.chat.pipeline import SHORT_FOLLOW_UP
from hexar.agents.portfolio.documents.formats import read
from hexar.agents.portfolio.documents.library import Library
from hexar.agents.portfolio.retrieval.retriever import Retriever
from hexar.agents.portfolio.tables import TABLES
from hexar.core.cache.versions import Versions
from hexar.core.complexity import classify
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables
from hexar.core.text import terms
from hexar.core.text.language import detect
from hexar.core.text.words import fold

#: Documents and questions of invented firms and clubs: each folder is a portfolio.
PORTFOLIOS = Path(__file__).resolve().parent / "portfolios"
#: Characters of an answer that are looked at.
LOOKED_AT = 400
#: Passages that are searched for, so that enough are left without the question's own article.
DEEP = 25


@contextmanager
def library(words: StaticEmbeddings) -> Iterator[tuple[Library, Retriever]]:
    """An empty library over a store of its own, and its search."""
    with tempfile.TemporaryDirectory() as temporary:
        database = Database(f"sqlite:///{temporary}/store.db")
        create_tables(database, (TABLES,))
        held = Library(database, Versions(database), words)
        retriever = Retriever(database, held, words=words)
        yield held, retriever
        retriever.close()
        database.close()


def _quotes(
    retriever: Retriever,
    words: StaticEmbeddings,
    portfolio: str,
    question: str,
    without: frozenset[str] = frozenset(),
    before: str = "",
) -> list[str]:
    complexity = classify(question)
    wanted = complexity.top_k or 3
    searched = f"{before}\n{question}" if before and len(terms.words(question)) <= SHORT_FOLLOW_UP else question
    found = retriever.search("bench", portfolio, searched, DEEP if without else wanted).passages
    kept = [passage for passage in found if passage.document_id not in without][:wanted]
    passages = [
        Passage(marker, passage.text, " › ".join((passage.document_title, *passage.headings)))
        for marker, passage in enumerate(kept, 1)
    ]
    quotes = choose(question, passages, -(-complexity.max_tokens // 1000), detect(question), before=before, vectors=words)
    return [text for text, _ in quotes]


def answered(folder: Path, words: StaticEmbeddings) -> dict[str, float]:
    """The figures of the questions in ``folder``: ``questions.json`` beside ``documents/``."""
    rows = json.loads((folder / "questions.json").read_text("utf-8"))
    right = wrongly_silent = invented = 0
    with library(words) as (held, retriever):
        held.create("bench", "all")
        for path in sorted((folder / "documents").iterdir()):
            data = path.read_bytes()
            held.upsert("bench", "all", path.name, read(data, path.name), data, title="", url="")
        for row in rows:
            found = _quotes(retriever, words, "all", row["question"], before=row.get("before", ""))
            text = "\n\n".join(found)[:LOOKED_AT].lower()
            wanted = row["answer_contains"]
            right += not text if wanted is None else all(each.lower() in text for each in wanted)
            wrongly_silent += wanted is not None and not text
            invented += wanted is None and bool(text)
    return {"answered": right / len(rows), "wrongly_silent": wrongly_silent, "invented": invented, "questions": len(rows)}


def xquad_figures(folder: Path, language: str, words: StaticEmbeddings, step: int) -> dict[str, float]:
    """The figures of every ``step``-th question of XQuAD in one language."""
    articles = json.loads((folder / "chat" / f"xquad.{language}.json").read_text("utf-8"))["data"]
    asked: list[tuple[str, list[str], frozenset[str]]] = []
    right = silent = rightly_silent = 0
    with library(words) as (held, retriever):
        held.create("bench", language)
        for number, article in enumerate(articles):
            names = [f"a{number:02d}-{place}.txt" for place in range(len(article["paragraphs"]))]
            for name, paragraph in zip(names, article["paragraphs"], strict=True):
                data = paragraph["context"].encode()
                held.upsert("bench", language, name, read(data, name), data, title="", url="")
                asked += [
                    (each["question"], [answer["text"] for answer in each["answers"]], frozenset(names))
                    for each in paragraph["qas"]
                ]
        asked = asked[::step]
        for question, gold, own in asked:
            quotes = [_plain(quote) for quote in _quotes(retriever, words, language, question)]
            right += any(_plain(answer) in quote for quote in quotes[:2] for answer in gold)
            silent += not quotes
            rightly_silent += not _quotes(retriever, words, language, question, own)
    total = len(asked)
    return {
        f"xquad_answer_{language}": right / total,
        f"answerable_silent_{language}": silent / total,
        f"unanswerable_silent_{language}": rightly_silent / total,
    }


def _plain(text: str) -> str:
    return fold(" ".join(text.lower().split()))
