"""The guards of the semantic cache, on labelled pairs and one by one."""

import json
from pathlib import Path

import pytest

from hexar.agents.llm.embeddings import StaticEmbeddings
from hexar.agents.portfolio.chat import semantic
from hexar.agents.portfolio.chat.question_form import difference, numerals, read
from hexar.agents.portfolio.chat.semantic import THRESHOLDS, SemanticCache
from hexar.core.cache.versions import Versions

PAIRS = [json.loads(line) for line in Path(__file__).with_name("semantic_pairs.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("language", ["en", "es"])
def test_labelled_pairs_keep_false_hits_under_one_percent(language: str, words: StaticEmbeddings, versions: Versions) -> None:
    """Through the cache itself: at most 1 % of the near-duplicates hit, and at least 75 % of the paraphrases."""
    hits: dict[bool, list[bool]] = {True: [], False: []}
    for number, pair in enumerate(PAIRS):
        if pair["language"] != language:
            continue
        cache = SemanticCache(versions)
        rows = words.embed([pair["a"], pair["b"]])
        cache.keep("red", "scope", language, pair["a"], rows[0], bytes([number % 256]) * 32)
        hits[pair["same"]].append(cache.find("red", "scope", language, pair["b"], rows[1]) is not None)
    assert len(hits[True]) >= 125
    assert len(hits[False]) >= 125
    assert sum(hits[False]) / len(hits[False]) <= 0.01
    assert sum(hits[True]) / len(hits[True]) >= 0.75


@pytest.mark.parametrize(
    ("first", "second", "guard"),
    [
        ("Does the tent include poles?", "Does the tent not include poles?", "negation"),
        ("Can I pay with cash at the desk?", "Can I pay without cash at the desk?", "negation"),
        ("Is a 5 kg box free to ship?", "Is a 6 kg box free to ship?", "number"),
        ("Is a 5 kg box free to ship?", "Is a 5 lb box free to ship?", "sense"),
        ("Which boards cost under $400?", "Which boards cost under $500?", "number"),
        ("Which boards cost under $400?", "Which boards cost under €400?", "sense"),
        ("Does the R-200 pump fit the tank?", "Does the R-300 pump fit the tank?", "name"),
        ("Where is the left mirror sold?", "Where is the right mirror sold?", "word"),
        ("What is the rent law in Texas?", "What is the rent law in Ohio?", "name"),
        ("Did Ann pay Bob?", "Did Bob pay Ann?", "roles"),
        ("Do dogs chase cats?", "Do cats chase dogs?", "roles"),
        ("Who founded the club in Leeds?", "When was the club in Leeds founded?", "question"),
        ("Who is the head of the school?", "Who was the head of the school?", "tense"),
        ("What happens on Monday at noon?", "What happens on Friday at noon?", "sense"),
        ("Why?", "Why?", "short"),
        ("Which forms must pilots sign?", "Which forms may pilots sign?", "sense"),
        ("Who paid Maria Lopez?", "Who did Maria Lopez pay?", "roles"),
    ],
)
def test_each_guard_tells_two_questions_apart(first: str, second: str, guard: str) -> None:
    """A change of one thing that matters is told by the guard of that thing."""
    assert difference(read(first, "en"), read(second, "en")) == guard


@pytest.mark.parametrize(
    ("first", "second", "language", "guard"),
    [
        ("How much is a ferry pass?", "What does a ferry pass cost?", "en", ""),
        ("How long is the probation period?", "What is the probation period?", "en", ""),
        ("Can pilots bring guests?", "Are pilots allowed to bring guests?", "en", ""),
        ("Where does the fair take place?", "Where is the fair held?", "en", ""),
        ("¿Se puede nadar en el lago?", "¿Está permitido nadar en el lago?", "es", ""),
        ("¿A quién llamó Rosa Gil?", "¿Quién llamó a Rosa Gil?", "es", "roles"),
        ("¿Quién limpió la sala?", "¿Quién limpia la sala?", "es", "tense"),
    ],
)
def test_what_the_form_of_a_question_says(first: str, second: str, language: str, guard: str) -> None:
    """ "How much is" asks for a cost and "can" for a leave; who does, to whom, and when, is another matter."""
    assert difference(read(first, language), read(second, language)) == guard
    assert difference(read(second, language), read(first, language)) == guard


def test_a_kept_answer_is_bound_to_its_tenant_scope_and_language(words: StaticEmbeddings, versions: Versions) -> None:
    """The same question of another tenant, in another scope or another language finds nothing."""
    cache = SemanticCache(versions)
    question = "How do I replace the left headlight?"
    vector = words.embed([question])[0]
    cache.keep("red", "scope", "en", question, vector, b"k" * 32)
    assert cache.find("red", "scope", "en", question, vector) is not None
    assert cache.find("blue", "scope", "en", question, vector) is None
    assert cache.find("red", "other", "en", question, vector) is None
    assert cache.find("red", "scope", "und", question, vector) is None


def test_a_purge_reaches_a_cache_of_another_process(words: StaticEmbeddings, versions: Versions) -> None:
    """Two caches over one store: what one purges by id, the other no longer serves; a failed check purges too."""
    ours, theirs = SemanticCache(versions, chance=lambda: 0.0), SemanticCache(versions)
    question = "How do I replace the left headlight?"
    vector = words.embed([question])[0]
    kept = theirs.keep("red", "scope", "en", question, vector, b"k" * 32)
    ours.purge("red", kept)
    assert theirs.find("red", "scope", "en", question, vector) is None
    ours.keep("red", "scope", "en", question, vector, b"k" * 32)
    hit = ours.find("red", "scope", "en", question, vector)
    assert hit is not None
    assert hit.shadow
    ours.shadowed("red", hit.semantic_id, agrees=False)
    assert ours.find("red", "scope", "en", question, vector) is None
    assert ours.stats.shadow_failures == 1


def test_thresholds_exist_for_the_guarded_languages_only() -> None:
    """A language without guards has no threshold, so it never hits."""
    assert set(THRESHOLDS) == {"en", "es"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no digits here", set()),
        ("series 007, 0 and 00", {"7", "0"}),
        ("1,000 or 1.000 or 1000", {"1000"}),
        ("1,000,000.", {"1000000"}),
        ("1.50 and 2,5", {"1.5", "2.5"}),
        ("AB-12 and 3rd", {"12", "3"}),
    ],
)
def test_numerals_have_one_form(text: str, expected: set[str]) -> None:
    """Leading zeros, separators of thousands and both decimal marks make no other number."""
    assert numerals(text) == expected


def test_scopes_asked_longest_ago_make_room(
    words: StaticEmbeddings, versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All scopes together are bounded in bytes; the one that is in use is kept even where it alone takes more."""
    monkeypatch.setattr(semantic, "SCOPES_BYTES", 60_000)
    cache = SemanticCache(versions)
    question = "How do I replace the left headlight?"
    vector = words.embed([question])[0]
    for number in range(6):
        cache.keep("red", f"scope {number}", "en", question, vector, b"k" * 32)
    found = [number for number in range(6) if cache.find("red", f"scope {number}", "en", question, vector)]
    assert found == [4, 5]
    for _ in range(20):
        cache.keep("red", "scope 5", "en", question, vector, b"k" * 32)
    assert cache.find("red", "scope 5", "en", question, vector) is not None
    assert cache.find("red", "scope 4", "en", question, vector) is None
