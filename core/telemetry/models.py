"""How fast models write: the tokens of their last answers, and the seconds behind the first token."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

#: Answers of one model that are remembered, and for how long, seconds.
ANSWERS, SECONDS = 1024, 300.0


class ModelRates:
    """Thread-safety: all methods may be called from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: dict[str, deque[tuple[float, int, float]]] = {}

    def add(self, model: str, tokens: int, seconds: float) -> None:
        """Remember an answer of ``tokens`` that took ``seconds`` from its first token to its last; one token has no rate."""
        if tokens < 2 or seconds <= 0:
            return
        with self._lock:
            self._answers.setdefault(model, deque(maxlen=ANSWERS)).append((self._clock(), tokens - 1, seconds))

    def dump(self) -> dict[str, tuple[int, float]]:
        """By model: tokens, and the seconds they took, of the answers within :data:`SECONDS`."""
        oldest, found = self._clock() - SECONDS, {}
        with self._lock:
            for model, answers in self._answers.items():
                recent = [row for row in answers if row[0] >= oldest]
                if recent:
                    found[model] = sum(row[1] for row in recent), sum(row[2] for row in recent)
        return found
