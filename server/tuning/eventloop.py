"""uvloop's event loop, which can take the completions of grpc.aio together.

grpc.aio queues a completion, writes a byte to a socket pair, and reads one byte in a turn of the loop, in which it takes
whatever is queued: of ten completions that are there at once, nine turns find nothing. Who reads all bytes has one turn.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, TypeVarTuple

import uvloop

from hexar.server.tuning.affinity import is_completions

Ts = TypeVarTuple("Ts")

_BYTES = 4096


class AtOnce(socket.socket):
    """A socket whose reader gets all bytes that are there, where it asks for one."""

    __slots__ = ()

    def recv(self, size: int, flags: int = 0) -> bytes:
        """At least one byte, and as many as came."""
        return super().recv(max(size, _BYTES), flags)


class Loop(uvloop.Loop):
    """An event loop that knows gRPC's socket pair."""

    _completions: socket.socket | None = None

    def add_reader(self, fd: Any, callback: Callable[[*Ts], Any], *args: *Ts) -> None:
        """As uvloop's."""
        if is_completions(callback) and type(fd) is socket.socket:
            self._completions = fd
        super().add_reader(fd, callback, *args)

    def take_together(self) -> None:
        """Take all completions that wait in one turn, from now on."""
        if self._completions is not None:
            self._completions.__class__ = AtOnce

    def take_singly(self) -> None:
        """As every other loop does, from now on."""
        if self._completions is not None:
            self._completions.__class__ = socket.socket
