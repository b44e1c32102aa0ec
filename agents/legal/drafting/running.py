"""One layer of one document: its time, its tries, its breaker, its fallback, told as progress."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import structlog

from hexar.agents.legal.messages.contract import duration
from hexar.core.deadline import Deadline
from hexar.core.errors import DeadlineExceeded, InvalidArgument
from hexar.core.resilience.policies import BreakerOpen, RetryPolicy
from hexar.v1 import legal_pb2 as pb

T = TypeVar("T")
Emit = Callable[[pb.DraftEvent], None]
log = structlog.get_logger(__name__)

#: What a layer's thread pool is called, by layer.
AGENTS = {
    pb.LEGAL_LAYER_RESEARCH: "legal:research",
    pb.LEGAL_LAYER_DRAFT: "legal:draft",
    pb.LEGAL_LAYER_REVIEW: "legal:review",
    pb.LEGAL_LAYER_VALIDATE: "legal:validate",
    pb.LEGAL_LAYER_CITE: "legal:cite",
}
#: Percent of a document that is done when a layer ends; review and validation count alike.
_SHARE = {
    pb.LEGAL_LAYER_RESEARCH: 20, pb.LEGAL_LAYER_DRAFT: 40, pb.LEGAL_LAYER_REVIEW: 10, pb.LEGAL_LAYER_VALIDATE: 10,
    pb.LEGAL_LAYER_CITE: 20,
}  # fmt: skip


class Pool(Protocol):
    """Where blocking work runs: :class:`hexar.core.resilience.dispatch.Dispatcher`."""

    async def call(self, agent: str, function: Callable[..., T], *args: Any, deadline: Deadline | None = None) -> T:
        """Run ``function(*args)`` on a thread of ``agent``."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds of one try of a layer, tries, and the pauses between them."""

    layer_seconds: float = 30.0
    retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(attempts=3, base=0.1, factor=1.5))


class Runner:
    """Runs the layers of one document; belongs to the event loop."""

    def __init__(self, pool: Pool, limits: Limits, emit: Emit, deadline: Deadline) -> None:
        self._pool = pool
        self._limits = limits
        self._emit = emit
        self._deadline = deadline
        self.percent = 0
        self.failed: list[pb.LegalLayer] = []

    async def run(self, layer: pb.LegalLayer, function: Callable[..., T], *args: Any, instead: T, means: str) -> T:
        """The layer's result, or ``instead`` where it failed, which ``means`` what a reader is told.

        A caller's own fault (InvalidArgument) is raised, and so is a deadline of the whole document that has passed.
        """
        begun = time.perf_counter()
        self.begin(layer)
        try:
            result = await self.tried(layer, function, *args)
        except InvalidArgument:
            raise
        except Exception as error:
            if self._deadline.expired:
                raise DeadlineExceeded("the document was not done in time") from error
            log.warning("layer failed", layer=AGENTS[layer], error=type(error).__name__, exc_info=error)
            self.end(layer, begun, means, timed_out=isinstance(error, DeadlineExceeded))
            return instead
        self.end(layer, begun)
        return result

    async def tried(self, layer: pb.LegalLayer, function: Callable[..., T], *args: Any) -> T:
        """The result of the first try that succeeds; raises what the last one raised."""
        attempt = 1
        while True:
            limit = Deadline(min(self._deadline.at, Deadline.after(self._limits.layer_seconds).at))
            try:
                return await self._pool.call(AGENTS[layer], function, *args, deadline=limit)
            except (InvalidArgument, BreakerOpen):
                raise
            except Exception as error:
                pause = self._limits.retry.pause(attempt, error)
                if attempt >= self._limits.retry.attempts or pause >= self._deadline.remaining():
                    raise
                attempt += 1
                late = isinstance(error, DeadlineExceeded)
                self._progress(pb.LegalProgress(layer=layer, percent=self.percent, attempt=attempt, timed_out=late))
                await asyncio.sleep(pause)

    def begin(self, layer: pb.LegalLayer) -> None:
        """Tell that a layer begins."""
        self._progress(pb.LegalProgress(layer=layer, percent=self.percent, attempt=1))

    def end(
        self, layer: pb.LegalLayer, begun: float, fallback: str = "", *, timed_out: bool = False, cached: bool = False
    ) -> None:
        """Tell that a layer ended; with ``fallback`` it failed."""
        self.percent += _SHARE[layer]
        if fallback:
            self.failed.append(layer)
        self._progress(
            pb.LegalProgress(
                layer=layer,
                percent=self.percent,
                outcome=pb.LAYER_OUTCOME_FALLBACK if fallback else pb.LAYER_OUTCOME_DONE,
                fallback=fallback,
                timed_out=timed_out,
                cached=cached,
                elapsed=duration(time.perf_counter() - begun),
            )
        )

    def _progress(self, progress: pb.LegalProgress) -> None:
        self._emit(pb.DraftEvent(progress=progress))
