"""Levels of messages: small talk in two languages, precedence of the cues, sizes, and bounded time."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.core.complexity import SIZES, Complexity, Level, classify
from hexar.core.text.language import detect_words
from hexar.core.text.small_talk import Grammar, fold, grammar
from tests.bench.kernels.complexity import trivial_figures

SMALL_TALK = [
    ("hi there, how are you doing today?", "en"),
    ("ok thanks a lot, bye!", "en"),
    ("that's correct", "en"),
    ("that’s correct", "en"),
    ("no, that's wrong", "en"),
    ("nope not really", "en"),
    ("see you later alligator", "en"),
    ("Hellooooo!!", "en"),
    ("HEYYY", "en"),
    ("thnaks", "en"),
    ("i really appreciate your help", "en"),
    ("what's up dude", "en"),
    ("how's everything going", "en"),
    ("yes please", "en"),
    ("definitely not", "en"),
    ("got it, thanks", "en"),
    ("good night, sleep well", "en"),
    ("gotta go, talk to you later", "en"),
    ("graciasss", "es"),
    ("holaa", "es"),
    ("¡Hola! ¿Qué tal estás hoy?", "es"),
    ("muchas gracias por tu ayuda", "es"),
    ("buenas tardes", "es"),
    ("sí, claro", "es"),
    ("no, gracias", "es"),
    ("para nada", "es"),
    ("hasta mañana", "es"),
    ("que tengas un buen día", "es"),
    ("entendido, gracias", "es"),
    ("no", "und"),
]

QUESTIONS = [
    "thanks, and the price?",
    "hello, what is the refund policy?",
    "hola, ¿cuánto cuesta?",
    "no refunds allowed?",
    "yes, the first one",
    "how do you do a join in SQL",
    "what's new in Python 3.12",
    "thank you letter template",
    "cómo se dice gracias en inglés",
    "how old are you",
    "are you a bot",
    "what can you do",
    "is that correct?",
    "¿es verdad?",
    "I don't know",
    "why",
    "por qué",
    "now",
    "inmunodeficiencia",
    "nothing works",
    "everything",
    "React",
    "tell me more",
]


@pytest.mark.parametrize(("text", "language"), SMALL_TALK)
def test_small_talk_is_trivial_in_the_users_language(text: str, language: str) -> None:
    """Greetings, thanks, goodbyes, yes, no and acknowledgements, also combined, lengthened or misspelt, are TRIVIAL."""
    result = classify(text)
    assert (result.level, result.language) == (Level.TRIVIAL, language)
    assert (result.top_k, result.max_tokens) == (0, 500)


@pytest.mark.parametrize("text", QUESTIONS)
def test_one_word_of_content_makes_a_question(text: str) -> None:
    """A message with anything to look up is never TRIVIAL, however polite the rest is."""
    assert classify(text).level is not Level.TRIVIAL


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("Compare all React and Python projects", Level.COMPREHENSIVE),
        ("Compara todos los proyectos de React y Python", Level.COMPREHENSIVE),
        ("Summarize everything in the portfolio", Level.COMPREHENSIVE),
        ("Dame un informe completo", Level.COMPREHENSIVE),
        ("Compare React and Vue", Level.COMPLEX),
        ("¿Cuál es la diferencia entre TCP y UDP?", Level.COMPLEX),
        ("What is the email? And who reads it?", Level.COMPLEX),
        ("Why did the migration fail?", Level.MEDIUM),
        ("¿Por qué falló la migración?", Level.MEDIUM),
        ("Does it work at all?", Level.SIMPLE),
        ("What is the capital of France?", Level.SIMPLE),
        ("How many points did the team score?", Level.SIMPLE),
        ("¿Cuántos años tiene el contrato?", Level.SIMPLE),
    ],
)
def test_the_highest_cue_wins(text: str, level: Level) -> None:
    """Comparison over everything outranks comparison, which outranks explanation, which outranks a fact."""
    assert classify(text).level is level


def test_sizes_and_reasons() -> None:
    """Each level has its top_k and max_tokens, and the class comes with its reasons."""
    assert [SIZES[level] for level in Level] == [(0, 500), (3, 2000), (8, 4000), (10, 5000), (15, 6000)]
    assert classify("Compare all React and Python projects") == Complexity(
        Level.COMPREHENSIVE, 15, 6000, "en", ("a comparison (compare) over everything (all)",)
    )


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Where is the invoice of last month?", "en"),
        ("¿Dónde está la factura del mes pasado?", "es"),
        ("Qu'est-ce que c'est que ça, et pourquoi?", "und"),
        ("Was ist das für ein Vertrag?", "und"),
        ("Quanto custa o produto e onde fica a loja?", "und"),
        ("12345", "und"),
        ("", "und"),
    ],
)
def test_language(text: str, language: str) -> None:
    """English and Spanish are told apart; another language, or none, is und."""
    assert classify(text).language == language


@given(st.text(max_size=200))
def test_any_text_has_a_level(text: str) -> None:
    """No text raises, the answer is the same each time, and it has a reason."""
    result = classify(text)
    assert result == classify(text)
    assert result.reasons
    assert (result.top_k, result.max_tokens) == SIZES[result.level]


@given(st.sampled_from([text for text, _ in SMALL_TALK]), st.sampled_from(["invoice", "contrato", "kubernetes", "2024"]))
def test_content_after_small_talk_is_seen(small_talk: str, content: str) -> None:
    """A content word behind small talk makes the message a question."""
    assert classify(f"{small_talk} {content}").level is not Level.TRIVIAL


@pytest.mark.parametrize("unit", ["a b ", "no ", "é", "'", "a'", "?", "\0", "thank you so much "])
def test_hostile_length_is_bounded(unit: str) -> None:
    """A text of a million characters takes no longer than its first part, give or take the noise of the machine."""
    text = unit * (1_000_000 // len(unit))

    def best(sample: str) -> float:
        times = []
        for _ in range(5):
            start = time.process_time()
            classify(sample)
            times.append(time.process_time() - start)
        return min(times)

    assert best(text) < 10 * best(text[:8000]) + 0.005
    assert classify(text).level is not Level.TRIVIAL


@pytest.mark.parametrize("word", ["well", "good", "so", "i", "you"])
def test_a_row_of_one_word_is_read_once(word: str) -> None:
    """Many phrases may begin and end in such a row: who tries every way to cut it would not come to an end."""
    assert grammar().recognise([word] * (grammar().max_words - 1) + ["verte"]) is None


def test_a_broken_lexicon_is_refused() -> None:
    """A phrase with unbalanced marks is an error when the grammar is built, not a wrong answer later."""
    with pytest.raises(ValueError, match="not well formed"):
        Grammar(
            {
                "max_words": 5,
                "questions": [],
                "words": {},
                "fillers": {"en": [], "es": []},
                "small_talk": {"wellbeing": {"en": ["|"], "es": []}},
            }
        )


def test_fold_and_spelling() -> None:
    """Accents, case and apostrophes fold away; a word that only shares its letters is not a lengthened form."""
    assert fold("¿CÓMO Estás? That’s") == "¿como estas? thats"
    assert grammar().recognise(["helo"]) is not None
    assert grammar().recognise(["god"]) is None


def test_few_slips_and_any_lengthened_letters_are_forgiven() -> None:
    """One slip in two words is too many; lengthened words are no slips."""
    recognise = grammar().recognise
    assert recognise(["thnaks"]) is not None
    assert recognise(["thnaks", "goodbey"]) is None
    assert recognise(["thnaks", "so", "much", "goodbey"]) is not None
    assert recognise(["thaaanks", "sooo", "muuuch", "byeee"]) is not None
    assert recognise(["thanks", "qqqqq"]) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("How", "explanation (how)"),
        ("How many chairs are in the hall", "one fact (how many, are)"),
        ("Chairs in the hall, how many", "one fact (how many)"),
        ("How fast and how", "explanation (how)"),
        ("How and why is it so", "analysis (how and why)"),
        ("How and when is it so", "explanation (how)"),
    ],
)
def test_a_cue_is_met_as_a_whole(text: str, reason: str) -> None:
    """What follows a word decides whether the word is a cue of its own, also at the end of the message."""
    assert any(reason in each for each in classify(text).reasons)


def test_long_words_are_evidence_of_a_language_too() -> None:
    """A word counts by its ending, however long it is and however often it was seen."""
    for word, language in (("t" * 60 + "ing", "en"), ("r" * 60 + "ción", "es"), ("walking", "en"), ("canción", "es")):
        for _ in range(2):
            assert detect_words([word] * 3) == language


def test_quality_on_real_messages(hexar_data: Path) -> None:
    """On real intents and questions: recall of small talk, false alarms, and no question taken for small talk."""
    figures = trivial_figures(hexar_data)
    assert figures["trivial_recall"] >= 0.90
    assert figures["trivial_fpr"] <= 0.005
    assert figures["xquad_trivial"] == 0
