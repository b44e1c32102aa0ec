"""Streams that survive a lost connection: the state they share, and its blocking and asynchronous drivers.

A stream remembers the last ``seq`` it received and the id of the answer's run. When the connection is lost it repeats its
request with ``resume_after`` and the id, on whatever server the channel reaches, and goes on with the exact rest. Errors that
the server itself sent are raised, never hidden by a repetition; only a server that is shutting down is asked again.

Where nobody has the run any more the server says ABORTED: what was received cannot be continued. A stream that was opened with
``restart=True`` then begins anew: it yields an event of kind "restarted", after which the events come from the first one on.
Otherwise it raises :class:`hexar_client.errors.Aborted`, since whoever joins texts would have them twice.

A stream asks the server to make its answer on for :data:`LINGER` seconds when its connection is lost, and tells it when it
leaves for good (docs/adr/0014).
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import grpc
from google.protobuf.message import Message

from hexar_client.errors import Aborted, Cancelled, ClientClosed, HexarError, StreamConsumed, Unavailable, convert_rpc

#: The name of an event's kind, as a literal; its body; the event with both.
K = TypeVar("K", bound=str)
B = TypeVar("B")
E = TypeVar("E", bound="Event[Any, Any]")

ANSWER_ID = "hexar-answer-id"
CACHE = "hexar-cache"
#: Reconnections in a row without a single event between them, and the pause before the n-th: base · 1.5ⁿ seconds.
ATTEMPTS = 5
PAUSE = 0.1
#: Times that one stream begins anew.
RESTARTS = 3
#: Seconds that the server shall make an answer on for a stream that lost its connection.
LINGER = 5.0
#: Seconds that the word of a stream that leaves may take; nobody waits for it.
LEAVE_TIMEOUT = 5.0
CANCELLED = "the stream was cancelled"
CONSUMED = "the stream was iterated before: its events come once"
#: Words that are on their way: a call that nobody holds is cancelled.
_leaving: set[Any] = set()


@dataclass(frozen=True, slots=True)
class Restarted:
    """Everything before is void: the answer is made anew, and its events follow from the first. ``reason`` is the server's."""

    reason: str


@dataclass(frozen=True, slots=True)
class Event(Generic[K, B]):
    """One event of a stream: its number, the name of its kind, its typed body, and the message it came in.

    A stream yields a union of these, one for each kind: after ``if event.kind == "token":`` a type checker knows the body.
    """

    seq: int
    kind: K
    body: B
    message: Any = field(default=None, compare=False, repr=False)


class _State:
    """What a stream knows of itself, whichever way it is driven."""

    def __init__(
        self, request: Message, metadata: tuple[tuple[str, str], ...], timeout: float, resume: bool, restart: bool
    ) -> None:
        self.request = type(request)()
        self.request.CopyFrom(request)
        self.answer_id = ""
        self.cache = ""
        #: True once the server has ended the stream, well or with an error: there is nothing to leave.
        self.ended = False
        self.call_id = uuid.uuid4().hex
        self.last_seq: int = getattr(request, "resume_after", 0)
        self._from_start = self.last_seq == 0
        self._metadata = metadata
        self._until = time.monotonic() + timeout
        # A method without numbers has nothing to resume after.
        self._resume = resume and "resume_after" in request.DESCRIPTOR.fields_by_name
        self._restarts = RESTARTS if restart and self._from_start else 0
        self._failures = 0

    @property
    def remaining(self) -> float:
        return max(0.0, self._until - time.monotonic())

    def metadata(self) -> tuple[tuple[str, str], ...]:
        if not self._resume:
            return self._metadata
        known = [(name, value) for name, value in ((ANSWER_ID, self.answer_id), (CACHE, self.cache)) if value]
        return (*self._metadata, ("x-request-id", self.call_id), ("hexar-linger", str(LINGER)), *known)

    def leaving(self) -> tuple[tuple[str, str], ...] | None:
        """The metadata that says that this stream is left for good; None where nobody waits for it. Once."""
        if self.ended or not self._resume:
            return None
        self.ended = True
        known = ((ANSWER_ID, self.answer_id),) if self.answer_id else ()
        return (*self._metadata, ("hexar-leave", self.call_id), *known)

    def next_request(self) -> Message:
        if self._resume:
            self.request.resume_after = self.last_seq  # type: ignore[attr-defined]
        return self.request

    def read_headers(self, headers: Any) -> None:
        values = dict(headers or ())
        self.answer_id = str(values.get(ANSWER_ID, self.answer_id))
        # How the answer was got is said by the first call.
        self.cache = self.cache or str(values.get(CACHE, ""))

    def accept(self, message: Any) -> Any:
        self._failures = 0
        self.last_seq = getattr(message, "seq", 0)
        kind = message.WhichOneof("event") or ""
        return Event(self.last_seq, kind, getattr(message, kind) if kind else None, message)

    def restarted(self, error: HexarError) -> Any:
        """The event that tells of a new beginning; None where ``error`` asks for none, or where there may be none."""
        if not isinstance(error, Aborted) or not self._restarts or not self.answer_id:
            return None
        self._restarts -= 1
        self.answer_id, self.cache, self.last_seq = "", "", 0
        return Event(0, "restarted", Restarted(error.message))

    def pause_or_raise(self, error: HexarError) -> float:
        """Seconds to wait before reconnecting; raises ``error`` where that is of no use."""
        self._failures += 1
        lost = isinstance(error, (Unavailable, Cancelled)) and not error.from_server
        # What is resumed may reach a server that shuts down: another one takes its place.
        refused = isinstance(error, Unavailable) and error.retry_after is not None and self._failures > 1
        again = self._resume and (lost or refused) and bool(self.answer_id)
        if not again or self._failures > ATTEMPTS or not self.remaining:
            self.ended = error.from_server
            raise error
        return min(self.remaining, PAUSE * 1.5 ** (self._failures - 1) * random.uniform(0.5, 1.0))


class _Handle(ABC, Generic[E]):
    """What a caller holds of a stream, whichever way it is driven."""

    def __init__(
        self,
        call: Callable[..., Any],
        request: Message,
        metadata: tuple[tuple[str, str], ...],
        timeout: float,
        resume: bool = True,
        restart: bool = False,
    ) -> None:
        self._open = call
        self._state = _State(request, metadata, timeout, resume, restart)
        self._call: Any = None
        self._cancelled = False
        self._begun = False

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
        """Stop the stream, and the server's work for it where nobody else reads the answer.

        Whoever iterates it, or goes on to, gets :class:`hexar_client.errors.Cancelled`. May be called from any thread.
        """
        self._cancelled = True
        self._leave()

    def _begin(self) -> None:
        """Called when an iteration begins; there is one."""
        if self._begun:
            raise StreamConsumed(CONSUMED)
        self._begun = True

    def _check(self) -> None:
        """Raise Cancelled where the stream was cancelled."""
        if self._cancelled:
            raise Cancelled(CANCELLED)

    def __repr__(self) -> str:
        state = self._state
        how = "cancelled" if self._cancelled else "ended" if state.ended else "begun" if self._begun else "not begun"
        return f"{type(self).__name__}({how}, last_seq={state.last_seq}, cache={state.cache!r}, answer_id={state.answer_id!r})"

    def _leave(self) -> None:
        if self._call is None:
            return
        self._call.cancel()
        metadata = self._state.leaving()
        if metadata is not None:
            # A closed channel has no way to say it.
            with suppress(ClientClosed, ValueError, RuntimeError, grpc.RpcError, asyncio.InvalidStateError):
                self._say(self._open(type(self._state.request)(), timeout=LEAVE_TIMEOUT, metadata=metadata))

    @abstractmethod
    def _say(self, call: Any) -> None:
        """Let the call that says good-bye end by itself."""


class Stream(_Handle[E]):
    """The events of one answer, to be iterated once. Leaving the loop, or a ``with`` block, cancels the call."""

    def __iter__(self) -> Iterator[E]:
        self._begin()
        state = self._state
        try:
            while True:
                self._check()
                try:
                    self._call = self._open(state.next_request(), timeout=state.remaining, metadata=state.metadata())
                    state.read_headers(self._call.initial_metadata())
                    for message in self._call:
                        yield state.accept(message)
                    state.ended = True
                    return
                except grpc.RpcError as error:
                    if self._cancelled:
                        raise Cancelled(CANCELLED) from None
                    converted = convert_rpc(error)
                    restarted = state.restarted(converted)
                    if restarted is not None:
                        yield restarted
                    else:
                        time.sleep(state.pause_or_raise(converted))
        finally:
            self._leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.cancel()

    def _say(self, call: Any) -> None:
        _leaving.add(call)
        if not call.add_callback(lambda: _leaving.discard(call)):
            _leaving.discard(call)


class AsyncStream(_Handle[E]):
    """As :class:`Stream`, on the event loop."""

    async def __aiter__(self) -> AsyncIterator[E]:
        self._begin()
        state = self._state
        try:
            while True:
                self._check()
                try:
                    self._call = self._open(state.next_request(), timeout=state.remaining, metadata=state.metadata())
                    state.read_headers(await self._call.initial_metadata())
                    async for message in self._call:
                        yield state.accept(message)
                    state.ended = True
                    return
                except asyncio.CancelledError:
                    # grpc.aio raises it in the task that reads; a task that was itself cancelled ends as such.
                    task = asyncio.current_task()
                    if self._cancelled and not (task is not None and task.cancelling()):
                        raise Cancelled(CANCELLED) from None
                    raise
                except grpc.RpcError as error:
                    if self._cancelled:
                        raise Cancelled(CANCELLED) from None
                    converted = convert_rpc(error)
                    restarted = state.restarted(converted)
                    if restarted is not None:
                        yield restarted
                    else:
                        await asyncio.sleep(state.pause_or_raise(converted))
        finally:
            self._leave()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()

    def _say(self, call: Any) -> None:
        _leaving.add(call)
        call.add_done_callback(_leaving.discard)
