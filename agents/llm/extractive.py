"""The default model: composes an answer from sentences of the retrieved passages, word for word, with their citations.

It needs no network and no weights. It is deterministic, adds no fact of its own, and says that it quotes. Sentences
are scored by the rare words of the question that they hold (BM25 over the sentences at hand), and chosen one after
another: what is already said counts less, so that the answer covers the question instead of repeating its best
sentence.
"""

import math
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NoReturn

from hexar.agents.llm.config import ModelConfig
from hexar.agents.llm.errors import ModelCancelled
from hexar.agents.llm.types import Delta, Done, Passage, Request, TokenUsage, estimate_tokens
from hexar.agents.transport.cancel import Cancel
from hexar.core.deadline import Deadline
from hexar.core.errors import DeadlineExceeded
from hexar.core.text.language import detect, function_words
from hexar.core.text.small_talk import fold, grammar

#: Sentences of an answer at most, and per thousand tokens that are asked for.
MAX_SENTENCES = 8
SENTENCES_PER_THOUSAND = 2.0

#: A sentence further below the best one than this share is not quoted.
KEEP_SHARE = 0.35

#: BM25's saturation and length parameters, as is usual (Robertson and Zaragoza 2009).
K1 = 1.2
B = 0.6

_WORD = re.compile(r"\w+(?:['’]\w+)?")
_PIECE = re.compile(r"\S+\s*")
_MARKER = re.compile(r"\[\d+\]")
# After an end mark and before what can begin a sentence. Abbreviations of one to three letters ("Dr.", "p. ej.") do
# not end one.
_END = re.compile(
    r"(?<=[.!?…])(?<!\b[A-Za-z]\.)(?<!\b(?:Dr|Mr|Ms|Sr|St|vs|No|Nr|ej)\.)(?<!\b(?:Mrs|Sra|etc|Fig|fig|Art|art|pág|Inc|Ltd)\.)[\"”»)]*\s+(?=[\"“«(¿¡]?[A-ZÁÉÍÓÚÑ0-9])"
)

_PHRASES = {
    "en": {
        "intro": "From the documents, quoted word for word:",
        "nothing": (
            "The documents say nothing that answers this. "
            "(Answers are quoted from the documents; no language model is configured.)"
        ),
        "note": "(Quoted from the documents; no language model is configured.)",
        "greeting": "Hello! Ask me about your documents.",
        "wellbeing": "All is well here, thank you. Ask me about your documents.",
        "thanks": "You are welcome.",
        "goodbye": "Goodbye!",
        "yes": "Good. What would you like to know?",
        "no": "All right. What would you like to know instead?",
        "acknowledgement": "All right.",
    },
    "es": {
        "intro": "De los documentos, citado palabra por palabra:",
        "nothing": (
            "Los documentos no dicen nada que responda a esto. "
            "(Las respuestas se citan de los documentos; no hay un modelo de lenguaje configurado.)"
        ),
        "note": "(Citado de los documentos; no hay un modelo de lenguaje configurado.)",
        "greeting": "¡Hola! Pregúntame sobre tus documentos.",
        "wellbeing": "Todo bien por aquí, gracias. Pregúntame sobre tus documentos.",
        "thanks": "De nada.",
        "goodbye": "¡Hasta luego!",
        "yes": "Bien. ¿Qué te gustaría saber?",
        "no": "De acuerdo. ¿Qué te gustaría saber entonces?",
        "acknowledgement": "De acuerdo.",
    },
}


@dataclass(slots=True)
class _Sentence:
    text: str
    marker: int
    order: int
    terms: Counter[str]
    length: int
    score: float = 0.0
    matched: frozenset[str] = field(default_factory=frozenset)


class ExtractiveProvider:
    """See the module. Thread-safety: it keeps no state; all methods may be called from any thread."""

    extractive = True
    blocking = True

    def __init__(self, config: ModelConfig) -> None:
        self.config = config

    @property
    def name(self) -> str:
        return self.config.name

    def open(self, request: Request, deadline: Deadline, cancel: Cancel, *, fresh: bool = False) -> NoReturn:
        """Not called: it is blocking."""
        raise TypeError("a blocking provider is streamed")

    def close(self) -> None:
        """Nothing is kept."""

    def stream(self, request: Request, deadline: Deadline, cancel: Cancel) -> Iterator[Delta | Done]:
        """See :class:`hexar.agents.llm.types.Provider`. The answer is composed at once and streamed by words."""
        started = time.monotonic()
        text = compose(request)
        first = time.monotonic()
        for piece in _PIECE.findall(text):
            if cancel.cancelled:
                raise ModelCancelled(self.name)
            if deadline.expired:
                raise DeadlineExceeded(f"model {self.name} did not finish in time")
            yield Delta(piece)
        usage = TokenUsage(
            estimate_tokens([passage.text for passage in request.passages] + [request.question()]),
            estimate_tokens([text]),
            estimated=True,
        )
        yield Done(
            model=self.name,
            finish="stop",
            usage=usage,
            cost_micros=self.config.cost_micros(usage),
            currency=self.config.currency if self.config.priced else "",
            first_token_seconds=first - started,
            total_seconds=time.monotonic() - started,
        )


def compose(request: Request) -> str:
    """The whole answer to ``request``."""
    question = request.question()
    language = request.language if request.language in _PHRASES else detect(question)
    phrases = _PHRASES.get(language, _PHRASES["en"])
    if not request.passages:
        small_talk = grammar().recognise(_WORD.findall(fold(question)), asks=question.rstrip().endswith("?"))
        return phrases[small_talk.kinds[-1] if small_talk is not None else "nothing"]
    wanted = max(1, min(MAX_SENTENCES, math.ceil(request.max_tokens / 1000 * SENTENCES_PER_THOUSAND)))
    chosen = choose(question, request.passages, wanted, language)
    if not chosen:
        return phrases["nothing"]
    lines = [f"{text} [{marker}]" for text, marker in chosen]
    return f"{phrases['intro']}\n\n" + "\n\n".join(lines) + f"\n\n{phrases['note']}"


def choose(question: str, passages: Sequence[Passage], wanted: int, language: str = "und") -> list[tuple[str, int]]:
    """Up to ``wanted`` sentences that answer ``question``, with their markers, the best first; ties by their order."""
    terms = frozenset(_terms(question, language))
    sentences = _sentences(passages, language)
    if not terms:
        # A question of function words alone ("what is it about?"): the openings are the best guess.
        return [(sentence.text, sentence.marker) for sentence in _openings(sentences)[:wanted]]
    _score(terms, sentences)
    candidates = [sentence for sentence in sentences if sentence.score > 0]
    if not candidates:
        return []
    best = max(sentence.score for sentence in candidates)
    weights = _idf(terms, sentences)
    covered: Counter[str] = Counter()
    chosen: list[_Sentence] = []
    while candidates and len(chosen) < wanted:

        def worth(sentence: _Sentence) -> tuple[float, int]:
            fresh = sum(weights[term] / (1 + covered[term]) for term in sentence.matched)
            total = sum(weights[term] for term in sentence.matched)
            overlap = max((_overlap(sentence, other) for other in chosen), default=0.0)
            return sentence.score * (fresh / total) * (1.0 - overlap), -sentence.order

        pick = max(candidates, key=worth)
        value = worth(pick)[0]
        if chosen and value < KEEP_SHARE * best:
            break
        candidates.remove(pick)
        chosen.append(pick)
        covered.update(pick.matched)
    return [(sentence.text, sentence.marker) for sentence in chosen]


def _sentences(passages: Sequence[Passage], language: str) -> list[_Sentence]:
    found: list[_Sentence] = []
    seen: set[str] = set()
    for passage in passages:
        title = _terms(passage.title, language)
        for text in split_sentences(passage.text):
            key = fold(text)
            if key in seen:  # passages overlap
                continue
            seen.add(key)
            words = _terms(text, language)
            if not words:
                continue
            terms = Counter(words)
            for word in title:
                # A title speaks for its whole passage, though less than the sentence itself.
                terms.setdefault(word, 0)
            found.append(_Sentence(text, passage.marker, len(found), terms, len(words)))
    return found


def split_sentences(text: str) -> list[str]:
    """The sentences of a Markdown or plain text; headings, rules and markers of an earlier citation are left out."""
    out: list[str] = []
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*+•]|\d+[.)])\s)", text):
        lines = [line.strip() for line in block.splitlines()]
        body = " ".join(line for line in lines if line and not line.startswith(("#", "```", "---", "===", "|--")))
        body = re.sub(r"^(?:[-*+•]|\d+[.)])\s+", "", _MARKER.sub("", body))
        body = re.sub(r"\s+", " ", body).strip()
        out += [part.strip() for part in _END.split(body) if len(part.strip()) > 2]
    return out


def _openings(sentences: Sequence[_Sentence]) -> list[_Sentence]:
    markers: set[int] = set()
    first = []
    for sentence in sentences:
        if sentence.marker not in markers:
            markers.add(sentence.marker)
            first.append(sentence)
    return first


def _idf(terms: frozenset[str], sentences: Sequence[_Sentence]) -> dict[str, float]:
    count = len(sentences)
    holds = {term: sum(1 for sentence in sentences if sentence.terms.get(term)) for term in terms}
    return {term: math.log(1 + (count - held + 0.5) / (held + 0.5)) for term, held in holds.items()}


def _score(terms: frozenset[str], sentences: Sequence[_Sentence]) -> None:
    weights = _idf(terms, sentences)
    average = sum(sentence.length for sentence in sentences) / max(1, len(sentences))
    everything = sum(weights.values()) or 1.0
    for sentence in sentences:
        norm = K1 * (1 - B + B * sentence.length / average)
        score = 0.0
        for term in terms & sentence.terms.keys():
            count = sentence.terms[term] or 0.3
            score += weights[term] * count * (K1 + 1) / (count + norm)
        sentence.matched = frozenset(term for term in terms if term in sentence.terms)
        coverage = sum(weights[term] for term in sentence.matched) / everything
        sentence.score = score * (0.5 + coverage)


def _overlap(left: _Sentence, right: _Sentence) -> float:
    """Jaccard similarity of two sentences' words."""
    shared = len(left.terms.keys() & right.terms.keys())
    return shared / (len(left.terms) + len(right.terms) - shared)


def _terms(text: str, language: str) -> list[str]:
    """The stems of the content words of ``text``."""
    stop = _stop_words(language)
    return [stem(word) for word in (fold(match) for match in _WORD.findall(text)) if word not in stop and word]


@lru_cache(maxsize=4)
def _stop_words(language: str) -> frozenset[str]:
    return frozenset(fold(word) for word in function_words(language))


def stem(word: str) -> str:
    """``word`` (folded) without its commonest English and Spanish endings, so that inflections meet."""
    if len(word) <= 4 or not word.isalpha():
        return word[:-1] if len(word) == 4 and word.endswith("s") and word.isalpha() else word
    for ending in (
        "aciones",
        "amiento",
        "imiento",
        "acion",
        "mente",
        "iendo",
        "ations",
        "ation",
        "ando",
        "ados",
        "adas",
        "idos",
        "idas",
        "ness",
        "ment",
        "ing",
        "ado",
        "ada",
        "ido",
        "ida",
        "ies",
        "es",
        "ed",
        "ly",
        "ar",
        "er",
        "ir",
        "os",
        "as",
        "s",
        "a",
        "o",
        "e",
    ):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word
