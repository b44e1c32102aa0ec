"""A model's answer on the event loop: threads do what blocks, the loop gets batches of events.

A thread of the pool connects and sends (:meth:`Provider.open`); the answer is then read by the loop
(:class:`hexar.agents.llm.transport.readers.Reader`). A provider that only blocks keeps its thread for as long as it answers.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Protocol, TypeVar

from hexar.agents.llm.attempts import Attempts, CallableModel
from hexar.agents.llm.config import ModelConfig
from hexar.agents.llm.transport.channel import Channel, Waker
from hexar.agents.llm.transport.readers import Reader
from hexar.agents.llm.types import Answer, Done, Event, Meter, Provider, Request
from hexar.agents.transport.cancel import Cancel
from hexar.core.deadline import Deadline
from hexar.core.errors import HexarError
from hexar.core.resilience import RetryPolicy

T = TypeVar("T")


class Pool(Protocol):
    """The part of :class:`hexar.core.resilience.dispatch.Dispatcher` that is used here."""

    async def call(self, agent: str, function: Callable[..., T], *args: object, deadline: Deadline | None = None) -> T: ...


def bulkhead_name(config: ModelConfig) -> str:
    """What the pool calls the bulkhead of a model."""
    return f"llm:{config.name}"


class Bridge:
    """Streams answers onto the event loop. One for a process; it may serve several loops."""

    def __init__(self, pool: Pool, policy: RetryPolicy | None = None) -> None:
        self._pool = pool
        self._policy = policy
        self._ends: dict[asyncio.AbstractEventLoop, tuple[Waker, Reader]] = {}

    async def stream(
        self,
        candidates: Sequence[CallableModel],
        request: Request,
        deadline: Deadline,
        cancel: Cancel | None = None,
        meter: Meter | None = None,
    ) -> AsyncGenerator[list[Event], None]:
        """Batches of events, the last one ending with Done.

        Close the iterator (``aclosing``) or cancel its task to stop: the provider's socket is shut down at once. Raises
        ModelError, BreakerOpen, BulkheadFull, DeadlineExceeded or StreamBroken. ``meter`` is filled in, however it ends.
        """
        attempts = Attempts(candidates, request, deadline, self._policy, meter)
        cancel = cancel or Cancel()
        try:
            while True:
                try:
                    await attempts.candidate.breaker.consult()
                    attempts.begin()
                    async with aclosing(self._attempt(attempts, request, deadline, cancel)) as batches:
                        async for events in batches:
                            yield attempts.saw(events)
                    return
                except HexarError as error:
                    pause, reset = attempts.failed(error)
                if reset is not None:
                    yield [reset]
                if pause:
                    await asyncio.sleep(pause)
        finally:
            attempts.abandon()
            cancel.cancel()

    def close(self) -> None:
        """Stop reading, on the loop; open streams end with ModelCancelled."""
        for _, reader in self._ends.values():
            reader.close()
        self._ends.clear()

    async def _attempt(
        self, attempts: Attempts, request: Request, deadline: Deadline, cancel: Cancel
    ) -> AsyncGenerator[list[Event], None]:
        candidate = attempts.candidate
        waker, reader = self._of_loop()
        channel = Channel(waker)
        bulkhead = bulkhead_name(candidate.config)
        provider = candidate.provider
        pumping: asyncio.Future[None] | None = None
        if not provider.blocking:
            opening = partial(provider.open, request, deadline, cancel, fresh=attempts.fresh)
            await self._pool.call(bulkhead, _open, opening, cancel, channel, reader, deadline=deadline)
        else:
            pumping = asyncio.ensure_future(
                self._pool.call(bulkhead, _pump, provider, request, deadline, cancel, channel, deadline=deadline)
            )
            pumping.add_done_callback(lambda done: _report(done, channel))
        try:
            while True:
                events = await channel.get()
                yield events
                if isinstance(events[-1], Done):
                    return
        finally:
            if pumping is not None and not pumping.done():
                pumping.cancel()

    def _of_loop(self) -> tuple[Waker, Reader]:
        loop = asyncio.get_running_loop()
        found = self._ends.get(loop)
        if found is None:
            self._ends = {known: ends for known, ends in self._ends.items() if not known.is_closed()}
            found = self._ends[loop] = Waker(loop), Reader(loop)
        return found


def _open(opening: Callable[[], Answer], cancel: Cancel, channel: Channel, reader: Reader) -> None:
    """On a thread of the pool. The answer goes to the reader from here: a caller that left leaves no socket behind."""
    reader.add_from_thread(opening(), cancel, channel)


def _pump(provider: Provider, request: Request, deadline: Deadline, cancel: Cancel, channel: Channel) -> None:
    """On a thread of the pool: everything that ``provider`` streams."""
    for event in provider.stream(request, deadline, cancel):
        channel.put_waiting([event], cancel)
        if cancel.cancelled:
            return


def _report(done: asyncio.Future[None], channel: Channel) -> None:
    """A pump that ended by an error tells its consumer."""
    if done.cancelled():
        return
    error = done.exception()
    if error is not None:
        channel.fail(error)
