"""One Redis server that requests may lean on: few connections, many commands, and no waiting for a server that is gone.

Commands of many callers share a *channel*: one connection and one task that sends what is ready as one pipeline. A caller waits
on a future and never touches the connection, so that a caller who leaves cannot leave a half-read reply behind. Anything that
goes wrong with a connection closes it.

The circuit breaker is strict, because everything that Redis gives can be had elsewhere: the first command that takes longer
than :data:`TIMEOUT`, or finds nobody, takes the node *down*. From then on commands fail at once, until a probe in the
background is answered. Nothing is retried.

::

    RedisDown(Exception)      the server is gone, or did not answer in time

Source: the Redis serialization protocol answers commands in order (https://redis.io/docs/latest/develop/reference/protocol-spec/).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import structlog
from redis.asyncio import ConnectionPool
from redis.exceptions import ReadOnlyError, RedisError, ResponseError

log = structlog.get_logger(__name__)

#: Seconds that a caller waits for an answer, at most.
TIMEOUT = 0.05
#: An event loop that is later than this was busy itself, seconds: what came meanwhile is read before Redis is blamed, at most
#: :data:`EXTENSIONS` times.
LATE = 0.005
EXTENSIONS = 4
#: Seconds that a write behind the caller may take.
WRITE_TIMEOUT = 1.0
#: Seconds to connect, TLS and Sentinel included; callers do not wait for it.
CONNECT_TIMEOUT = 2.0
#: Seconds between two probes of a server that is down; the first follows at once.
PROBE_EVERY = 0.25
#: Seconds between two words in the log about commands that are refused.
SAY_EVERY = 5.0
#: Commands in one pipeline, and bytes of their arguments after which no more join.
BATCH = 64
BATCH_BYTES = 1024 * 1024

Command = tuple[Any, ...]


class RedisDown(Exception):
    """Redis does not answer, or did not a moment ago."""


@dataclass(slots=True)
class _Call:
    command: Command
    future: asyncio.Future[Any] | None
    size: int = 0


@dataclass(slots=True)
class _Channel:
    """One connection and what waits for it."""

    timeout: float
    connection: Any = None
    #: When the connection was made, as :class:`RedisNode` counts its eras.
    era: int = 0
    waiting: deque[_Call] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class RedisNode:
    """Commands to one server.

    Thread-safety: :meth:`post` may be called from any thread, the rest belongs to the event loop that called :meth:`start`.
    """

    def __init__(self, pool: ConnectionPool, timeout: float) -> None:
        self.timeout = timeout
        self.pool = pool
        #: Told of a command without a reply that the server has refused; on the event loop.
        self.refused: Callable[[ResponseError], None] | None = None
        #: Commands sent, pipelines they went in, and times that the link went down.
        self.commands = 0
        self.pipelines = 0
        self.outages = 0
        self._is_up = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reads = _Channel(timeout)
        self._writes = _Channel(WRITE_TIMEOUT)
        self._posted: deque[_Call] = deque()
        self._posted_bytes = 0
        self._said_at = -SAY_EVERY
        #: Counted up where the server turns out to follow another: connections of earlier eras are given up.
        self._era = 0
        self._lock = threading.Lock()
        self._failed = asyncio.Event()
        self._prober: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def up(self) -> bool:
        """False from the first failure until a probe is answered, and before the start."""
        return self._is_up.is_set()

    def start(self) -> None:
        """Begin to connect, without waiting for it; on the event loop."""
        if self._prober is None:
            self._loop = asyncio.get_running_loop()
            self._closing = False
            self._failed.set()
            self._prober = asyncio.create_task(self._probe(), name="redis-probe")
            for channel in (self._reads, self._writes):
                channel.task = asyncio.create_task(self._serve(channel), name="redis-channel")

    def connection(self) -> Any:
        """A connection of one's own, not yet connected: redis-py's, untyped there."""
        pool: Any = self.pool
        return pool.make_connection()

    async def ready(self, seconds: float) -> bool:
        """Wait until the link is up, ``seconds`` at most; whether it is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._is_up.wait()
        return self.up

    async def call(self, *command: Any) -> Any:
        """The reply to ``command``. Raises RedisDown within the timeout, ResponseError where the server refuses."""
        if not self.up:
            raise RedisDown
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._reads.waiting.append(_Call(command, future))
        self._reads.wake.set()
        try:
            async with _Patience(self.timeout):
                return await future
        except TimeoutError as error:
            # The batch before took its time as well; the channel itself decides whether the server is gone.
            raise RedisDown from error

    def post(self, *command: Any, size: int, limit: int) -> bool:
        """Send ``command`` soon, without a reply; False where the link is down or more than ``limit`` bytes would wait."""
        loop = self._loop
        if not self.up or loop is None:
            return False
        with self._lock:
            if self._posted_bytes + size > limit:
                return False
            self._posted_bytes += size
            self._posted.append(_Call(command, None, size))
            first = len(self._posted) == 1
        if first:
            try:
                loop.call_soon_threadsafe(self._take_posted)
            except RuntimeError:
                return False
        return True

    #: As the masters of a Cluster say it (:mod:`hexar.core.redis.cluster`): one server has every key.
    parts = 1

    def node_for(self, command: Command) -> RedisNode:
        """This node."""
        return self

    def moved(self, error: ResponseError) -> None:
        """Nobody: this one server was asked for."""

    async def flush(self) -> None:
        """Wait until what was posted is sent, or given up."""
        self._take_posted()
        if self.up:
            # Commands of a channel are answered in order.
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            self._writes.waiting.append(_Call(("PING",), future))
            self._writes.wake.set()
            with suppress(RedisDown, ResponseError):
                await future

    async def close(self) -> None:
        """Send what waits, then close the connections."""
        if self._prober is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(WRITE_TIMEOUT):
                await self.flush()
        self._is_up.clear()
        # Beside the cancellation, which a connection that is being made may lose.
        self._closing = True
        for channel in (self._reads, self._writes):
            channel.wake.set()
        tasks = [task for task in (self._prober, self._reads.task, self._writes.task) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._drop_waiting()
        for channel in (self._reads, self._writes):
            await _disconnect(channel)
        sentinels: Any = getattr(self.pool, "sentinel_manager", None)
        if sentinels is not None:
            with suppress(RedisError, OSError):
                await sentinels.aclose()
        self._prober = None

    def _take_posted(self) -> None:
        with self._lock:
            self._writes.waiting.extend(self._posted)
            self._posted.clear()
        self._writes.wake.set()

    async def _serve(self, channel: _Channel) -> None:
        while not self._closing:
            await channel.wake.wait()
            channel.wake.clear()
            while channel.waiting:
                batch: list[_Call] = []
                size = 0
                while channel.waiting and len(batch) < BATCH and size < BATCH_BYTES:
                    call = channel.waiting.popleft()
                    if call.future is None or not call.future.done():
                        batch.append(call)
                        size += call.size
                    else:
                        self._sent(call)
                if batch:
                    await self._exchange(channel, batch)

    async def _exchange(self, channel: _Channel, batch: list[_Call]) -> None:
        at = 0
        try:
            connection = await self._connected(channel)
            async with _Patience(channel.timeout):
                self.commands += len(batch)
                self.pipelines += 1
                packed = connection.pack_commands([call.command for call in batch])
                await connection.send_packed_command(packed, check_health=False)
                while at < len(batch):
                    try:
                        _settle(batch[at], await connection.read_response(), None)
                    except ResponseError as error:
                        if isinstance(error, ReadOnlyError) and channel.era == self._era:
                            # Behind this address another server leads now: new connections reach it, these never will.
                            self._era += 1
                        if batch[at].future is None:
                            self._say_refused(batch[at].command, error)
                            if self.refused is not None:
                                self.refused(error)
                        _settle(batch[at], None, error)
                    at += 1
        except (RedisError, OSError, TimeoutError) as error:
            self._take_down(error)
        finally:
            for call in batch:
                self._sent(call)
            if at < len(batch):
                # Also when this task is cancelled: what is still to come on this connection belongs to nobody.
                await _disconnect(channel)
                for call in batch[at:]:
                    _settle(call, None, RedisDown())

    async def _connected(self, channel: _Channel) -> Any:
        # It is the probe that connects, and callers end their wait themselves: this may take longer than a command.
        if channel.era != self._era:
            await _disconnect(channel)
        if channel.connection is None:
            channel.connection, channel.era = self.connection(), self._era
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await channel.connection.connect()
        return channel.connection

    def _sent(self, call: _Call) -> None:
        if call.size:
            with self._lock:
                self._posted_bytes -= call.size

    def _say_refused(self, command: Command, error: ResponseError) -> None:
        # A server that refuses all writes would fill the log with them.
        now = time.monotonic()
        if now - self._said_at >= SAY_EVERY:
            self._said_at = now
            log.warning("redis_refused", command=command[0], error=str(error)[:200])

    def _take_down(self, error: BaseException) -> None:
        if self.up:
            self._is_up.clear()
            self.outages += 1
            log.warning("redis_down", error=type(error).__name__)
        self._failed.set()
        self._drop_waiting()

    def _drop_waiting(self) -> None:
        for channel in (self._reads, self._writes):
            waiting, channel.waiting = channel.waiting, deque()
            for call in waiting:
                self._sent(call)
                _settle(call, None, RedisDown())

    async def _probe(self) -> None:
        while True:
            await self._failed.wait()
            self._failed.clear()
            while True:
                if await self._answers():
                    break
                await asyncio.sleep(PROBE_EVERY)
            self._failed.clear()
            self._is_up.set()
            log.info("redis_up")

    async def _answers(self) -> bool:
        calls = []
        for channel in (self._reads, self._writes):
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            channel.waiting.append(_Call(("PING",), future))
            channel.wake.set()
            calls.append(future)
        replies = await asyncio.gather(*calls, return_exceptions=True)
        for reply in replies:
            if isinstance(reply, ResponseError):
                log.error("redis_refused", error=str(reply)[:200])
        return not any(isinstance(reply, BaseException) for reply in replies)


class _Patience:
    """As asyncio.timeout, but the time in which the event loop was busy with other things is no silence of the server."""

    __slots__ = ("_due", "_extensions", "_loop", "_scope", "_seconds", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._scope = asyncio.timeout(None)
        self._extensions = EXTENSIONS

    async def __aenter__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._arm(self._seconds)
        await self._scope.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        await self._scope.__aexit__(kind, error, trace)

    def _arm(self, seconds: float) -> None:
        self._due = self._loop.time() + seconds
        self._timer = self._loop.call_at(self._due, self._over)

    def _over(self) -> None:
        late = self._loop.time() - self._due
        if late > LATE and self._extensions:
            self._extensions -= 1
            self._arm(min(late, self._seconds))
        else:
            self._scope.reschedule(self._due)


def _settle(call: _Call, reply: Any, error: Exception | None) -> None:
    future = call.future
    if future is None or future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(reply)


async def _disconnect(channel: _Channel) -> None:
    connection, channel.connection = channel.connection, None
    if connection is not None:
        # A connection that is broken may fail to close as well; it is not used again either way.
        with suppress(RedisError, OSError, TimeoutError):
            await connection.disconnect(nowait=True)
