"""Calls over one channel: what a client and its namespaces share. The namespaces know this, and no client."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from copy import copy
from dataclasses import replace
from itertools import count
from types import TracebackType
from typing import Any, Self, TypeVar, cast

import grpc
from google.protobuf.message import Message

from hexar_client._rpc.channel import Connection
from hexar_client._rpc.ended import Ended
from hexar_client._rpc.guard import AsyncGuardedChannel, GuardedChannel
from hexar_client._rpc.stream import AsyncStream, Stream
from hexar_client.errors import Cancelled, HexarError, Unavailable, convert_rpc

R = TypeVar("R", bound=Message)
Row = TypeVar("Row")

#: Seconds that a call may take where the caller does not say.
UNARY_TIMEOUT = 30.0
STREAM_TIMEOUT = 60.0
#: The same of answers that take long.
LONG_TIMEOUT = 120.0


#: What only looks: repeated also where the connection was lost in the middle, when nobody knows whether it was carried out.
READING = ("Get", "List", "Search", "Match", "Resolve", "Validate", "Review", "Cite")
#: Seconds before the n-th repetition where the server names none: base · 1.5ⁿ, of which up to half is left to chance.
PAUSE = 0.1

_END = object()


async def off_loop(messages: Iterable[Row]) -> AsyncIterator[Row]:
    """``messages`` for the event loop, each made on a thread: making one may read a file."""
    iterator = iter(messages)
    while (message := await asyncio.to_thread(next, iterator, _END)) is not _END:
        yield cast("Row", message)


class _Base:
    """What both kinds of calls have in common."""

    _connection: Connection

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What is sent with every call: the token, and what the client was given."""
        return self._connection.metadata

    def seconds(self, timeout: float | None, otherwise: float = STREAM_TIMEOUT) -> float:
        """What a call may take: ``timeout``, else the client's own, else ``otherwise``."""
        return next(each for each in (timeout, self._connection.timeout, otherwise) if each is not None)

    def with_options(
        self, *, timeout: float | None = None, retries: int | None = None, metadata: Iterable[tuple[str, str]] = ()
    ) -> Self:
        """The same client over the same connection, with other options for the calls that are made with what is returned::

            client.with_options(timeout=2, metadata=[("x-request-id", "42")]).portfolios.get("manuals")

        ``metadata`` is sent beside the client's own. Closing either closes both.
        """
        old = self._connection
        more = (*old.more, *metadata)
        made = copy(self)
        made._connection = replace(
            old,
            timeout=old.timeout if timeout is None else timeout,
            retries=old.retries if retries is None else retries,
            more=more,
        )
        made._add_services()
        return made

    def _add_services(self) -> None:
        """Make what calls through this object; called once it knows its connection."""

    def _pause(self, method: Any, request: Any, error: HexarError, failures: int, until: float) -> float:
        """Seconds to wait before a call is repeated; raises ``error`` where it must not be, or is of no use."""
        name = str(getattr(method, "name", ""))
        refused = isinstance(error, Unavailable) and error.retry_after is not None
        # A server that ends cancels what reaches it in its last moment, without a word of its own.
        lost = isinstance(error, (Unavailable, Cancelled)) and not error.from_server and name.startswith(READING)
        # What a generator sent is gone.
        again = isinstance(request, Message) and (refused or lost) and failures <= self._connection.retries
        pause = error.retry_after or PAUSE * 1.5 ** (failures - 1) * random.uniform(0.5, 1.0)
        if not again or time.monotonic() + pause >= until:
            raise error
        return pause


class Calls(_Base):
    """Calls for blocking code. A call after :meth:`close` raises :class:`hexar_client.errors.ClientClosed`.

    Thread-safety: may be shared by all threads; a stream belongs to one.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        #: For generated stubs of one's own; guarded like the rest.
        self.channel = GuardedChannel(connection.open)

    def stream(
        self, method: Callable[..., Any], request: Message, timeout: float | None = None, restart: bool = False
    ) -> Stream[Any]:
        """A resuming stream over any server-streaming method of a generated stub; ``restart`` as for Client.query."""
        return Stream(method, request, self.metadata, self.seconds(timeout), restart=restart)

    def unary(self, method: Callable[..., R], request: Message, timeout: float | None = None) -> R:
        """Call any unary method of a generated stub; errors are the SDK's.

        A call that the server refused for now is repeated, and one that only looks also where its connection was lost.
        """
        until = time.monotonic() + self.seconds(timeout, UNARY_TIMEOUT)
        for failures in count(1):
            try:
                return method(request, timeout=max(0.0, until - time.monotonic()), metadata=self.metadata)
            except grpc.RpcError as error:
                time.sleep(self._pause(method, request, convert_rpc(error), failures, until))
        raise AssertionError("the loop ends by itself")

    def pages(self, method: Callable[..., Any], request: Any, rows: Callable[[Any], Iterable[Row]]) -> Iterator[Row]:
        """The rows of all pages of a list, one request a page, as they are taken."""
        while True:
            response = self.unary(method, request)
            yield from rows(response)
            if not response.page.next_token:
                return
            request.page.token = response.page.next_token

    def close(self) -> None:
        """Close the connection; streams in progress are cancelled. Closing again does nothing."""
        self.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._connection.target!r}{', closed' if self.channel.closed else ''})"


class AsyncCalls(_Base):
    """As :class:`Calls`, on an event loop: that which runs when the first call is made."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        #: For generated stubs of one's own; guarded like the rest.
        self.channel = AsyncGuardedChannel(connection.open_aio)

    def stream(
        self, method: Callable[..., Any], request: Message, timeout: float | None = None, restart: bool = False
    ) -> AsyncStream[Any]:
        """A resuming stream over any server-streaming method of a generated stub; ``restart`` as for Client.query."""
        return AsyncStream(method, request, self.metadata, self.seconds(timeout), restart=restart)

    async def unary(self, method: Callable[..., Any], request: Message, timeout: float | None = None) -> Any:
        """As :meth:`Calls.unary`."""
        until = time.monotonic() + self.seconds(timeout, UNARY_TIMEOUT)
        for failures in count(1):
            try:
                call = method(request, timeout=max(0.0, until - time.monotonic()), metadata=self.metadata)
                ended = None if isinstance(request, Message) else Ended(call)
                return await call
            except grpc.RpcError as error:
                told = convert_rpc(error) if ended is None else await ended.error(error)
                await asyncio.sleep(self._pause(method, request, told, failures, until))
        raise AssertionError("the loop ends by itself")

    async def pages(self, method: Callable[..., Any], request: Any, rows: Callable[[Any], Iterable[Row]]) -> AsyncIterator[Row]:
        """The rows of all pages of a list, one request a page, as they are taken."""
        while True:
            response = await self.unary(method, request)
            for row in rows(response):
                yield row
            if not response.page.next_token:
                return
            request.page.token = response.page.next_token

    async def close(self) -> None:
        """Close the connection; streams in progress are cancelled. Closing again does nothing."""
        await self.channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._connection.target!r}{', closed' if self.channel.closed else ''})"
