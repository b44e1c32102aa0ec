"""Hostile names, queries and files: an answer or a ValueError, quickly, never a crash."""

import random
import struct
import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.core.fuzzy import MAX_QUERY_TOKENS, FuzzyIndex, Match, closeness
from tests.core.fuzzy.oracle_fuzzy import tokenize

HOSTILE = [
    "a" * 100_000,
    "ab1" * 40_000,
    "x " * 1_000_000,
    "\ud800\udfff lone \udc00",
    "\u202e\u200f right to left \u202c\u2066",
    "\U0001f600" * 1000,
    "👩‍👩‍👧‍👦 family \ufe0f\u20e3",
    "nul\0in\0side",
    "\0" * 5000,
    "\u0301" * 3000,
    "e" + "\u0301\u0327" * 1000,
    "ﷺ" * 200,
    "İstanbul ẞ ŉ ǰ",
    "한국어 日本語 ภาษาไทย हिन्दी العربية",
    "\U000e0041\U0010ffff\ue000",
    ":side:left side:left ::",
    " " * 4096,
    "",
]


def timed(call: Callable[[], object]) -> float:
    start = time.process_time()
    try:
        call()
    except ValueError as error:
        assert "MAX_QUERY" in str(error)  # noqa: PT017  the limit is named
    return time.process_time() - start


@pytest.fixture(scope="module")
def catalogue() -> FuzzyIndex:
    rng = random.Random(1)
    words = ["".join(rng.choice("abcdeilnorst") for _ in range(rng.randint(1, 9))) for _ in range(4000)]
    return FuzzyIndex([" ".join(rng.choices(words, k=6)) + f" {rng.randrange(10**7)}" for _ in range(50_000)])


@pytest.mark.parametrize("query", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_queries_end_quickly(catalogue: FuzzyIndex, query: str) -> None:
    """A hostile query is answered, or refused by the name of the limit, well within 50 ms."""
    assert min(timed(lambda: catalogue.search(query)) for _ in range(3)) < 0.05


def test_the_longest_allowed_query_ends_quickly(catalogue: FuzzyIndex) -> None:
    """Unknown words near many others, each of them glued to the next, are the most work a query can ask for."""
    rng = random.Random(2)
    words = ["".join(rng.choice("abcdeilnorst") for _ in range(8)) for _ in range(MAX_QUERY_TOKENS)]
    assert min(timed(lambda: catalogue.search(" ".join(words), limit=1000)) for _ in range(3)) < 0.5


def test_hostile_names_are_indexed(tmp_path: Path) -> None:
    """Hostile names are found by themselves where a query may be that long, and survive a file."""
    index = FuzzyIndex(HOSTILE)
    index.save(tmp_path / "hostile.index")
    for each in (index, FuzzyIndex.load(tmp_path / "hostile.index")):
        for position, name in enumerate(HOSTILE):
            if len(name) <= 200 and 0 < len(tokenize(name)) <= MAX_QUERY_TOKENS:
                assert Match(position, 1.0) in each.search(name, limit=20)
    assert [hit.index for hit in index.search("istanbul")] == [HOSTILE.index("İstanbul ẞ ŉ ǰ")]
    assert HOSTILE.index("nul\0in\0side") == index.search("nul")[0].index


@pytest.mark.parametrize(
    "names",
    [
        [f"{number:x}q{number * 7919 % 99991:x}" for number in range(100_000)],
        ["common"] * 100_000,
        [f"common {number}" for number in range(100_000)],
        ["a" if number % 2 else "b 7" for number in range(100_000)],
        [" ".join(f"w{number % 50}x{word}" for word in range(1500)) for number in range(100)],
        [f"aaaaaa{number:06d}" for number in range(100_000)],
    ],
    ids=["all unique", "one name", "one shared token", "single letters", "very long names", "one prefix"],
)
def test_no_distribution_is_pathological(names: list[str]) -> None:
    """Vocabularies and lists of any shape are built and searched in bounded time, and nothing is missed."""
    start = time.process_time()
    index = FuzzyIndex(names)
    assert time.process_time() - start < 10
    for query in (names[0][:150], names[-1][1:150], "commno 77", "a b", "aaaaaa0000", "w1x7 w2x9 w3x1499"):
        assert min(timed(partial(index.search, query)) for _ in range(3)) < 0.2
        assert index.search(query) == index._search_exhaustive(query)


@given(st.lists(st.text(max_size=20), max_size=8), st.text(max_size=40), st.integers(1, 5))
def test_any_text_is_safe(names: list[str], query: str, limit: int) -> None:
    """Any text may be a name or a query; both ways of searching agree."""
    index = FuzzyIndex(names, synonyms={"a": "b"}, constraints={"g": {"x": ["l", "é"], "y": ["r"]}})
    assert index.search(query, limit) == index._search_exhaustive(query, limit)
    assert 0.0 <= closeness(query, names[0] if names else "") <= 1.0


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    path = tmp_path_factory.mktemp("index") / "parts.index"
    FuzzyIndex([f"brake pad {number}" for number in range(300)], constraints={"side": {"left": ["lh"], "right": ["rh"]}}).save(
        path
    )
    return path, path.read_bytes()


@given(data=st.data())
def test_damaged_files_are_refused(saved: tuple[Path, bytes], data: st.DataObject) -> None:
    """Whatever bit is flipped, byte is lost or added: a ValueError that names the file."""
    path, sound = saved
    kind = data.draw(st.sampled_from(["flip", "cut", "grow"]))
    at = data.draw(st.integers(0, len(sound) - 1))
    if kind == "flip":
        damaged = bytearray(sound)
        damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    elif kind == "cut":
        damaged = bytearray(sound[:at])
    else:
        damaged = bytearray(sound + b"x" * (at + 1))
    target = path.with_name("damaged.index")
    target.write_bytes(damaged)
    with pytest.raises(ValueError, match=r"damaged\.index"):
        FuzzyIndex.load(target)


@given(data=st.data())
def test_forged_files_do_not_crash(saved: tuple[Path, bytes], data: st.DataObject) -> None:
    """A file that was changed on purpose, checksums put right, is refused or answers; it never reads out of bounds."""
    path, sound = saved
    header = _header_bytes(sound)
    forged = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(header, len(sound) - 4))
        forged[at : at + 4] = struct.pack("=I", data.draw(st.sampled_from([0, 1, 300, 2**16, 2**31, 2**32 - 1])))
    struct.pack_into("=I", forged, 28, zlib.crc32(forged[header:]))
    struct.pack_into("=I", forged, header - 4, zlib.crc32(forged[: header - 4]))
    target = path.with_name("forged.index")
    target.write_bytes(forged)
    try:
        index = FuzzyIndex.load(target)
    except ValueError:
        return
    for query in ("brake pad 17", "brkae", "lh pads"):
        index.search(query)


def _header_bytes(sound: bytes) -> int:
    sections: int = struct.unpack_from("=I", sound, 24)[0]
    return 32 + 16 * sections + 4


def test_foreign_files_are_refused(saved: tuple[Path, bytes], tmp_path: Path) -> None:
    """Another format, another version, another byte order: each says what it is."""
    _, sound = saved
    target = tmp_path / "other.index"
    for damaged, message in [
        (b"PK\x03\x04" + bytes(5000), "not a fuzzy index"),
        (b"", "too few"),
        (sound[:8] + struct.pack("=I", 99) + sound[12:], "version 99"),
        (sound[:12] + sound[12:16][::-1] + sound[16:], "byte order"),
    ]:
        target.write_bytes(damaged)
        with pytest.raises(ValueError, match=message):
            FuzzyIndex.load(target)
    with pytest.raises(FileNotFoundError):
        FuzzyIndex.load(tmp_path / "missing.index")


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    """Saving into a folder that does not exist is an OSError and leaves nothing behind."""
    with pytest.raises(OSError, match="nowhere"):
        FuzzyIndex(["a"]).save(tmp_path / "nowhere" / "x.index")
    assert list(tmp_path.iterdir()) == []
