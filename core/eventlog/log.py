"""A live event log: one producer appends, any number of subscribers read at their own pace."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hexar.core.errors import ResourceExhausted, without_frames
from hexar.core.eventlog.frames import number
from hexar.core.ids import random_hex

#: An answer larger than this is refused, bytes. The log is the only buffer: subscribers hold an index into it, so a slow
#: one costs nothing, and this bound is the bound of every buffer.
MAX_BYTES = 32 * 1024 * 1024
#: What an event takes beside its bytes: the object, its place in the list.
EVENT_BYTES = 56


class EventLog:
    """The events of one answer, numbered from 1, in the order they were appended.

    Thread-safety: everything belongs to the event loop that created the log.
    """

    __slots__ = ("_bytes", "_waiters", "answer_id", "done", "error", "events")

    def __init__(self, answer_id: str | None = None) -> None:
        #: 32 hexadecimal digits that name this run of this answer.
        self.answer_id = answer_id or random_hex(16)
        self.events: list[bytes] = []
        self.done = False
        self.error: BaseException | None = None
        self._bytes = 0
        self._waiters: list[asyncio.Future[None]] = []

    @property
    def nbytes(self) -> int:
        """About how many bytes of memory the events take."""
        return self._bytes + EVENT_BYTES * len(self.events)

    @property
    def last_seq(self) -> int:
        """The number of the last event; 0 before the first."""
        return len(self.events)

    def append(self, payload: bytes) -> int:
        """Add an event (serialized without its seq) and return its number. Wakes all subscribers once for all that is ready.

        Raises ResourceExhausted beyond :data:`MAX_BYTES`, RuntimeError after the end.
        """
        if self.done:
            raise RuntimeError("the log has ended")
        seq = len(self.events) + 1
        event = number(seq, payload)
        self._bytes += len(event)
        if self._bytes > MAX_BYTES:
            raise ResourceExhausted(f"the answer is larger than {MAX_BYTES} bytes", 0.0)
        self.events.append(event)
        self._wake()
        return seq

    def extend(self, events: Sequence[bytes]) -> None:
        """Add events that are numbered already, the next first. Wakes all subscribers once. Bounded by who numbered them."""
        if events and not self.done:
            self.events.extend(events)
            self._bytes += sum(map(len, events))
            self._wake()

    def finish(self) -> None:
        """End the log well."""
        self.done = True
        self._wake()

    def fail(self, error: BaseException) -> None:
        """End the log with ``error``, which every subscriber gets after the events."""
        # Where it was raised was logged, if that matters; the frames would keep all that the producer held, this log too.
        self.error = without_frames(error)
        self.done = True
        self._wake()

    async def wait(self, after: int) -> None:
        """Return when there is an event past number ``after``, or the log has ended."""
        while len(self.events) <= after and not self.done:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
                raise

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
