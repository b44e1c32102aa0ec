"""The fuzzy index equals its definition, keeps sides apart, and survives a round trip through a file."""

import json
import random
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from hexar.core.fuzzy import MAX_QUERY_LENGTH, FuzzyIndex, Match, closeness, fold
from tests.core.fuzzy import oracle_fuzzy
from tests.core.fuzzy.oracle_fuzzy import ONE, Oracle

TABLES: dict[str, Any] = json.loads(Path(__file__).with_name("tables.json").read_text("utf-8"))

# Words that meet: compounds and their halves, abbreviations, near misses, sides in two languages, codes.
WORDS = """
    head light headlight headlights tail taillight tailgate gate front left right LH R/H rear FL L/R fr izquierdo trasera
    assembly assy assembl bracket brkt bumper bmper bumpr brake brakes pad bosch bosh corolla corola 2015 2016 abx1234 ABX-1234
    abx1243 fr-2015 2015.LH rh_rear-17 a b l.h. lamp faro bulb wing Ñandú cámara–9 lhd reart lfet rihgt headlihgt frontbumper
    bumperfront leftrear rearbumper deretcho izquero fron frontal trans bra cket susp suspension
""".split()  # noqa: SIM905
names = st.lists(st.lists(st.sampled_from(WORDS), min_size=0, max_size=6).map(" ".join), max_size=25)
queries = st.one_of(
    st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join),
    st.lists(st.one_of(st.sampled_from(WORDS), st.text("abehl1", max_size=8)), max_size=5).map(" ".join),
    st.text(max_size=30),
)


@pytest.fixture(scope="module")
def parts() -> list[str]:
    """Three thousand names with all that part names have."""
    rng = random.Random(11)
    brands = ["Bosch", "Denso", "Valeo", "Hella", "Magna", "TRW"]
    things = ["headlight", "head light", "tail light", "bumper cover", "door mirror", "brake pad", "fender", "grille"]
    sides = ["front left", "front right", "rear LH", "rear R/H", "left", "right", "front", ""]
    return [
        f"{rng.choice(brands)} {rng.choice(sides)} {rng.choice(things)} {rng.choice(['Corolla', 'Civic', 'Ibiza', 'León'])} "
        f"{rng.randint(1998, 2024)} {rng.choice('ABCDE')}{rng.choice('KLM')}-{rng.randint(100, 9999)}"
        for _ in range(3000)
    ]


def found(index: FuzzyIndex, query: str, **options: Any) -> list[tuple[int, float]]:
    return [(match.index, match.score) for match in index.search(query, **options)]


@given(names, queries, st.integers(1, 12), st.sampled_from([0.0, 0.3, 0.8]), st.booleans())
@example(["headlight head light", "head light", "headlight"], "headlight head light", 3, 0.0, True)
@example(["head light", "headlight"], "headlihgt", 3, 0.0, False)
def test_search_equals_brute_force(names: Sequence[str], query: str, limit: int, min_score: float, tables: bool) -> None:
    """The result is the oracle's: the same names, the same order, the same bits of the score."""
    options = TABLES if tables else {}
    assert found(FuzzyIndex(names, **options), query, limit=limit, min_score=min_score) == Oracle(names, **options).search(
        query, limit, min_score
    )


@given(names, queries)
def test_bounds_lose_nothing(names: Sequence[str], query: str) -> None:
    """Searching with bounds equals scoring every name."""
    index = FuzzyIndex(names, **TABLES)
    assert index.search(query, limit=5) == index._search_exhaustive(query, limit=5)


def test_thousand_queries_equal_brute_force(parts: list[str]) -> None:
    """On a thousand mistyped queries nothing is missed, and forty of them are checked against the oracle too."""
    index, oracle, rng = FuzzyIndex(parts, **TABLES), Oracle(parts, **TABLES), random.Random(3)
    for number in range(1000):
        letters = list(rng.choice(parts).lower())
        for _ in range(rng.randint(0, 3)):
            letters[rng.randrange(len(letters))] = rng.choice("abcdefgh 123")
        words = "".join(letters).split()
        rng.shuffle(words)
        query = " ".join(words[: rng.randint(2, len(words))])
        assert index.search(query) == index._search_exhaustive(query)
        if number % 25 == 0:
            assert found(index, query) == oracle.search(query)


short = st.text("abcdeñж1", min_size=1, max_size=70)


@given(short, st.lists(st.tuples(st.integers(0, 69), st.sampled_from(["", "a", "ж1", "swap"])), max_size=3))
def test_closeness_is_rapidfuzz_similarity(text: str, edits: list[tuple[int, str]]) -> None:
    """For tokens within the allowed edits closeness is RapidFuzz's OSA similarity, and 0 beyond them."""
    other = text
    for at, edit in edits:
        if edit == "swap":
            other = other[:at] + other[at + 1 : at + 2] + other[at : at + 1] + other[at + 2 :]
        else:
            other = other[:at] + edit + other[at + 1 :]
    a, b = oracle_fuzzy.fold(text), oracle_fuzzy.fold(other)
    longer, shorter = max(len(a), len(b)), min(len(a), len(b))
    distance = OSA.distance(a, b)
    if a == b:
        expected = 1.0
    elif shorter < 3 or longer > 64 or distance > (1 if longer < 7 else 2):
        expected = 0.0
    else:
        expected = OSA.normalized_similarity(a, b)
    small, large = sorted((a, b), key=len)
    if a != b and oracle_fuzzy.abbreviates(small, large):
        expected = max(expected, 0.5 + 0.5 * shorter / longer)
    assert closeness(text, other) == pytest.approx(expected, abs=1 / ONE)
    assert closeness(other, text) == closeness(text, other)


@given(st.text(max_size=40))
def test_folding_equals_the_oracle(text: str) -> None:
    """Names are folded and cut into tokens as the oracle does it: a name is found by any spelling of itself."""
    assert oracle_fuzzy.tokenize(fold(text)) == oracle_fuzzy.tokenize(text)
    assert len(FuzzyIndex([text]).search(text)) == bool(oracle_fuzzy.tokenize(text))


@given(names)
def test_a_name_finds_itself(names: Sequence[str]) -> None:
    """A name scores exactly 1.0 for itself, and no score is above 1."""
    index = FuzzyIndex(names, **TABLES)
    for position, name in enumerate(names):
        hits = index.search(name, limit=len(names))
        assert all(0.0 < hit.score <= 1.0 for hit in hits)
        assert not oracle_fuzzy.tokenize(name) or Match(position, 1.0) in hits


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("left headlight", 0),
        ("LH head light", 0),
        ("faro izquierdo", 0),
        ("headlight L/H", 0),
        ("headlihgt rigth", 1),
        ("hed light right", 1),
        ("headlamp assy o/s", 1),
        ("bumper rear", 2),
        ("rearbumper", 2),
        ("parachoques trasero", 2),
        ("rear bmpr", 2),
        ("abx1234", 3),
        ("ABX 1234", 3),
        ("abx-1243 bracket", 3),
        ("brkt", 3),
        ("camara de vision", 4),
    ],
)
def test_spellings_find_their_part(query: str, best: int) -> None:
    """Typing mistakes, abbreviations, glued and split words, accents and Spanish lead to the part that is meant."""
    catalogue = ["Headlight assembly left", "Headlight assembly right", "Bumper rear", "Bracket ABX-1234", "Cámara de visión"]
    assert FuzzyIndex(catalogue, **TABLES).search(query, limit=1)[0].index == best


def test_left_never_answers_right(parts: list[str]) -> None:
    """No name of the other side or end is ever in a result, at any limit; a name without a side is compatible."""
    index = FuzzyIndex(parts, **TABLES)
    for query, banned in [
        ("left headlight", (" right", " R/H")),
        ("RH tail light corolla", (" left", " LH")),
        ("faro delantero izquierdo", (" right", " R/H", " rear")),
        ("lfet mirror", (" right", " R/H")),
    ]:
        hits = index.search(query, limit=len(parts))
        assert hits
        assert not [parts[hit.index] for hit in hits if any(word in parts[hit.index] for word in banned)]
    assert any(" left" not in parts[hit.index] for hit in index.search("left headlight", limit=len(parts)))


def test_ambiguous_spellings_are_data() -> None:
    """A spelling under two values may mean either; a longer phrase wins; an empty value says nothing."""
    catalogue = ["mirror left", "mirror right", "mirror L/R", "mirror left hand drive", "FL mirror"]
    index = FuzzyIndex(catalogue, constraints=TABLES["constraints"])
    assert {hit.index for hit in index.search("mirror LH")} == {0, 2, 3, 4}
    assert {hit.index for hit in index.search("mirror r/h")} == {1, 2, 3}
    assert {hit.index for hit in index.search("mirror RL")} == {0, 2, 3}
    assert {hit.index for hit in index.search("mirror")} == {0, 1, 2, 3, 4}


def test_synonyms_of_several_meanings_stay_open() -> None:
    """A word with a sequence of meanings is close to each of them, in both directions, and closest to itself."""
    index = FuzzyIndex(["light", "bulb", "lamp", "horn"], synonyms={"lamp": ["light", "bulb"]})
    assert [hit.index for hit in index.search("lamp")] == [2, 0, 1]
    assert [hit.index for hit in index.search("bulb")] == [1, 2]


def test_equal_scores_come_by_index() -> None:
    """Ties are broken by the smaller index, also when the tie is cut by the limit."""
    index = FuzzyIndex(["brake disc"] * 40 + ["brake pad"] * 3)
    assert [hit.index for hit in index.search("disc brake", limit=7)] == list(range(7))


def test_a_loaded_index_answers_alike(parts: list[str], tmp_path: Path) -> None:
    """A saved index, mapped back, gives the same answers, tables included."""
    index = FuzzyIndex(parts, **TABLES)
    index.save(tmp_path / "parts.index")
    loaded = FuzzyIndex.load(tmp_path / "parts.index")
    assert (len(loaded), loaded.vocabulary_size) == (len(index), index.vocabulary_size)
    for query in ("faro izquierdo leon", "trw bmper cover 2004", "l/h mirror", "AK-1234"):
        assert loaded.search(query) == index.search(query) != []
    loaded.save(tmp_path / "again.index")
    assert (tmp_path / "again.index").read_bytes() == (tmp_path / "parts.index").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.index", "parts.index"]


def test_an_empty_index_is_an_index(tmp_path: Path) -> None:
    """No names, or only names without a letter or digit: nothing is found, and it can be saved."""
    for names in ([], ["", "--", "\u200b"]):
        index = FuzzyIndex(names)
        index.save(tmp_path / "empty.index")
        for each in (index, FuzzyIndex.load(tmp_path / "empty.index")):
            assert len(each) == len(names)
            assert each.search("light") == []
            assert each.search("") == []


def test_threads_share_an_index(parts: list[str]) -> None:
    """Eight threads searching one index get the answers that one thread gets."""
    index = FuzzyIndex(parts, **TABLES)
    asked = [name[3:] for name in parts[:200]]
    expected = [index.search(query) for query in asked]
    answers: list[list[list[Match]]] = [[] for _ in range(8)]

    def work(slot: int) -> None:
        answers[slot] = [index.search(query) for query in asked]

    threads = [threading.Thread(target=work, args=(slot,)) for slot in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(answer == expected for answer in answers)


def test_wrong_arguments_are_refused() -> None:
    """Arguments of the wrong type or range are errors that name what is wrong."""
    index = FuzzyIndex(["bumper"])
    with pytest.raises(TypeError, match=r"names\[1\] is int"):
        FuzzyIndex(["a", 3])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="not one str"):
        FuzzyIndex("bumper")
    with pytest.raises(ValueError, match="limit"):
        index.search("bumper", limit=0)
    for score in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="min_score"):
            index.search("bumper", min_score=score)
    with pytest.raises(ValueError, match="MAX_QUERY_LENGTH"):
        index.search("a" * (MAX_QUERY_LENGTH + 1))
    with pytest.raises(ValueError, match="MAX_QUERY_TOKENS"):
        index.search(" ".join(f"word{i}" for i in range(33)))
    with pytest.raises(ValueError, match="no letter"):
        FuzzyIndex([], synonyms={"--": "a"})
    with pytest.raises(ValueError, match="single word"):
        FuzzyIndex([], synonyms={"tail lamp": ["light"]})
    with pytest.raises(TypeError, match=r"side\.left"):
        FuzzyIndex([], constraints={"side": {"left": "left"}})
    with pytest.raises(ValueError, match="MAX_VALUES"):
        FuzzyIndex([], constraints={"g": {f"v{i}": [f"w{i}"] for i in range(65)}})


@pytest.mark.parametrize(
    ("query", "right"),
    [("LH headlamp", "left headlight"), ("faro derecho", "right headlight"), ("frt bumper", "front bumper"),
     ("parachoques trasero", "rear bumper")],
)  # fmt: skip
def test_an_index_without_tables_knows_sides_and_common_parts(query: str, right: str) -> None:
    """The default tables find the right part, and never one of another side or position; empty tables know nothing."""
    names = ["left headlight", "right headlight", "front bumper", "rear bumper", "headlight"]
    other = {"left": "right", "right": "left", "front": "rear", "rear": "front"}[right.split()[0]]
    found_names = [names[match.index] for match in FuzzyIndex(names).search(query)]
    assert found_names[0] == right
    assert not any(name.startswith(other) for name in found_names)
    assert FuzzyIndex(["left door"], synonyms={}, constraints={}).search("right door")
    assert not FuzzyIndex(["left door"]).search("right door")
