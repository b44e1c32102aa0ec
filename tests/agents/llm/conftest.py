"""A real OpenAI-compatible server on loopback, real thread pools, and shortcuts to models that use them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing

import pytest

from hexar.agents.llm import Cancel, Event, Message, ModelConfig, Models, Request, Timeouts, collect
from hexar.agents.llm.attempts import stream
from hexar.core.deadline import Deadline
from hexar.core.resilience import RetryPolicy
from hexar.core.resilience.dispatch import BulkheadConfig, Dispatcher
from tests.upstream import Upstream

#: Short limits, so that a fault shows soon.
FAST = Timeouts(connect=2.0, first_token=1.0, idle=0.8, total=8.0)

REQUEST = Request((Message("user", "hello"),), max_tokens=100)

MakeModels = Callable[..., Models]


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    """One server for all tests; what it does is in the model's name."""
    with Upstream() as server:
        yield server


@pytest.fixture
async def dispatcher() -> AsyncIterator[Dispatcher]:
    pool = Dispatcher(BulkheadConfig(threads=8, queue=256))
    yield pool
    pool.close()


@pytest.fixture
async def make_models(upstream: Upstream, dispatcher: Dispatcher) -> AsyncIterator[MakeModels]:
    """``make_models(primary, fallback, …)``: settings of the upstream's models by position."""
    made: list[Models] = []

    def make(*settings: str, timeouts: Timeouts = FAST, attempts: int = 2, **more: object) -> Models:
        configs = [
            ModelConfig(
                name=f"model-{index}-{len(made)}",
                base_url=str(more.get("base_url", upstream.base_url)),
                model=f"m{len(made)}-{id(made)}?{setting}",
                api_key="secret-key",
                input_price=1_000_000,
                output_price=2_000_000,
                timeouts=timeouts,
            )
            for index, setting in enumerate(settings)
        ]
        models = Models(
            configs,
            dispatcher,
            primary=configs[0].name,
            fallback=configs[1].name if len(configs) > 1 else "",
            policy=RetryPolicy(attempts=attempts, base=0.02),
        )
        made.append(models)
        return models

    yield make
    for models in made:
        models.close()


async def gather(models: Models, request: Request = REQUEST, seconds: float = 10.0) -> list[Event]:
    """Every event of an answer."""
    events: list[Event] = []
    async with aclosing(models.stream(request, Deadline.after(seconds))) as batches:
        async for batch in batches:
            events += batch
    return events


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """True once ``condition`` holds, False where it does not within ``seconds``."""
    deadline = Deadline.after(seconds)
    while not deadline.expired:
        if condition():
            return True
        await asyncio.sleep(0.02)
    return condition()


def collect_blocking(models: Models) -> list[Event]:
    """An answer on a plain thread."""
    return list(stream(models.candidates(), REQUEST, Deadline.after(5), Cancel()))


def text(events: list[Event]) -> str:
    """What the model said."""
    return collect(iter(events)).text


def answer(tokens: int) -> str:
    """What the upstream says in so many tokens."""
    return "".join(f"tok{index} " for index in range(tokens))
