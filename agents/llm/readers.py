"""A few threads that read the answers of all open streams: ``selectors`` over their sockets.

A thread per stream would wake for every token of every stream; hundreds of threads that take turns at the interpreter
lock add tens of milliseconds to each other's tokens. Here one wake-up of one thread serves every socket that is
ready, and the loop is woken once for all of them (docs/adr/0005).
"""

import logging
import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from hexar.agents.llm.cancel import Cancel
from hexar.agents.llm.channel import LOW_WATER, Channel, Waker
from hexar.agents.llm.connect import shutdown
from hexar.agents.llm.errors import ModelCancelled, ModelMalformed
from hexar.agents.llm.openai import OpenAnswer, receive
from hexar.agents.llm.types import Done
from hexar.core.errors import HexarError

_log = logging.getLogger(__name__)

#: How often the time limits of the streams are looked at, seconds.
TICK = 0.05

#: How long the end of the body is awaited after the end of the answer, seconds; then the connection is closed.
END_OF_BODY_WAIT = 1.0

#: Ready sockets that are read before the loop is woken: a bound on how long the first one's tokens wait.
BATCH = 16


@dataclass(slots=True, eq=False)
class _Stream:
    answer: OpenAnswer
    cancel: Cancel
    channel: Channel
    waker: Waker
    detach: Callable[[], None]
    #: Registered with the selector: not so while its consumer is slow.
    reading: bool = False
    #: The answer was handed over; only the end of its body is awaited, until then (monotonic seconds).
    ending_until: float = 0.0


class _Reader:
    """One thread and its selector."""

    def __init__(self, name: str) -> None:
        self._selector = selectors.DefaultSelector()
        self._commands: deque[Callable[[], None]] = deque()
        self._wake_out, self._wake_in = os.pipe()
        for end in (self._wake_out, self._wake_in):
            os.set_blocking(end, False)
        self._selector.register(self._wake_out, selectors.EVENT_READ)
        self._streams: set[_Stream] = set()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def load(self) -> int:
        return len(self._streams)

    def submit(self, command: Callable[[], None]) -> None:
        """Run ``command`` on the reader's thread; drop it where the thread has ended."""
        self._commands.append(command)
        try:
            os.write(self._wake_in, b"\0")
        except BlockingIOError:
            return  # the pipe is full of wake-ups

    def add(self, stream: _Stream) -> None:
        """On the reader's thread: begin to read."""
        if stream.cancel.cancelled:
            self._fail(stream, ModelCancelled(stream.answer.provider.name))
            return
        stream.answer.connection.socket.setblocking(False)
        self._streams.add(stream)
        self._read_on(stream)

    def resume(self, stream: _Stream) -> None:
        """On the reader's thread: the consumer has room again."""
        if stream in self._streams and not stream.reading:
            stream.channel.paused = False
            stream.answer.exchange.touch()
            self._read_on(stream)

    def stop(self) -> None:
        """End the thread; open streams fail."""

        def last() -> None:
            self._stopped = True

        self.submit(last)
        self._thread.join(5.0)

    def _read_on(self, stream: _Stream) -> None:
        self._selector.register(stream.answer.connection.socket, selectors.EVENT_READ, stream)
        stream.reading = True
        # TLS may hold bytes already that the selector cannot see.
        self._read(stream)
        stream.waker.flush()

    def _run(self) -> None:
        next_tick = time.monotonic() + TICK
        while not self._stopped:
            ready = self._selector.select(max(0.0, next_tick - time.monotonic()) if self._streams else None)
            wakers: set[Waker] = set()
            for count, (key, _) in enumerate(ready, 1):
                if key.data is None:
                    self._drain_pipe()
                else:
                    self._read(key.data)
                    wakers.add(key.data.waker)
                if count % BATCH == 0:
                    for waker in wakers:
                        waker.flush()
            for waker in wakers:
                waker.flush()
            while self._commands:
                self._commands.popleft()()
            now = time.monotonic()
            if now >= next_tick:
                next_tick = now + TICK
                self._tick()
        for stream in list(self._streams):
            self._fail(stream, ModelCancelled(stream.answer.provider.name))
        self._selector.close()

    def _drain_pipe(self) -> None:
        try:
            while len(os.read(self._wake_out, 4096)) == 4096:
                continue
        except BlockingIOError:
            return

    def _tick(self) -> None:
        now = time.monotonic()
        for stream in list(self._streams):
            if stream.ending_until:
                if now >= stream.ending_until:
                    self._forget(stream)
                continue
            # While its consumer is slow nothing is read, so the model's silence is our own doing.
            if not stream.reading:
                if stream.cancel.cancelled:
                    self._fail(stream, ModelCancelled(stream.answer.provider.name))
                continue
            try:
                stream.answer.exchange.check()
            except HexarError as error:
                self._fail(stream, error)

    def _read(self, stream: _Stream) -> None:
        """Take what the socket holds. TLS is read until it has no more: the selector sees only the socket beneath
        it."""
        answer = stream.answer
        try:
            while True:
                data = receive(answer.connection.socket)
                if data is None:
                    return
                if stream.ending_until:
                    if data:
                        answer.exchange.feed(data)
                    if not data or not answer.exchange.ending:
                        self._forget(stream)
                    return
                if stream.cancel.cancelled:
                    raise ModelCancelled(answer.provider.name)
                events = answer.exchange.feed(data) if data else answer.closed()
                if events:
                    done = isinstance(events[-1], Done)
                    if done:
                        # Before the consumer hears of it: its next call finds the connection, its cancel does not.
                        self._ended(stream)
                    if not stream.channel.put(events) and not done:
                        self._pause(stream)
                    if done:
                        return
                if answer.exchange.error is not None:
                    raise answer.exchange.error
                if not answer.connection.secure or not stream.reading:
                    return
        except HexarError as error:
            self._fail(stream, error)
        except Exception as error:
            # One stream's surprise must not end the thread that reads all the others.
            _log.exception("an answer could not be read")
            failure = ModelMalformed(answer.provider.name, "sent what could not be read")
            failure.__cause__ = error
            self._fail(stream, failure)

    def _pause(self, stream: _Stream) -> None:
        self._selector.unregister(stream.answer.connection.socket)
        stream.reading = False
        stream.channel.paused = True
        # The consumer may have emptied the buffer before it could see `paused`.
        if stream.channel.waiting <= LOW_WATER:
            self.submit(partial(self.resume, stream))

    def _ended(self, stream: _Stream) -> None:
        """The answer is complete: keep its connection as soon as the end of the body is there too."""
        if not stream.answer.exchange.ending:
            self._forget(stream)
            return
        stream.detach()
        stream.ending_until = time.monotonic() + END_OF_BODY_WAIT

    def _forget(self, stream: _Stream) -> None:
        stream.detach()
        self._streams.discard(stream)
        if stream.reading:
            self._selector.unregister(stream.answer.connection.socket)
            stream.reading = False
        stream.answer.finish()

    def _fail(self, stream: _Stream, error: HexarError) -> None:
        self._forget(stream)
        stream.channel.fail(error)


class Readers:
    """The reader threads of a process. Thread-safety: all methods may be called from any thread."""

    def __init__(self, threads: int = 1) -> None:
        self._lock = threading.Lock()
        self._threads = threads
        self._readers: list[_Reader] = []

    def add(self, answer: OpenAnswer, cancel: Cancel, channel: Channel, waker: Waker) -> None:
        """Read ``answer`` into ``channel`` until it ends or ``cancel`` is set."""
        with self._lock:
            if not self._readers:
                self._readers = [_Reader(f"llm-reader-{index}") for index in range(self._threads)]
            reader = min(self._readers, key=lambda one: one.load)
        sock = answer.connection.socket
        stream = _Stream(answer, cancel, channel, waker, cancel.attach(lambda: shutdown(sock)))
        channel.on_resume(lambda: reader.submit(partial(reader.resume, stream)))
        reader.submit(partial(reader.add, stream))

    def close(self) -> None:
        """Stop the threads; open streams fail with ModelCancelled."""
        with self._lock:
            readers, self._readers = self._readers, []
        for reader in readers:
            reader.stop()
