"""Providers that only block: their thread feeds the loop, waits for slow consumers, and ends when nobody listens."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import aclosing
from typing import NoReturn

import pytest

from hexar.agents.llm import Bridge, CallableModel, Cancel, Delta, Done, ModelConfig, Request, TokenUsage
from hexar.agents.llm.transport.channel import HIGH_WATER
from hexar.core.deadline import Deadline
from hexar.core.errors import Unavailable
from hexar.core.resilience import CircuitBreaker
from hexar.core.resilience.dispatch import Dispatcher
from tests.agents.llm.conftest import REQUEST, until


class Counting:
    """Streams numbers; ``made`` tells how far it got."""

    name = "counting"
    extractive = False
    blocking = True

    def __init__(self, count: int, fault: Exception | None = None) -> None:
        self._count = count
        self._fault = fault
        self.made = 0
        self.ended = threading.Event()

    def open(self, request: Request, deadline: Deadline, cancel: Cancel, *, fresh: bool = False) -> NoReturn:
        raise AssertionError("a blocking provider is streamed")

    def close(self) -> None: ...

    def stream(self, request: Request, deadline: Deadline, cancel: Cancel) -> Iterator[Delta | Done]:
        try:
            for index in range(self._count):
                self.made += 1
                yield Delta(f"{index} ")
            if self._fault is not None:
                raise self._fault
            yield Done("counting", "stop", TokenUsage())
        finally:
            self.ended.set()


def candidates(provider: Counting) -> tuple[CallableModel, ...]:
    return (CallableModel(ModelConfig("counting", kind="extractive"), provider, CircuitBreaker("counting")),)


async def test_a_slow_consumer_holds_the_thread_back(dispatcher: Dispatcher) -> None:
    """The thread runs ahead by a bounded buffer only, and everything arrives in order."""
    provider = Counting(20_000)
    bridge = Bridge(dispatcher)
    received: list[str] = []
    async with aclosing(bridge.stream(candidates(provider), REQUEST, Deadline.after(60))) as batches:
        async for batch in batches:
            received += [event.text for event in batch if isinstance(event, Delta)]
            if len(received) < 5000:
                await asyncio.sleep(0.02)
                assert provider.made <= len(received) + HIGH_WATER + 1
    assert received == [f"{index} " for index in range(20_000)]


async def test_leaving_ends_the_thread(dispatcher: Dispatcher) -> None:
    """A thread whose listener left stops at its next event, and its place in the pool is free."""
    provider = Counting(10**9)
    bridge = Bridge(dispatcher)
    async with aclosing(bridge.stream(candidates(provider), REQUEST, Deadline.after(60))) as batches:
        async for _ in batches:
            break
    made = provider.made
    assert await until(lambda: dispatcher.status()[0].busy == 0)
    assert provider.ended.is_set()
    assert provider.made <= made + HIGH_WATER + 1


async def test_what_came_before_a_failure_is_seen(dispatcher: Dispatcher) -> None:
    """Events that were handed over before an unknown error are delivered, and then the error, as it is."""
    provider = Counting(3, fault=ZeroDivisionError("bug"))
    received: list[str] = []

    async def read() -> None:
        async with aclosing(Bridge(dispatcher).stream(candidates(provider), REQUEST, Deadline.after(5))) as batches:
            async for batch in batches:
                received.extend(event.text for event in batch if isinstance(event, Delta))

    with pytest.raises(ZeroDivisionError):
        await read()
    assert received == ["0 ", "1 ", "2 "]


async def test_a_full_pool_is_an_error_before_the_call(dispatcher: Dispatcher) -> None:
    """When every thread and place in the queue is taken, the caller is told at once."""

    class Full:
        async def call(self, *_: object, **__: object) -> None:
            raise Unavailable("llm:counting is busy")

    with pytest.raises(Unavailable, match="busy"):
        await anext(Bridge(Full()).stream(candidates(Counting(1)), REQUEST, Deadline.after(5)))  # type: ignore[arg-type]
