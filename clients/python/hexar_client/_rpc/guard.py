"""Channels on which a call after their end is an exception.

grpcio ends the caller's process when a method is looked up on a channel that is closed. These look methods up when they are
first called, and never on a closed channel.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import grpc

from hexar_client.errors import ClientClosed

CLOSED = "the client is closed"


class _Method:
    """A method of a stub: found on the channel when it is first called."""

    __slots__ = ("_args", "_channel", "_found", "_kind", "_kwargs", "name")

    def __init__(self, channel: _Guard, kind: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._channel = channel
        self._kind = kind
        self._args = args
        self._kwargs = kwargs
        self._found: Any = None
        #: The method's name in its service: "GetPortfolio".
        self.name = str(args[0]).rpartition("/")[2] if args else ""

    def _method(self) -> Any:
        channel = self._channel.opened()
        if self._found is None:
            self._found = getattr(channel, self._kind)(*self._args, **self._kwargs)
        return self._found

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self._method()(*args, **kwargs)
        except (ValueError, grpc.aio.UsageError):
            # It was closed in between.
            self._channel.check()
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._method(), name)


class _Guard:
    """What both channels have in common."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._channel: Any = None
        self.closed = False

    def check(self) -> None:
        """Raise ClientClosed where the channel is closed."""
        if self.closed:
            raise ClientClosed(CLOSED)

    def opened(self) -> Any:
        """gRPC's channel. Raises ClientClosed."""
        self.check()
        if self._channel is None:
            self._channel = self._make()
        return self._channel

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        """As gRPC's."""
        return _Method(self, "unary_unary", args, kwargs)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        """As gRPC's."""
        return _Method(self, "unary_stream", args, kwargs)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        """As gRPC's."""
        return _Method(self, "stream_unary", args, kwargs)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        """As gRPC's."""
        return _Method(self, "stream_stream", args, kwargs)


class GuardedChannel(_Guard, grpc.Channel):
    """A channel for blocking calls, opened at once. ``make`` opens gRPC's."""

    def __init__(self, make: Callable[[], grpc.Channel]) -> None:
        super().__init__(make)
        self.opened()

    def subscribe(self, callback: Callable[..., Any], try_to_connect: bool | None = False) -> None:
        """As gRPC's."""
        self.opened().subscribe(callback, try_to_connect)

    def unsubscribe(self, callback: Callable[..., Any]) -> None:
        """As gRPC's; nothing on a closed channel, which has no subscribers."""
        if not self.closed:
            self._channel.unsubscribe(callback)

    def close(self) -> None:
        """Close it, once."""
        if not self.closed:
            self.closed = True
            self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class AsyncGuardedChannel(_Guard, grpc.aio.Channel):
    """A channel for the event loop that runs when the first call is made: it can be made where none runs."""

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """As gRPC's."""
        state: grpc.ChannelConnectivity = self.opened().get_state(try_to_connect)
        return state

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """As gRPC's."""
        await self.opened().wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """As gRPC's."""
        await self.opened().channel_ready()

    async def close(self, grace: float | None = None) -> None:
        """Close it, once."""
        if not self.closed:
            self.closed = True
            if self._channel is not None:
                await self._channel.close(grace)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
