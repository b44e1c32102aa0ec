"""Which model is asked next: repeats before the first token, the fallback after, and the end of patience.

The rules are in :class:`Attempts`, without any I/O; :func:`stream` runs them on a thread, ``bridge`` on the loop.

* Nothing was streamed yet: the same model is asked again, up to ``policy.attempts`` times, if the error may pass and
the
  pause fits into the deadline; then the next model.
* Something was streamed: never again the same text from the same model. The next model starts anew after a
SegmentReset;
  without a next model the stream is broken.
"""

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from hexar.agents.llm.config import ModelConfig
from hexar.agents.llm.errors import ModelBusy, ModelCancelled, ModelStale
from hexar.agents.llm.types import (
    Completion,
    Delta,
    Done,
    Event,
    Meter,
    Provider,
    Request,
    SegmentReset,
    TokenUsage,
    estimate_tokens,
)
from hexar.agents.transport.cancel import Cancel
from hexar.core.deadline import Deadline
from hexar.core.errors import DeadlineExceeded, HexarError, StreamBroken
from hexar.core.resilience import CircuitBreaker, RetryPolicy, counts_as_failure

#: The share of the remaining time that a pause may take.
PAUSE_SHARE = 0.5

#: A provider that asks for a longer pause than this, seconds, is left for the next model where there is one.
MAX_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class CallableModel:
    """A model that may be asked: how it is configured, who answers, and whether it has been failing."""

    config: ModelConfig
    provider: Provider
    breaker: CircuitBreaker


class Attempts:
    """The course of one answer. Not thread-safe.

    Use: ``begin()`` before each attempt, ``saw(events)`` for what comes, and on an error ``failed(error)``, which
    raises where the answer is over and otherwise tells how long to pause and what to tell the listener.
    """

    def __init__(
        self,
        candidates: Sequence[CallableModel],
        request: Request,
        deadline: Deadline,
        policy: RetryPolicy | None = None,
        meter: Meter | None = None,
    ) -> None:
        if not candidates:
            raise ValueError("no model to ask")
        self._candidates = candidates
        self._request = request
        self._deadline = deadline
        self._policy = policy or RetryPolicy()
        self._index = 0
        self._tries = 0
        self._entered = False
        self._started = time.monotonic()
        self._first_token = 0.0
        self._segment_deltas = 0
        self._segment_characters = 0
        self._meter = meter or Meter()
        #: All deltas that were passed on, those of void segments too.
        self.deltas = 0
        #: The next attempt must not use a kept connection.
        self.fresh = False

    @property
    def candidate(self) -> CallableModel:
        """The model to ask now."""
        return self._candidates[self._index]

    def begin(self) -> None:
        """Count an attempt; raises BreakerOpen (give it to :meth:`failed`)."""
        self._tries += 1
        self.candidate.breaker.enter()
        self._entered = True

    def saw(self, events: Sequence[Event]) -> list[Event]:
        """Note ``events`` and return what the listener is told: a Done comes with the usage of all attempts."""
        out: list[Event] = []
        for event in events:
            if isinstance(event, Done):
                out.append(self._done(event))
            elif isinstance(event, SegmentReset):
                # What the model said so far was its reasoning: of the answer nothing has come yet.
                self._segment_deltas = 0
                out.append(event)
            else:
                if not self.deltas:
                    self._first_token = time.monotonic()
                self.deltas += 1
                self._segment_deltas += 1
                self._segment_characters += len(event.text)
                out.append(event)
        return out

    def abandon(self) -> None:
        """The listener left, or the answer is over: that says nothing about the model. What was used is counted."""
        if self._entered:
            self._entered = False
            self.candidate.breaker.abandoned()
            self._account()

    def failed(self, error: HexarError) -> tuple[float, SegmentReset | None]:
        """What follows ``error``: seconds to pause, and the reset to announce; raises where nothing follows."""
        self._settle(error)
        self._account()
        if isinstance(error, ModelCancelled):
            raise error
        if isinstance(error, DeadlineExceeded) or self._deadline.expired:
            if self._segment_deltas:
                raise StreamBroken("the answer was not complete in time", self.deltas) from error
            raise error
        if not self._segment_deltas:
            pause = self._pause(error)
            if pause is not None:
                return pause, None
        if self._index + 1 == len(self._candidates):
            if self.deltas:
                raise StreamBroken(f"{error.message}: the answer is not complete", self.deltas) from error
            raise error
        self._index += 1
        self._tries = 0
        self.fresh = False
        discarded, self._segment_deltas, self._segment_characters = self._segment_deltas, 0, 0
        if not discarded:
            return 0.0, None
        return 0.0, SegmentReset(self.candidate.config.name, error.message, discarded)

    def _pause(self, error: HexarError) -> float | None:
        """Seconds until the same model is asked again; None: it is not."""
        if isinstance(error, ModelStale):
            if self.fresh:
                return None
            self.fresh = True
            self._tries -= 1
            return 0.0
        if not getattr(error, "retryable", False) or self._tries >= self._policy.attempts:
            return None
        pause = self._policy.base * self._policy.factor ** (self._tries - 1)
        if isinstance(error, ModelBusy):
            pause = max(pause, error.retry_after)
            if pause > MAX_PATIENCE:
                return None
        else:
            pause = min(pause, self._policy.pause(self._tries, ValueError()))
        return pause if pause <= self._deadline.remaining() * PAUSE_SHARE else None

    def _settle(self, error: HexarError) -> None:
        if not self._entered:
            return
        self._entered = False
        breaker = self.candidate.breaker
        if counts_as_failure(error):
            breaker.failed()
        else:
            breaker.abandoned()

    def _account(self) -> None:
        """Count what a broken attempt has used: its provider bills it too."""
        if self._segment_deltas:
            prompt = estimate_tokens([message.content for message in self._request.messages])
            completion = max(self._segment_deltas, -(-self._segment_characters // 4))
            self._add(TokenUsage(prompt, completion, estimated=True))

    def _add(self, usage: TokenUsage) -> None:
        meter, config = self._meter, self.candidate.config
        meter.usage = meter.usage + usage
        meter.model = config.name
        cost = config.cost_micros(usage)
        if cost is not None:
            meter.cost_micros = (meter.cost_micros or 0) + cost
            meter.currency = config.currency

    def _done(self, done: Done) -> Done:
        if self._entered:
            self._entered = False
            self.candidate.breaker.succeeded()
        self._add(done.usage)
        now = time.monotonic()
        return replace(
            done,
            usage=self._meter.usage,
            cost_micros=self._meter.cost_micros,
            currency=self._meter.currency,
            first_token_seconds=(self._first_token or now) - self._started,
            total_seconds=now - self._started,
        )


def stream(
    candidates: Sequence[CallableModel],
    request: Request,
    deadline: Deadline,
    cancel: Cancel,
    policy: RetryPolicy | None = None,
    meter: Meter | None = None,
) -> Generator[Event, None, None]:
    """One answer on the caller's thread. Raises ModelError, BreakerOpen, DeadlineExceeded or StreamBroken."""
    attempts = Attempts(candidates, request, deadline, policy, meter)
    try:
        while True:
            try:
                attempts.candidate.breaker.consult_from_thread()
                attempts.begin()
                for event in attempts.candidate.provider.stream(request, deadline, cancel):
                    yield from attempts.saw([event])
                    if isinstance(event, Done):
                        return
                raise TypeError(f"provider {attempts.candidate.config.name} ended without Done")
            except HexarError as error:
                pause, reset = attempts.failed(error)
            if reset is not None:
                yield reset
            if pause and cancel.wait(pause):
                raise ModelCancelled(attempts.candidate.config.name)
    finally:
        attempts.abandon()


def complete(
    candidates: Sequence[CallableModel],
    request: Request,
    deadline: Deadline,
    cancel: Cancel | None = None,
    policy: RetryPolicy | None = None,
    meter: Meter | None = None,
) -> Completion:
    """A whole answer on the caller's thread; raises as :func:`stream`."""
    with closing(stream(candidates, request, deadline, cancel or Cancel(), policy, meter)) as events:
        return collect(events)


def collect(events: Iterator[Event]) -> Completion:
    """The answer that ``events`` fold to: what stands after the last reset."""
    parts: list[str] = []
    resets = 0
    for event in events:
        if isinstance(event, Delta):
            parts.append(event.text)
        elif isinstance(event, SegmentReset):
            parts.clear()
            resets += 1
        else:
            return Completion("".join(parts), event, resets)
    raise ValueError("an answer without an end")
