"""An answer that is paid for: reserved before the call, settled after it, however it ends.

A broken or abandoned answer has used tokens too; they are estimated from what came.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol

import structlog

from hexar.agents.llm.errors import ModelCancelled
from hexar.agents.llm.models import Models
from hexar.agents.llm.types import Completion, Done, Event, Meter, Request, estimate_tokens
from hexar.agents.transport.cancel import Cancel
from hexar.core.deadline import Deadline
from hexar.core.errors import HexarError, StoreUnavailable
from hexar.core.ledger import Charge, Ledger, Reservation
from hexar.core.telemetry.tracing import begin, end, span

log = structlog.get_logger(__name__)

#: Tokens of a prompt may be more than four characters suggest; a reservation counts this many times the estimate.
PROMPT_MARGIN = 1.5


class ModelObserver(Protocol):
    """Told how calls of models ended. Called from any thread."""

    def model_answered(self, model: str, first_token: float, seconds: float, tokens: int) -> None: ...
    def model_failed(self, model: str, failure: str) -> None: ...


class MeteredModels:
    """Models whose calls draw on the budget of a tenant."""

    def __init__(self, models: Models, ledger: Ledger, observer: ModelObserver | None = None) -> None:
        self.models = models
        self.ledger = ledger
        self._observer = observer

    async def stream(
        self,
        request: Request,
        deadline: Deadline,
        *,
        tenant: str,
        kind: str,
        model: str = "",
        cancel: Cancel | None = None,
    ) -> AsyncGenerator[list[Event], None]:
        """As :meth:`Models.stream`; ``kind`` is the answer system. Raises ResourceExhausted where the budget is used up.

        The batch with Done is yielded after its charge is durable. Where the store does not answer, a model that costs nothing
        goes on without being counted; any other raises StoreUnavailable.
        """
        most = self._most(request, model)
        held: Reservation | None = None
        try:
            held = await self.ledger.reserve_async(tenant, most, seconds=_seconds(deadline))
        except StoreUnavailable:
            if most:
                raise
        meter, asked = Meter(), model or self.models.primary
        traced, failure = begin(f"model {asked}", model=asked, system=kind), "abandoned"
        try:
            async with aclosing(self.models.stream(request, deadline, model=model, cancel=cancel, meter=meter)) as batches:
                async for events in batches:
                    if isinstance(events[-1], Done):
                        self._answered(events[-1])
                        failure = ""
                    if isinstance(events[-1], Done) and held is not None:
                        try:
                            await held.settle_async(_charge(meter, kind))
                        except StoreUnavailable:
                            if meter.cost_micros:
                                raise
                    yield events
        except Exception as error:
            failure = type(error).__name__
            self._failed(asked, error)
            raise
        finally:
            end(traced, failure, prompt_tokens=meter.usage.prompt_tokens, completion_tokens=meter.usage.completion_tokens)
            if held is None:
                pass
            elif held.open and meter.model:
                # Nobody waits any more, or only for an error: the charge is written behind.
                held.settle_soon(_charge(meter, kind))
            else:
                held.release()

    def complete(
        self,
        request: Request,
        deadline: Deadline,
        *,
        tenant: str,
        kind: str,
        model: str = "",
        cancel: Cancel | None = None,
    ) -> Completion:
        """A whole answer, blocking: for a thread of a pool. Charged and refused as :meth:`stream`."""
        meter, asked = Meter(), model or self.models.primary
        with (
            span(f"model {asked}", model=asked, system=kind),
            self.ledger.reserve(tenant, self._most(request, model), seconds=_seconds(deadline)) as held,
        ):
            try:
                completion = self.models.complete(request, deadline, model=model, cancel=cancel, meter=meter)
                self._answered(completion.done)
                return completion
            except Exception as error:
                self._failed(asked, error)
                raise
            finally:
                if meter.model:
                    held.settle(_charge(meter, kind))

    def _answered(self, done: Done) -> None:
        if self._observer is not None:
            self._observer.model_answered(
                done.model, done.first_token_seconds, done.total_seconds, done.usage.completion_tokens
            )

    def _failed(self, model: str, error: Exception) -> None:
        # Of our own errors the text is safe to log; a library's may hold addresses or data.
        if self._observer is not None and not isinstance(error, ModelCancelled):
            self._observer.model_failed(model, type(error).__name__)
            reason = error.message if isinstance(error, HexarError) else ""
            log.warning("model_failed", model=model, failure=type(error).__name__, reason=reason)

    def _most(self, request: Request, model: str) -> int:
        prompt = estimate_tokens([message.content for message in request.messages])
        return self.models.most_micros(request, int(prompt * PROMPT_MARGIN) + 16, model)


def _seconds(deadline: Deadline) -> float:
    """How long a reservation is held: a little longer than its call can last."""
    return min(3600.0, max(0.0, deadline.remaining())) + 60.0


def _charge(meter: Meter, kind: str) -> Charge:
    return Charge(
        cost_micros=meter.cost_micros or 0,
        currency=meter.currency,
        kind=kind,
        model=meter.model,
        prompt_tokens=meter.usage.prompt_tokens,
        completion_tokens=meter.usage.completion_tokens,
        estimated=meter.usage.estimated,
    )
