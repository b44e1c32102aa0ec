"""The embedded vectors, compared with byte-pair encoding and a mean as a textbook has them."""

import json
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from hexar.agents.llm.embeddings import MAX_CHARACTERS, EndpointEmbeddings, StaticEmbeddings, embedded
from tests.upstream import Upstream

HEADER = 8


@cache
def wheel() -> tuple[dict[str, int], dict[tuple[str, str], int], NDArray[np.float64]]:
    """What the wheel carries: the vocabulary, the rank of each merge, and the table of vectors."""
    spec = find_spec("wordllama")
    assert spec is not None and spec.submodule_search_locations
    folder = Path(next(iter(spec.submodule_search_locations)))
    model: dict[str, Any] = json.loads((folder / "tokenizers" / "l2_supercat_tokenizer_config.json").read_text("utf-8"))[
        "model"
    ]
    pairs = [tuple(pair.split(" ")) if isinstance(pair, str) else tuple(pair) for pair in model["merges"]]
    raw = (folder / "weights" / "l2_supercat_256.safetensors").read_bytes()
    data = raw[HEADER + int.from_bytes(raw[:HEADER], "little") :]
    table = np.frombuffer(data, np.float16).reshape(-1, 256).astype(np.float64)
    return model["vocab"], {(left, right): rank for rank, (left, right) in enumerate(pairs)}, table


def tokens(word: str) -> Iterator[int]:
    """The word is cut into characters; then the pair that was merged first is merged first, the leftmost of equals."""
    vocabulary, ranks, _ = wheel()
    pieces = ["\u2581", *word[:64]]
    while True:
        places = [place for place in range(len(pieces) - 1) if (pieces[place], pieces[place + 1]) in ranks]
        if not places:
            break
        place = min(places, key=lambda at: (ranks[pieces[at], pieces[at + 1]], at))
        pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]
    for piece in pieces:
        if piece in vocabulary:
            yield vocabulary[piece]
        else:
            yield from (vocabulary[f"<0x{byte:02X}>"] for byte in piece.encode())


def unit(text: str) -> NDArray[np.float64]:
    """The sum of the vectors of all tokens, of length one; zero for a text without words."""
    _, _, table = wheel()
    total = np.zeros(table.shape[1])
    for word in text[:MAX_CHARACTERS].lower().split():
        for token in tokens(word):
            total += table[token]
    return total / max(float(np.linalg.norm(total)), 1e-9)


@pytest.fixture(scope="module")
def static() -> StaticEmbeddings:
    found = embedded()
    assert found is not None
    return found


words = st.sampled_from(["How", "many", "minutes", "migración", "installation", "aaaaaaa", "series", "4711?", "naïve", "😀"])
texts = st.lists(words | st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=12).map(" ".join)


@given(batch=st.lists(texts, max_size=4))
def test_embed_equals_the_oracle(static: StaticEmbeddings, batch: list[str]) -> None:
    """A row for each text in its order, whether its words were met before or not."""
    for _ in range(2):
        rows = static.embed(batch)
        assert rows.shape == (len(batch), static.dimension)
        for row, text in zip(rows, batch, strict=True):
            assert row == pytest.approx(unit(text), abs=1e-5)


@pytest.mark.parametrize(
    "text", ["", " \t\n", "a" * 200_000, "aab" * 60_000, "é" * 200_000, "word " * 40_000, "\x00\x1f", "😀" * 9000]
)
def test_hostile_texts_are_embedded(static: StaticEmbeddings, text: str) -> None:
    """No word is a zero row; of a long word and of a long text the beginning counts."""
    assert static.embed([text])[0] == pytest.approx(unit(text), abs=1e-5)


def test_words_look_like_themselves_and_unlike_others(static: StaticEmbeddings) -> None:
    """The best cosine of a word is to itself, and late interaction does not ask how the word was met before."""
    static.embed(["gearbox torque"])
    query = static.encode(["torque"])
    same, other = static.late_interaction(query, [static.encode(["gearbox", "torque"]), static.encode(["banana"])], [1.0], 0.0)
    assert same == pytest.approx(1.0, abs=1e-5)
    assert other < 0.9


@pytest.mark.parametrize(("dialect", "header", "value"), [("openai", "authorization", "Bearer k"), ("azure", "api-key", "k")])
def test_an_endpoint_gets_its_query_and_its_key(upstream: Upstream, dialect: str, header: str, value: str) -> None:
    """The address's query goes with the call, the key where the provider reads it; the rows come in the order of the texts."""
    url = upstream.base_url + "/?api-version=2024-10-21"
    vectors = EndpointEmbeddings(url, "e", dimension=64, key="k", dialect=dialect)
    rows = vectors.embed(["one", "two"])
    assert rows.shape == (2, 64)
    assert np.allclose(rows[1], vectors.embed(["two"])[0])
    asked = upstream.stats()["last_request"]
    assert asked["target"] == "/v1/embeddings?api-version=2024-10-21"
    assert {name: asked[name] for name in ("authorization", "api-key") if asked[name]} == {header: value}
