"""How an upload ended that the server ended early."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

import grpc

from hexar_client.errors import HexarError, convert, convert_rpc

T = TypeVar("T")

#: How long the status of a call is waited for whose messages could not be written.
STATUS_SECONDS = 1.0


def _at_once(value: Coroutine[Any, Any, T]) -> T | None:
    """The result of a coroutine that does not wait; None where it would."""
    try:
        value.send(None)
    except StopIteration as end:
        return cast("T", end.value)
    value.close()
    return None


class Ended:
    """The status that the server sent to an upload.

    Where a message cannot be written because the server has ended the call, grpc.aio says INTERNAL of its own, without
    trailers: before the status that was sent, which then takes its place, or over it. So what came first is kept, and where
    that was grpc.aio's own, the other one is waited for.
    """

    def __init__(self, call: Any) -> None:
        self._call = call
        self._first: tuple[grpc.StatusCode, str | None, Any] | None = None
        call.add_done_callback(self._ended)

    def _ended(self, call: Any) -> None:
        code = _at_once(call.code())
        if code is not None:
            self._first = (code, _at_once(call.details()), _at_once(call.trailing_metadata()))

    async def error(self, told: grpc.RpcError) -> HexarError:
        """What ended the call, where grpc.aio has ``told`` the caller."""
        call, until = self._call, time.monotonic() + STATUS_SECONDS
        if not _own(told.code(), told.trailing_metadata()):
            return convert_rpc(told)
        if self._first is not None and not _own(self._first[0], self._first[2]):
            return convert(*self._first)
        while time.monotonic() < until:
            await asyncio.sleep(0.005)
            code, trailers = await call.code(), await call.trailing_metadata()
            if not _own(code, trailers):
                return convert(code, await call.details(), trailers)
        return convert_rpc(told)


def _own(code: grpc.StatusCode | None, trailers: Any) -> bool:
    """Whether a status may be grpc.aio's own."""
    return code is grpc.StatusCode.INTERNAL and not trailers
