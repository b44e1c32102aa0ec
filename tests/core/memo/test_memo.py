"""Memos: what was worked out is found again, and all that is kept stays under one bound in bytes."""

import gc
import sys
import threading
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.core.memo import MEMORY, Memo, MemoMemory, remembered
from hexar.core.memo.memo import ENTRY_BYTES, sizeof
from tests.core.oracle import memo as oracle

LIMIT = 8 * 1024
_STEPS = st.lists(
    st.tuples(st.sampled_from("gpr"), st.sampled_from(("one", "two")), st.integers(0, 30), st.integers(0, 1200)), max_size=80
)


@given(_STEPS)
def test_it_keeps_what_was_used_last_as_the_plain_list_does(steps: list[tuple[str, str, int, int]]) -> None:
    """Gets and puts over two memos of one memory, against the oracle."""
    memory = MemoMemory(LIMIT)
    memos = {name: Memo[str, bytes](name, memory) for name in ("one", "two")}
    plain = oracle.Memory(LIMIT, lambda key, value: sizeof(key) + sizeof(value) + ENTRY_BYTES)
    for what, name, number, size in steps:
        key = f"key {number}"
        if what == "p":
            memos[name].put(key, bytes(size))
            plain.put(name, key, bytes(size))
        elif what == "r":
            memos[name].remove(key)
            plain.kept = [entry for entry in plain.kept if entry[:2] != (name, key)]
        else:
            assert memos[name].get(key) == plain.get(name, key)
        assert memory.used_bytes == plain.used <= LIMIT
        assert memory.entries == len(plain.kept) == sum(map(len, memos.values()))
    assert {row.name: row.bytes for row in memory.counts()} == {
        name: sum(sizeof(key) + sizeof(value) + ENTRY_BYTES for memo, key, value in plain.kept if memo == name)
        for name in ("one", "two")
    }


def test_a_function_is_called_once_for_equal_arguments() -> None:
    """None is a result like any other; the function keeps its name and its text."""
    asked: list[tuple[str, str]] = []

    @remembered("once", MemoMemory(LIMIT))
    def found(word: str, language: str = "en") -> str | None:
        """What is said of it."""
        asked.append((word, language))
        return None if word == "nothing" else word + language

    assert [found("a", "en"), found("a", "en"), found("a"), found("nothing"), found("nothing")] == ["aen"] * 3 + [None] * 2
    assert asked == [("a", "en"), ("a", "en"), ("nothing", "en")]
    assert (found.__name__, found.__doc__) == ("found", "What is said of it.")


def test_what_raises_is_not_kept() -> None:
    """The next caller asks anew, and sees the error too."""
    memory = MemoMemory(LIMIT)

    @remembered("raising", memory)
    def fails(word: str) -> str:
        raise ValueError(word)

    for _ in range(2):
        with pytest.raises(ValueError, match="a"):
            fails("a")
    assert memory.entries == 0
    with pytest.raises(TypeError):
        fails([])  # type: ignore[arg-type]  # it cannot be a key


def test_a_memory_without_room_keeps_nothing_and_answers_all_the_same() -> None:
    """A lower limit holds at once; what is larger than an eighth of it is never kept."""
    memory = MemoMemory(LIMIT)
    memo = Memo[int, bytes]("small", memory)
    for number in range(8):
        memo.put(number, bytes(500))
    assert memory.entries == 8
    memory.limit_bytes = 4000
    assert (memory.used_bytes <= 4000, memo.get(0), memo.get(7)) == (True, None, bytes(500))
    memo.put(9, bytes(501))
    assert memo.get(9) is None
    memory.clear()
    assert (memory.used_bytes, memory.entries, len(memo)) == (0, 0, 0)


def test_a_memo_that_is_dropped_gives_its_bytes_back() -> None:
    """Also where it is part of a cycle that the collector finds."""
    memory = MemoMemory(LIMIT)
    memo, other = Memo[str, object]("dropped", memory), Memo[str, object]("other", memory)
    other.put("kept", 1.5)
    memo.put("a", "text")
    del memo
    assert memory.entries == 1

    class Holder:
        def __init__(self) -> None:
            self.memo = Memo[str, object]("cyclic", memory)
            self.me = self

    holder = Holder()
    holder.memo.put("a", "text")
    del holder
    gc.collect()
    assert (memory.entries, other.get("kept")) == (1, 1.5)


def test_threads_share_a_memory() -> None:
    """Eight threads over a full memory: the sums agree when all have ended."""
    memory = MemoMemory(LIMIT)
    memos = [Memo[int, str](f"memo {number % 2}", memory) for number in range(8)]

    def work(memo: Memo[int, str]) -> None:
        for number in range(3000):
            if memo.get(number % 50) is None:
                memo.put(number % 50, "x" * (number % 200))

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(memo,)) for memo in memos]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert 0 < memory.used_bytes <= LIMIT
    assert sum(row.entries for row in memory.counts()) == memory.entries == sum(map(len, memos))
    assert sum(row.bytes for row in memory.counts()) == memory.used_bytes


@dataclass(frozen=True, slots=True)
class _Slotted:
    text: str
    parts: tuple[str, ...]


@pytest.mark.parametrize(
    "value",
    [
        "plain " * 50,
        "ñandú " * 50,
        "漢字" * 100,
        b"bytes" * 100,
        tuple(f"word {n}" for n in range(40)),
        frozenset(f"word {n}" for n in range(40)),
        {f"key {n}": float(n) for n in range(40)},
        [f"word {n}" for n in range(40)],
        _Slotted("text " * 20, ("one", "two")),
        np.zeros(256, np.float32),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_is_measured_at_no_less_than_the_interpreter_says(value: object) -> None:
    """With all that it holds, and not at more than half as much again and a little."""
    parts: list[object] = []
    if isinstance(value, dict):
        parts = [*value, *value.values()]
    elif isinstance(value, (tuple, frozenset, list)):
        parts = list(value)
    elif isinstance(value, _Slotted):
        parts = [value.text, value.parts, *value.parts]
    real = sys.getsizeof(value) + sum(map(sys.getsizeof, parts))
    assert real <= sizeof(value) <= 1.5 * real + 64


def test_words_of_hostile_texts_stay_under_the_bound() -> None:
    """A hundred thousand long words, each another one, through the functions that answers remember words by."""
    from hexar.core.text.stems import stem

    before = MEMORY.limit_bytes
    MEMORY.limit_bytes = 1 << 20
    try:
        for number in range(20_000):
            stem(f"{number:x}" + "q" * 500, "en")
        assert MEMORY.used_bytes <= 1 << 20
        assert MEMORY.entries < 2000
    finally:
        MEMORY.limit_bytes = before
