"""Events from threads to the event loop, in batches: one wake-up of the loop for all that is ready.

Waking the loop is the dearest part of handing over a token. A thread appends to a channel's buffer and names the
channel to the :class:`Waker`; the loop is woken once and serves every named channel.

Back-pressure: :meth:`Channel.put` and :meth:`Channel.give` say when the buffer is full. Who reads many answers then stops
reading that socket until ``resume`` is called; a thread that reads one waits in :meth:`Channel.put_waiting`.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence

from hexar.agents.llm.types import Event
from hexar.agents.transport.cancel import Cancel

#: Events that wait for a slow consumer before its producer stops, and where it goes on.
HIGH_WATER = 1024
LOW_WATER = 256


class Waker:
    """Wakes one event loop. Thread-safety: :meth:`add` and :meth:`flush` may be called from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ready: deque[Channel] = deque()
        self._scheduled = False
        self._lock = threading.Lock()

    def add(self, channel: "Channel") -> None:
        """Name a channel that has something; :meth:`flush` wakes the loop."""
        self._ready.append(channel)

    def flush(self) -> None:
        """Wake the loop, where it is not about to look anyway. A loop that is closed has no consumers left."""
        if not self._ready:
            return
        with self._lock:
            if self._scheduled:
                return
            self._scheduled = True
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:
            self._ready.clear()

    def _wake(self) -> None:
        # Cleared first: what is added from here on schedules another look.
        with self._lock:
            self._scheduled = False
        ready = self._ready
        while ready:
            ready.popleft().wake()


class Channel:
    """The events of one attempt. One producer thread at a time, one consumer on the loop."""

    __slots__ = ("_batches", "_consumed", "_error", "_produced", "_resume", "_room", "_waiter", "_waker", "paused")

    def __init__(self, waker: Waker) -> None:
        self._waker = waker
        self._batches: deque[Sequence[Event]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._error: BaseException | None = None
        # Each is written by one side only, so no lock is needed to compare them.
        self._produced = 0
        self._consumed = 0
        self._resume: Callable[[], None] | None = None
        # Made by a producer that waits for room; most channels have none.
        self._room: threading.Event | None = None
        #: Set by a producer that stopped until ``resume``.
        self.paused = False

    @property
    def waiting(self) -> int:
        """Events that are not consumed yet."""
        return self._produced - self._consumed

    def on_resume(self, resume: Callable[[], None]) -> None:
        """What the consumer calls (on the loop) once there is room again after ``paused`` was set."""
        self._resume = resume

    def put(self, events: Sequence[Event]) -> bool:
        """Producer: hand over ``events``; the waker must be flushed. False where the producer should stop for now."""
        self._produced += len(events)
        self._batches.append(events)
        self._waker.add(self)
        return self.waiting < HIGH_WATER

    def give(self, events: Sequence[Event]) -> bool:
        """Producer on the loop itself: hand over ``events`` at once; False as in :meth:`put`."""
        self._produced += len(events)
        self._batches.append(events)
        self.wake()
        return self.waiting < HIGH_WATER

    def put_waiting(self, events: Sequence[Event], cancel: Cancel) -> None:
        """Producer with a thread of its own: hand over and wake the loop; wait while the buffer is full."""
        full = not self.put(events)
        self._waker.flush()
        while full and self.waiting > LOW_WATER and not cancel.cancelled:
            room = self._room = self._room or threading.Event()
            room.clear()
            if self.waiting > LOW_WATER:
                room.wait(0.1)

    def fail(self, error: BaseException) -> None:
        """Producer: nothing more comes, for ``error``. What was put before is still consumed. Flushes."""
        self._error = error
        self._waker.add(self)
        self._waker.flush()

    def wake(self) -> None:
        """Loop: let the consumer look."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def get(self) -> list[Event]:
        """Loop: everything that is ready, at least one event; raises what the producer failed with."""
        loop = asyncio.get_running_loop()
        while not self._batches:
            # What was put before the failure is seen first: the failure is looked at before the buffer.
            if self._error is not None and not self._batches:
                raise self._error
            self._waiter = loop.create_future()
            try:
                # A producer may have put since the first look, and its wake-up found no waiter.
                if not self._batches and self._error is None:
                    await self._waiter
            finally:
                self._waiter = None
        events = list(self._batches.popleft())
        while self._batches:
            events.extend(self._batches.popleft())
        self._consumed += len(events)
        if self.waiting <= LOW_WATER:
            if self._room is not None:
                self._room.set()
            if self.paused and self._resume is not None:
                self._resume()
        return events
