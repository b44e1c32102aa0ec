"""Sockets that never wait past a deadline, never take more bytes than agreed, and can be cut from another thread.

A timeout of a socket restarts with every byte, so a server that drips one byte a second would hold a thread for hours. Here
every single operation is armed with what is left of the whole budget. TLS goes through the same class of socket.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

from hexar.agents.transport.cancel import Cancel
from hexar.agents.vendors.errors import VendorCancelled, VendorMalformed, VendorTimeout, VendorUnreachable
from hexar.core.deadline import Deadline

#: A vendor that had this many seconds and did not answer is to blame; with less, the caller's hurry is.
FAIR_SECONDS = 0.5


class Budget:
    """What one request may use: time until ``deadline``, ``read_timeout`` seconds of silence, ``wire_bytes`` received."""

    __slots__ = ("vendor", "deadline", "read_timeout", "wire_bytes", "started", "cancel")

    def __init__(self, vendor: str, deadline: Deadline, read_timeout: float, wire_bytes: int, cancel: Cancel | None) -> None:
        self.vendor = vendor
        self.deadline = deadline
        self.read_timeout = read_timeout
        self.wire_bytes = wire_bytes
        self.started = time.monotonic()
        self.cancel = cancel

    def check(self) -> float:
        """Seconds that the next operation may take. Raises VendorTimeout or VendorCancelled when there are none."""
        if self.cancel is not None and self.cancel.cancelled:
            raise VendorCancelled(self.vendor, "nobody waits for the answer")
        seconds = self.deadline.bounded(self.read_timeout)
        if seconds <= 0:
            raise self.timeout()
        return seconds

    def timeout(self) -> VendorTimeout:
        """The error of an operation that took too long, blamed on who deserves it."""
        elapsed = time.monotonic() - self.started
        return VendorTimeout(self.vendor, fair=elapsed >= min(FAIR_SECONDS, self.read_timeout))

    def received(self, count: int) -> None:
        """Account for ``count`` bytes from the wire. Raises VendorMalformed beyond the limit."""
        self.wire_bytes -= count
        if self.wire_bytes < 0:
            raise VendorMalformed(self.vendor, "the answer is larger than allowed")

    def broken(self, error: OSError) -> Exception:
        """The error that a broken operation stands for."""
        if self.cancel is not None and self.cancel.cancelled:
            return VendorCancelled(self.vendor, "nobody waits for the answer")
        if isinstance(error, TimeoutError):
            return self.timeout()
        return VendorUnreachable(self.vendor, "the connection broke")


class BudgetSocket(socket.socket):
    """A TCP socket on a budget; without one (``budget`` is None) it behaves as any socket."""

    budget: Budget | None = None

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        """As socket.recv_into, within the budget."""
        return _receive(self, super().recv_into, args, kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        """As socket.sendall, within the budget."""
        _send(self, super().sendall, args, kwargs)


class BudgetTlsSocket(ssl.SSLSocket):
    """A TLS socket on a budget. The handshake is bounded by the timeout that the TCP socket has when it is wrapped."""

    budget: Budget | None = None

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        """As SSLSocket.recv_into, within the budget."""
        return _receive(self, super().recv_into, args, kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        """As SSLSocket.sendall, within the budget."""
        _send(self, super().sendall, args, kwargs)


def cut(connected: socket.socket) -> None:
    """Wake whoever waits on ``connected``, from any thread. TLS state is left alone: its owner still uses it."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


def connect(addresses: list[str], port: int, budget: Budget, connect_timeout: float) -> BudgetSocket:
    """A connected socket to the first address that answers. Raises VendorTimeout, VendorCancelled or VendorUnreachable."""
    failure: Exception | None = None
    for index, address in enumerate(addresses):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        share = min(connect_timeout, budget.check() / (len(addresses) - index))
        try:
            fresh = BudgetSocket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        except OSError as error:
            failure = VendorUnreachable(budget.vendor, "no socket was left")
            failure.__cause__ = error
            continue
        detach = budget.cancel.attach(lambda opened=fresh: cut(opened)) if budget.cancel is not None else None  # type: ignore[misc]
        try:
            fresh.settimeout(share)
            fresh.connect((address, port))
            fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return fresh
        except OSError as error:
            fresh.close()
            failure = budget.broken(error)
            if isinstance(failure, VendorUnreachable):
                failure = VendorUnreachable(budget.vendor, "the connection was refused or failed")
            failure.__cause__ = error
            if isinstance(failure, VendorCancelled):
                break
        finally:
            if detach is not None:
                detach()
    assert failure is not None, "the guard never returns an empty list"
    raise failure


def _receive(owner: BudgetSocket | BudgetTlsSocket, receive: Callable[..., int], args: Any, kwargs: Any) -> int:
    budget = owner.budget
    if budget is None:
        return receive(*args, **kwargs)
    owner.settimeout(budget.check())
    try:
        count = receive(*args, **kwargs)
    except OSError as error:
        raise budget.broken(error) from error
    if count == 0 and budget.cancel is not None and budget.cancel.cancelled:
        raise VendorCancelled(budget.vendor, "nobody waits for the answer")
    budget.received(count)
    return count


def _send(owner: BudgetSocket | BudgetTlsSocket, send: Callable[..., None], args: Any, kwargs: Any) -> None:
    budget = owner.budget
    if budget is None:
        send(*args, **kwargs)
        return
    owner.settimeout(budget.check())
    try:
        send(*args, **kwargs)
    except OSError as error:
        raise budget.broken(error) from error
