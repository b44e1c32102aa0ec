"""The default model: composes an answer from sentences of the retrieved passages, word for word, with their citations.

It needs no network and no weights. It is deterministic, adds no fact of its own, and says that it quotes.
How sentences are chosen is told in :mod:`hexar.agents.answers`.
"""

import re
import time
from collections.abc import Iterator
from typing import NoReturn

from hexar.agents.answers.composer import compose
from hexar.agents.llm.config import ModelConfig
from hexar.agents.llm.embeddings import embedded
from hexar.agents.llm.errors import ModelCancelled
from hexar.agents.llm.types import Delta, Done, Request, TokenUsage, estimate_tokens
from hexar.agents.transport.cancel import Cancel
from hexar.core.deadline import Deadline
from hexar.core.errors import DeadlineExceeded

_PIECE = re.compile(r"\S+\s*")


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
        text = quoted(request)
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


def quoted(request: Request) -> str:
    """The whole answer to ``request``."""
    asked = [message.content for message in request.messages if message.role == "user"]
    return compose(
        request.question(),
        request.passages,
        language=request.language,
        max_tokens=request.max_tokens,
        before=asked[-2] if len(asked) > 1 else "",
        vectors=embedded(),
    )
