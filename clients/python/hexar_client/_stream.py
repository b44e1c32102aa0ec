"""Streams that survive a lost connection: the state they share, and its blocking and asynchronous drivers.

A stream remembers the last ``seq`` it received and the id of the answer's run. When the connection is lost it repeats its
request with ``resume_after`` and the id, on whatever server the channel reaches, and goes on with the exact rest. Errors that
the server itself sent are raised, never hidden by a repetition.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf.message import Message

from hexar_client.errors import HexarError, Unavailable, convert_rpc

B = TypeVar("B")

ANSWER_ID = "hexar-answer-id"
CACHE = "hexar-cache"
#: Reconnections in a row without a single event between them, and the pause before the n-th: base · 1.5ⁿ seconds.
ATTEMPTS = 5
PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class Event(Generic[B]):
    """One event of a stream: its number, the name of its kind, and its typed body."""

    seq: int
    kind: str
    body: B


class _State:
    """What a stream knows of itself, whichever way it is driven."""

    def __init__(self, request: Message, metadata: tuple[tuple[str, str], ...], timeout: float, resume: bool) -> None:
        self.request = type(request)()
        self.request.CopyFrom(request)
        self.answer_id = ""
        self.cache = ""
        self.last_seq: int = getattr(request, "resume_after", 0)
        self._metadata = metadata
        self._until = time.monotonic() + timeout
        self._resume = resume
        self._failures = 0

    @property
    def remaining(self) -> float:
        return max(0.0, self._until - time.monotonic())

    def metadata(self) -> tuple[tuple[str, str], ...]:
        if not self.answer_id:
            return self._metadata
        return (*self._metadata, (ANSWER_ID, self.answer_id))

    def next_request(self) -> Message:
        self.request.resume_after = self.last_seq  # type: ignore[attr-defined]
        return self.request

    def read_headers(self, headers: Any) -> None:
        values = dict(headers or ())
        self.answer_id = str(values.get(ANSWER_ID, self.answer_id))
        self.cache = str(values.get(CACHE, self.cache))

    def accept(self, message: Any) -> Event[Any]:
        self._failures = 0
        self.last_seq = message.seq
        kind = message.WhichOneof("event") or ""
        return Event(message.seq, kind, getattr(message, kind) if kind else None)

    def pause_or_raise(self, error: HexarError) -> float:
        """Seconds to wait before reconnecting; raises ``error`` where that is of no use."""
        self._failures += 1
        lost = isinstance(error, Unavailable) and not error.from_server
        if not (self._resume and lost and self.answer_id) or self._failures > ATTEMPTS or not self.remaining:
            raise error
        return min(self.remaining, PAUSE * 1.5 ** (self._failures - 1) * random.uniform(0.5, 1.0))


class _Handle(Generic[B]):
    """What a caller holds of a stream, whichever way it is driven."""

    def __init__(
        self,
        call: Callable[..., Any],
        request: Message,
        metadata: tuple[tuple[str, str], ...],
        timeout: float,
        resume: bool = True,
    ) -> None:
        self._open = call
        self._state = _State(request, metadata, timeout, resume)
        self._call: Any = None
        self._cancelled = False

    @property
    def cache(self) -> str:
        """How the server got the answer: "hit", "joined" or "miss"; empty before the first event."""
        return self._state.cache

    @property
    def answer_id(self) -> str:
        """The id of the answer's run; empty before the first event."""
        return self._state.answer_id

    @property
    def last_seq(self) -> int:
        """The number of the last event received."""
        return self._state.last_seq

    def cancel(self) -> None:
        """Stop the stream."""
        self._cancelled = True
        if self._call is not None:
            self._call.cancel()


class Stream(_Handle[B]):
    """The events of one answer, to be iterated once. Leaving early cancels the call."""

    def __iter__(self) -> Iterator[Event[B]]:
        state = self._state
        try:
            while True:
                try:
                    self._call = self._open(state.next_request(), timeout=state.remaining, metadata=state.metadata())
                    state.read_headers(self._call.initial_metadata())
                    for message in self._call:
                        yield state.accept(message)
                    return
                except grpc.RpcError as error:
                    converted = convert_rpc(error)
                    if self._cancelled:
                        raise converted from None
                    time.sleep(state.pause_or_raise(converted))
        finally:
            if self._call is not None:
                self._call.cancel()


class AsyncStream(_Handle[B]):
    """As :class:`Stream`, on the event loop."""

    async def __aiter__(self) -> AsyncIterator[Event[B]]:
        state = self._state
        try:
            while True:
                try:
                    self._call = self._open(state.next_request(), timeout=state.remaining, metadata=state.metadata())
                    state.read_headers(await self._call.initial_metadata())
                    async for message in self._call:
                        yield state.accept(message)
                    return
                except grpc.RpcError as error:
                    converted = convert_rpc(error)
                    if self._cancelled:
                        raise converted from None
                    await asyncio.sleep(state.pause_or_raise(converted))
        finally:
            if self._call is not None:
                self._call.cancel()
