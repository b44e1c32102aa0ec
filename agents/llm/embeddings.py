"""Embedding providers: text in, unit vectors out.

==================  =====================================================================================
`StaticEmbeddings`  the embedded default: a 32,000 x 256 token table that the ``wordllama`` wheel carries
`EndpointEmbeddings` an OpenAI-compatible ``/embeddings`` endpoint
==================  =====================================================================================

Where neither is there (:func:`embedded` returns None) retrieval is lexical only and the answer says so; there is no
made-up vector. Every provider has an ``identity``: vectors of different identities are never compared.
"""

import importlib.util
import json
import struct
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import numpy as np
import orjson
import urllib3
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from hexar.agents.llm.dialect import key_header
from hexar.core.errors import Unavailable
from hexar.core.memo import Memo
from hexar.core.search.similarity import WordSimilarity, WordTokens
from hexar.core.text.bytepairs import BytePairs

Matrix = NDArray[np.float32]

#: Texts sent in one request to an endpoint.
ENDPOINT_BATCH = 64
#: Characters of a text that are embedded; what is beyond adds little to a mean and much to the time.
MAX_CHARACTERS = 8000


class Embeddings(Protocol):
    """What retrieval asks of a provider."""

    @property
    def identity(self) -> str:
        """Provider, model and dimension in one word: part of every vector's key."""
        ...

    @property
    def dimension(self) -> int:
        """Columns of what `embed` returns."""
        ...

    @property
    def blocking(self) -> bool:
        """True where `embed` waits for a network and so belongs on a pool."""
        ...

    def embed(self, texts: Sequence[str], *, timeout: float = 30.0) -> Matrix:
        """Unit rows, one a text, shape ``(len(texts), dimension)``; Unavailable where the provider does not answer."""
        ...


def _read_table(path: Path) -> Matrix:
    """The one tensor of a safetensors file, as float32 (layout: length of header, JSON header, raw little-endian data)."""
    raw = path.read_bytes()
    (header_length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + header_length])
    entry = next(value for name, value in header.items() if name != "__metadata__")
    kind = {"F16": np.float16, "F32": np.float32}[entry["dtype"]]
    start, end = (8 + header_length + offset for offset in entry["data_offsets"])
    return np.frombuffer(raw[start:end], kind).reshape(entry["shape"]).astype(np.float32)


class StaticEmbeddings:
    """Mean of static token vectors (WordLlama ``l2_supercat``, 256 dimensions), about 20 microseconds a question.

    The tokenizer is byte-pair encoding as the wheel's tokenizer file describes it, done word by word: no token of that
    vocabulary crosses a space. Only the wheel's two data files are read; its package is never imported, so it can be
    installed without its dependencies.

    Thread-safety: all methods may be called from any thread; two threads may at worst tokenise a word twice.
    """

    blocking = False

    def __init__(self, folder: Path) -> None:
        self._table = _read_table(folder / "weights" / "l2_supercat_256.safetensors")
        config = json.loads((folder / "tokenizers" / "l2_supercat_tokenizer_config.json").read_text("utf-8"))
        merges = (pair.split(" ") if isinstance(pair, str) else pair for pair in config["model"]["merges"])
        self._pairs = BytePairs(config["model"]["vocab"], merges)
        self._tokens = Memo[str, tuple[int, ...]]("embeddings.tokens")
        self._words = Memo[str, tuple[tuple[int, ...], float]]("embeddings.words")
        self._dimension = int(self._table.shape[1])
        self._similarity = WordSimilarity(self._table)
        self._lock = threading.Lock()

    @property
    def identity(self) -> str:
        return f"static-wordllama-l2-supercat-{self.dimension}"

    @property
    def dimension(self) -> int:
        return self._dimension

    def _tokenize(self, word: str) -> tuple[int, ...]:
        """The tokens of one word."""
        made = self._pairs.encode("\u2581" + word[:64])
        self._tokens.put(word, made)
        return made

    def _word(self, word: str) -> tuple[tuple[int, ...], float]:
        """The tokens of one word and the length of the sum of their vectors."""
        tokens = self._tokens.get(word) or self._tokenize(word)
        made = (tokens, self._similarity.unit_sum(tokens, np.empty(self._dimension, np.float32)))
        self._words.put(word, made)
        return made

    def embed(self, texts: Sequence[str], *, timeout: float = 30.0) -> Matrix:
        """Unit rows of ``texts``, case folded; a text without words is a zero row."""
        result = np.empty((len(texts), self._dimension), np.float32)
        known = self._tokens
        for i, text in enumerate(texts):
            tokens: list[int] = []
            for word in text[:MAX_CHARACTERS].lower().split():
                tokens += known.get(word) or self._tokenize(word)
            # The mean and the sum of vectors point the same way.
            self._similarity.unit_sum(tokens, result[i])
        return result

    def encode(self, words: Sequence[str]) -> WordTokens:
        """The tokens of ``words`` (at least one), ready for `late_interaction`."""
        known = self._words
        return WordTokens([known.get(word) or self._word(word) for word in words])

    def late_interaction(
        self, query: WordTokens, documents: Sequence[WordTokens | None], weights: Sequence[float], floor: float
    ) -> list[float]:
        """For each document the weighed sum of the best cosines of the query's words to its words, of those above ``floor``."""
        with self._lock:
            return self._similarity.scores(query, documents, weights, floor)


class EndpointEmbeddings:
    """An OpenAI-compatible ``POST {base_url}/embeddings``.

    Thread-safety: all methods may be called from any thread.
    """

    blocking = True

    def __init__(
        self, base_url: str, model: str, *, dimension: int, key: str = "", dialect: str = "openai", connections: int = 8
    ) -> None:
        url = urlsplit(base_url)
        # Its query goes with every call, as a model's does.
        self._url = url._replace(path=url.path.rstrip("/") + "/embeddings", fragment="").geturl()
        self._model = model
        self._dimension = dimension
        self._headers = {"content-type": "application/json", **dict(key_header(dialect, key))}
        self._http = urllib3.PoolManager(maxsize=connections, block=True, retries=False)

    @property
    def identity(self) -> str:
        return f"endpoint-{self._model}-{self._dimension}"

    @property
    def dimension(self) -> int:
        return self._dimension

    def embed(self, texts: Sequence[str], *, timeout: float = 30.0) -> Matrix:
        """Unit rows of ``texts``; Unavailable where the endpoint refuses, is late, or answers with another shape."""
        parts = [self._request(texts[i : i + ENDPOINT_BATCH], timeout) for i in range(0, len(texts), ENDPOINT_BATCH)]
        rows = np.concatenate(parts) if parts else np.zeros((0, self._dimension), np.float32)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        unit: Matrix = rows / np.maximum(lengths, 1e-9)
        return unit

    def _request(self, texts: Sequence[str], timeout: float) -> Matrix:
        body = orjson.dumps({"model": self._model, "input": [text[:MAX_CHARACTERS] for text in texts]})
        try:
            response = self._http.request(
                "POST", self._url, body=body, headers=self._headers, timeout=urllib3.Timeout(total=timeout)
            )
            if response.status != 200:
                raise Unavailable(f"the embedding endpoint answered {response.status}")
            data = sorted(orjson.loads(response.data)["data"], key=lambda row: row.get("index") or 0)
            rows = np.asarray([row["embedding"] for row in data], np.float32)
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable("the embedding endpoint does not answer") from error
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise Unavailable("the embedding endpoint's answer is not readable") from error
        if rows.shape != (len(texts), self._dimension) or not np.isfinite(rows).all():
            raise Unavailable("the embedding endpoint's vectors have another shape than configured")
        return rows


@lru_cache(maxsize=1)
def embedded() -> StaticEmbeddings | None:
    """The embedded default, loaded once a process; None where the wheel with the weights is not installed."""
    spec = importlib.util.find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations:
        return None
    # Many threads multiply small matrices at once: one more pool of threads inside BLAS makes each of them wait for all.
    threadpool_limits(limits=1, user_api="blas")
    return StaticEmbeddings(Path(next(iter(spec.submodule_search_locations))))
