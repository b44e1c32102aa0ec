"""Reads the answers of all open streams on the event loop that streams them on.

A socket that has something is read without waiting, parsed, and its events are in the consumer's hands in the same turn of the
loop. A thread of its own would have to take the interpreter's lock twice for every token, and under load waits for it longer
than the work takes (docs/adr/0013).
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from hexar.agents.llm.errors import ModelCancelled, ModelMalformed
from hexar.agents.llm.transport.channel import Channel
from hexar.agents.llm.transport.client import receive
from hexar.agents.llm.transport.connect import shutdown, unblock
from hexar.agents.llm.types import Answer, Done
from hexar.agents.transport.cancel import Cancel
from hexar.core.errors import HexarError

_log = logging.getLogger(__name__)

#: How often the time limits of the streams are looked at, seconds.
TICK = 0.05

#: How long the end of the body is awaited after the end of the answer, seconds; then the connection is closed.
END_OF_BODY_WAIT = 1.0


@dataclass(slots=True, eq=False)
class _Stream:
    answer: Answer
    cancel: Cancel
    channel: Channel
    detach: Callable[[], None]
    #: TLS may hold bytes that the loop cannot see.
    secure: bool
    #: Watched by the loop: not so while its consumer is slow.
    reading: bool = False
    #: Before that no limit of time can pass (monotonic seconds).
    due: float = 0.0
    #: The answer was handed over; only the end of its body is awaited, until then (monotonic seconds).
    ending_until: float = 0.0


class Reader:
    """The open answers of one event loop.

    Thread-safety: everything belongs to the loop, but :meth:`add_from_thread`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._streams: set[_Stream] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def load(self) -> int:
        """Streams that are open, or whose connection waits for the end of the body."""
        return len(self._streams)

    def add(self, answer: Answer, cancel: Cancel, channel: Channel) -> None:
        """Read ``answer`` into ``channel`` until it ends or ``cancel`` is set."""
        sock = answer.socket
        stream = _Stream(answer, cancel, channel, cancel.attach(lambda: shutdown(sock)), isinstance(sock, ssl.SSLSocket))
        channel.on_resume(partial(self._resume, stream))
        if cancel.cancelled:
            self._fail(stream, ModelCancelled(answer.model))
            return
        unblock(sock)
        self._streams.add(stream)
        if self._timer is None:
            self._timer = self._loop.call_later(TICK, self._tick)
        self._watch(stream)
        if stream.secure:
            self._read(stream)

    def add_from_thread(self, answer: Answer, cancel: Cancel, channel: Channel) -> None:
        """As :meth:`add`, from a thread of the pool. An answer whose loop has ended is closed."""
        try:
            self._loop.call_soon_threadsafe(self.add, answer, cancel, channel)
        except RuntimeError:
            answer.finish()

    def close(self) -> None:
        """Let go of all streams; those that are open fail with ModelCancelled."""
        for stream in list(self._streams):
            self._fail(stream, ModelCancelled(stream.answer.model))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self, stream: _Stream) -> None:
        self._loop.add_reader(stream.answer.socket, self._read, stream)
        stream.reading = True

    def _unwatch(self, stream: _Stream) -> None:
        if stream.reading and not self._loop.is_closed():
            self._loop.remove_reader(stream.answer.socket)
        stream.reading = False

    def _resume(self, stream: _Stream) -> None:
        """The consumer has room again."""
        stream.channel.paused = False
        if stream in self._streams and not stream.reading:
            stream.answer.touch()
            self._watch(stream)
            if stream.secure:
                self._read(stream)

    def _tick(self) -> None:
        self._timer = self._loop.call_later(TICK, self._tick) if self._streams else None
        now = time.monotonic()
        for stream in list(self._streams):
            if stream.ending_until:
                if now >= stream.ending_until:
                    self._forget(stream)
                continue
            # While its consumer is slow nothing is read, so the model's silence is our own doing.
            if not stream.reading:
                if stream.cancel.cancelled:
                    self._fail(stream, ModelCancelled(stream.answer.model))
                continue
            if now < stream.due:
                continue
            try:
                stream.answer.check()
                stream.due = now + stream.answer.quiet_for()
            except HexarError as error:
                self._fail(stream, error)

    def _read(self, stream: _Stream) -> None:
        """Take what the socket holds. TLS is read until it has no more: the loop sees only the socket beneath it."""
        answer = stream.answer
        try:
            while True:
                data = receive(answer.socket)
                if data is None:
                    return
                if stream.ending_until:
                    if data:
                        answer.feed(data)
                    if not data or not answer.ending:
                        self._forget(stream)
                    return
                if stream.cancel.cancelled:
                    raise ModelCancelled(answer.model)
                events = answer.feed(data) if data else answer.closed()
                if events:
                    done = isinstance(events[-1], Done)
                    if done:
                        # Before the consumer hears of it: its next call finds the connection, its cancel does not.
                        self._ended(stream)
                    if not stream.channel.give(events) and not done:
                        self._pause(stream)
                    if done:
                        return
                if answer.error is not None:
                    raise answer.error
                if not stream.secure or not stream.reading:
                    return
        except HexarError as error:
            self._fail(stream, error)
        except Exception as error:
            # One stream's surprise must not be the loop's.
            _log.exception("an answer could not be read")
            failure = ModelMalformed(answer.model, "sent what could not be read")
            failure.__cause__ = error
            self._fail(stream, failure)

    def _pause(self, stream: _Stream) -> None:
        self._unwatch(stream)
        stream.channel.paused = True

    def _ended(self, stream: _Stream) -> None:
        """The answer is complete: keep its connection as soon as the end of the body is there too."""
        if not stream.answer.ending:
            self._forget(stream)
            return
        stream.detach()
        stream.ending_until = time.monotonic() + END_OF_BODY_WAIT

    def _forget(self, stream: _Stream) -> None:
        stream.detach()
        self._streams.discard(stream)
        self._unwatch(stream)
        stream.answer.finish()

    def _fail(self, stream: _Stream, error: HexarError) -> None:
        self._forget(stream)
        stream.channel.fail(error)
