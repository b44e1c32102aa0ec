"""Quality of chat: trivial messages, retrieval in and across languages, and the semantic cache.

``recall1_*``: share of XQuAD's questions whose paragraph is found first, each paragraph a document of its own; ``_lexical`` and
``_vector`` are the two sides alone. ``recall1_cross`` asks in one language over paragraphs in the other (mean of both ways).
``recall5_several`` is the mean share of the right documents among the best five, for questions that need several (two XQuAD
questions in one); ``_lexical`` and ``_vector`` again are the sides. ``answered``, ``xquad_answer_*`` and the shares of silence are told
in ``answers.py``.
``semantic_false_hits`` and ``semantic_hits`` are shares of the adversarial and of the equivalent pairs that would be served.

Run: ``python tests/bench/quality/chat_quality.py [--quick]``, with ``HEXAR_DATA`` for the figures on real data (null without it).
"""

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from hexar.agents.llm.embeddings import StaticEmbeddings, embedded
from hexar.agents.portfolio.chat.question_form import difference
from hexar.agents.portfolio.chat.question_form import read as meaning
from hexar.agents.portfolio.chat.semantic import THRESHOLDS
from hexar.agents.portfolio.documents.formats import read
from hexar.agents.portfolio.documents.library import Library
from hexar.agents.portfolio.retrieval.passages import Mode
from hexar.agents.portfolio.retrieval.retriever import Retriever
from hexar.agents.portfolio.tables import TABLES
from hexar.core.cache.versions import Versions
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables
from tests.bench.harness import data_folder, options, report
from tests.bench.kernels.complexity import trivial_figures
from tests.bench.quality.answers import PORTFOLIOS, answered, xquad_figures

PAIRS = Path(__file__).resolve().parents[2] / "agents" / "portfolio" / "chat" / "semantic_pairs.jsonl"
LANGUAGES = ("en", "es")

Questions = list[tuple[str, str]]


def xquad(folder: Path, language: str) -> tuple[dict[str, str], Questions]:
    """Paragraphs by name, and (question, name of its paragraph)."""
    articles = json.loads((folder / "chat" / f"xquad.{language}.json").read_text("utf-8"))["data"]
    paragraphs: dict[str, str] = {}
    questions: Questions = []
    for article in articles:
        for part in article["paragraphs"]:
            name = f"p{len(paragraphs):04d}.txt"
            paragraphs[name] = part["context"]
            questions += [(qa["question"], name) for qa in part["qas"]]
    return paragraphs, questions


def retrieval_figures(folder: Path, step: int) -> dict[str, float]:
    """recall@1 of both sides and of the fusion, in each language and across; every ``step``-th question."""
    figures: dict[str, float] = {}
    words = embedded()
    with tempfile.TemporaryDirectory() as temporary:
        database = Database(f"sqlite:///{temporary}/store.db")
        create_tables(database, (TABLES,))
        library = Library(database, Versions(database), words)
        retriever = Retriever(database, library, words=words)
        asked: dict[str, Questions] = {}
        for language in LANGUAGES:
            paragraphs, questions = xquad(folder, language)
            asked[language] = questions[::step]
            library.create("bench", language)
            for name, text in paragraphs.items():
                data = text.encode()
                library.upsert("bench", language, name, read(data, name), data, title="", url="")

        def recall(portfolio: str, questions: Questions, mode: Mode) -> float:
            found = (retriever.search("bench", portfolio, text, 1, mode=mode).passages for text, _ in questions)
            return sum(
                bool(passages) and passages[0].document_id == name for passages, (_, name) in zip(found, questions, strict=True)
            ) / len(questions)

        def several(portfolio: str, questions: Questions, mode: Mode) -> float:
            """Each question with another one of a third of all further on."""
            third = len(questions) // 3
            shares = []
            for (text, name), (other, second) in zip(questions, questions[third:], strict=False):
                found = {p.document_id for p in retriever.search("bench", portfolio, f"{text} {other}", 5, mode=mode).passages}
                shares.append(len(found & {name, second}) / len({name, second}))
            return sum(shares) / len(shares)

        for language in LANGUAGES:
            for suffix, mode in (("", Mode.HYBRID), ("_lexical", Mode.LEXICAL), ("_vector", Mode.VECTOR)):
                figures[f"recall1_{language}{suffix}"] = recall(language, asked[language], mode)
            for suffix, mode in (("", Mode.HYBRID), ("_lexical", Mode.LEXICAL), ("_vector", Mode.VECTOR)):
                figures[f"recall5_several_{language}{suffix}"] = several(language, asked[language], mode)
        ways = [recall(portfolio, asked[language], Mode.HYBRID) for language, portfolio in (("en", "es"), ("es", "en"))]
        figures["recall1_cross"] = sum(ways) / 2
        figures["recall1_en_to_es"], figures["recall1_es_to_en"] = ways
        retriever.close()
        database.close()
    return figures


def semantic_figures(words: StaticEmbeddings) -> dict[str, float]:
    """Shares of the labelled pairs whose second question would be served the first one's answer."""
    served: dict[tuple[str, bool], list[bool]] = {}
    for line in PAIRS.read_text("utf-8").splitlines():
        pair = json.loads(line)
        language = pair["language"]
        rows = words.embed([pair["a"], pair["b"]])
        near = float(rows[0] @ rows[1]) >= THRESHOLDS[language]
        hit = near and not difference(meaning(pair["a"], language), meaning(pair["b"], language))
        served.setdefault((language, pair["same"]), []).append(hit)
    share = {key: sum(hits) / len(hits) for key, hits in served.items()}
    return {
        "semantic_false_hits": max(share[language, False] for language in LANGUAGES),
        "semantic_hits": sum(share[language, True] for language in LANGUAGES) / 2,
        "semantic_hits_en": share["en", True],
        "semantic_hits_es": share["es", True],
        "semantic_pairs": sum(map(len, served.values())),
    }


def main() -> None:
    quick = options("Chat: trivial messages, retrieval, semantic cache").quick
    folder = data_folder()
    words = embedded()
    names = (
        "answered",
        "xquad_answer_en",
        "xquad_answer_es",
        "unanswerable_silent",
        "answerable_silent",
        "trivial_recall",
        "trivial_fpr",
        "xquad_trivial",
        "recall1_en",
        "recall1_es",
        "recall1_cross",
    )
    figures: dict[str, float | int | str | None] = dict.fromkeys((*names, "semantic_false_hits", "semantic_hits"))
    step = 2 if quick else 1
    if folder is not None:
        figures.update(trivial_figures(folder))
        if words is not None:
            figures.update(retrieval_figures(folder, step))
            for language in LANGUAGES:
                figures.update(xquad_figures(folder, language, words, step))
            for name in ("answerable_silent", "unanswerable_silent"):
                figures[name] = sum(float(figures[f"{name}_{language}"] or 0) for language in LANGUAGES) / len(LANGUAGES)
            cases = folder.parent / "cases" / "chat"
            if cases.is_dir():
                figures.update(answered(cases, words))
    if words is not None:
        for portfolio in sorted(PORTFOLIOS.iterdir()):
            figures.update({f"{name}_{portfolio.name}": value for name, value in answered(portfolio, words).items()})
    if words is not None:
        figures.update(semantic_figures(words))
    report("chat_quality", figures)


if __name__ == "__main__":
    main()
