"""The configured models, and which of them answers a request.

A new kind of model is one class (:class:`hexar.agents.llm.types.Provider`) and one line in :data:`KINDS`; one that speaks
OpenAI's protocol is a line in :data:`hexar.agents.llm.dialect.DIALECTS`.
"""

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping

from hexar.agents.llm.attempts import CallableModel, complete
from hexar.agents.llm.config import ModelConfig
from hexar.agents.llm.dialect import DIALECTS
from hexar.agents.llm.extractive import ExtractiveProvider
from hexar.agents.llm.openai import OpenAIProvider
from hexar.agents.llm.transport.bridge import Bridge, Pool, bulkhead_name
from hexar.agents.llm.types import Completion, Event, Meter, Provider, Request
from hexar.agents.transport.cancel import Cancel
from hexar.core.deadline import Deadline
from hexar.core.errors import FailedPrecondition
from hexar.core.resilience import CircuitBreaker, RetryPolicy
from hexar.core.resilience.dispatch import BulkheadConfig, Dispatcher

#: The provider of each ``ModelConfig.kind``.
KINDS: Mapping[str, Callable[[ModelConfig], Provider]] = {
    **dict.fromkeys(DIALECTS, OpenAIProvider),
    "extractive": ExtractiveProvider,
}

#: The model that answers where none is configured.
DEFAULT = ModelConfig(name="extractive", kind="extractive")


class Models:
    """All models of a process.

    ``primary`` is asked first and ``fallback`` where it fails; both are names among ``configs``. An empty ``primary``
    is the first of ``configs``, and no configuration at all means the extractive model. Unknown names raise ValueError.
    """

    def __init__(
        self,
        configs: Iterable[ModelConfig],
        pool: Pool,
        *,
        primary: str = "",
        fallback: str = "",
        policy: RetryPolicy | None = None,
    ) -> None:
        configured = list(configs) or [DEFAULT]
        self._candidates: dict[str, CallableModel] = {}
        for config in configured:
            if config.name in self._candidates:
                raise ValueError(f"model {config.name} is configured twice")
            # A name of its own beside the bulkhead's breaker, which sees connections only.
            if config.kind not in KINDS:
                raise ValueError(f"model {config.name}: kind must be one of {', '.join(KINDS)}")
            breaker = CircuitBreaker(config.name, name=f"model:{config.name}")
            self._candidates[config.name] = CallableModel(config, KINDS[config.kind](config), breaker)
        self.primary = primary or configured[0].name
        self.fallback = fallback
        for name in (self.primary, fallback):
            if name and name not in self._candidates:
                raise ValueError(f"model {name} is not configured")
        self._policy = policy
        if isinstance(pool, Dispatcher):
            known = {bulkhead.agent for bulkhead in pool.status()}
            for config in configured:
                if bulkhead_name(config) not in known:
                    pool.configure(bulkhead_name(config), BulkheadConfig(threads=config.threads, queue=config.queue))
        self.bridge = Bridge(pool, policy=policy)

    @property
    def breakers(self) -> tuple[CircuitBreaker, ...]:
        """The breaker of each model, in their order."""
        return tuple(candidate.breaker for candidate in self._candidates.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The configured names, in their order."""
        return tuple(self._candidates)

    def config(self, name: str = "") -> ModelConfig:
        """The configuration of ``name`` (empty: the primary); raises FailedPrecondition where it is not configured."""
        return self._candidate(name or self.primary).config

    def extractive(self, name: str = "") -> bool:
        """True where ``name`` (empty: the primary) quotes and no model writes."""
        return self._candidate(name or self.primary).provider.extractive

    def candidates(self, name: str = "") -> tuple[CallableModel, ...]:
        """Who is asked for ``name`` (empty: the primary), and then the fallback."""
        first = self._candidate(name or self.primary)
        if self.fallback and self.fallback != first.config.name:
            return first, self._candidates[self.fallback]
        return (first,)

    def stream(
        self,
        request: Request,
        deadline: Deadline,
        *,
        model: str = "",
        cancel: Cancel | None = None,
        meter: Meter | None = None,
    ) -> AsyncGenerator[list[Event], None]:
        """Batches of events on the loop; see :meth:`Bridge.stream`."""
        return self.bridge.stream(self.candidates(model), request, deadline, cancel, meter)

    def complete(
        self,
        request: Request,
        deadline: Deadline,
        *,
        model: str = "",
        cancel: Cancel | None = None,
        meter: Meter | None = None,
    ) -> Completion:
        """A whole answer, blocking: for a thread of a pool."""
        return complete(self.candidates(model), request, deadline, cancel, self._policy, meter)

    def most_micros(self, request: Request, prompt_tokens: int, model: str = "") -> int:
        """The most that ``request`` may cost, micros: what a budget reserves before the call."""
        from_prices = [0]
        for candidate in self.candidates(model):
            config = candidate.config
            micros = prompt_tokens * (config.input_price or 0) + request.max_tokens * (config.output_price or 0)
            from_prices.append(-(-micros // 1_000_000))
        # A stream that breaks is paid for, and so is the fallback after it.
        return sum(from_prices)

    def close(self) -> None:
        """Stop reading and close kept connections; on the loop, where answers are open."""
        self.bridge.close()
        for candidate in self._candidates.values():
            candidate.provider.close()

    def _candidate(self, name: str) -> CallableModel:
        candidate = self._candidates.get(name)
        if candidate is None:
            raise FailedPrecondition(f"model {name!r} is not configured")
        return candidate
