"""Connections to a model's server: made within a time limit, given up within a quarter second, kept for the next
call."""

import select
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from hexar.agents.llm.config import ModelConfig
from hexar.agents.llm.errors import ModelCancelled, ModelRefused, ModelTimeout
from hexar.agents.transport.cancel import Cancel
from hexar.agents.transport.idle import IdleConnections
from hexar.core.deadline import Deadline
from hexar.core.errors import DeadlineExceeded

#: How often a thread that waits for a connection looks whether it is still wanted, seconds.
CANCEL_CHECK = 0.1

#: Connections kept open per model, and for how long, seconds. Servers close idle ones after a minute or so.
MAX_IDLE = 256
IDLE_SECONDS = 30.0


@dataclass(slots=True)
class Connection:
    """One socket; ``reused`` where it has carried a call before."""

    socket: socket.socket
    reused: bool = False

    @property
    def secure(self) -> bool:
        """True for TLS."""
        return isinstance(self.socket, ssl.SSLSocket)

    def close(self) -> None:
        self.socket.close()


def shutdown(sock: socket.socket) -> None:
    """Stop a socket from another thread: its reader sees the end at once, the peer sees a close."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # already closed: that is what was wanted


def send(sock: socket.socket, data: bytes, seconds: float) -> None:
    """Send all of ``data``, waiting for at most ``seconds``. Raises OSError.

    A kept connection has room in nearly all cases: it is asked at once, without waiting for it first.
    """
    sent = 0
    if sock.gettimeout() == 0.0:
        with suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            sent = sock.send(data)
        if sent == len(data):
            return
    sock.settimeout(max(0.001, seconds))
    sock.sendall(memoryview(data)[sent:])


class Connector:
    """Makes and keeps connections for one model.

    Thread-safety: all methods may be called from any thread.
    """

    def __init__(self, config: ModelConfig) -> None:
        url = urlsplit(config.base_url)
        self._name = config.name
        self._connect_seconds = config.timeouts.connect
        self._host = url.hostname or ""
        self._tls = ssl.create_default_context(cafile=config.ca_file or None) if url.scheme == "https" else None
        self._port = url.port or (443 if self._tls else 80)
        #: Kept sockets, all non-blocking.
        self.idle = IdleConnections[socket.socket](
            limit=MAX_IDLE, seconds=IDLE_SECONDS, alive=_silent, close=socket.socket.close
        )
        #: The Host header.
        self.host = url.netloc.rpartition("@")[2]
        self._path = url.path.rstrip("/")
        self._query = f"?{url.query}" if url.query else ""

    def target(self, path: str) -> str:
        """What a request line names for ``path`` below the base URL; the query of that goes with every call."""
        return f"{self._path}/{path}{self._query}"

    def get(self, deadline: Deadline, cancel: Cancel, *, fresh: bool = False) -> Connection:
        """A kept connection, or a new one. Raises ModelRefused, ModelTimeout, ModelCancelled, DeadlineExceeded."""
        kept = None if fresh else self.idle.take()
        return Connection(kept, reused=True) if kept is not None else Connection(self._open(deadline, cancel))

    def keep(self, connection: Connection) -> None:
        """Keep a connection whose answer was read to its end."""
        unblock(connection.socket)
        self.idle.keep(connection.socket)

    def close(self) -> None:
        """Close the kept connections."""
        self.idle.close()

    def _open(self, deadline: Deadline, cancel: Cancel) -> socket.socket:
        limit = Deadline.after(deadline.bounded(self._connect_seconds))
        try:
            addresses = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise ModelRefused(self._name, "has a host name that is not found") from error
        failure: OSError | None = None
        for family, kind, protocol, _, address in addresses:
            sock = socket.socket(family, kind, protocol)
            try:
                self._reach(sock, address, limit, deadline, cancel)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._tls is None:
                    return sock
                return self._secure(sock, self._tls, limit, deadline, cancel)
            except OSError as error:
                sock.close()
                failure = error
            except BaseException:
                sock.close()
                raise
        raise ModelRefused(self._name, "refused the connection") from failure

    def _reach(
        self, sock: socket.socket, address: tuple[object, ...], limit: Deadline, deadline: Deadline, cancel: Cancel
    ) -> None:
        sock.setblocking(False)
        pending = sock.connect_ex(address)
        while pending:
            if cancel.cancelled:
                raise ModelCancelled(self._name)
            if limit.expired:
                raise self._late(deadline)
            if _poll(sock, select.POLLOUT, limit.bounded(CANCEL_CHECK)):
                pending = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if pending:
                    raise OSError(pending, "connect")
        sock.settimeout(max(0.001, limit.remaining()))

    def _secure(
        self, sock: socket.socket, context: ssl.SSLContext, limit: Deadline, deadline: Deadline, cancel: Cancel
    ) -> socket.socket:
        sock.settimeout(max(0.001, limit.remaining()))
        detach = cancel.attach(lambda: shutdown(sock))
        try:
            return context.wrap_socket(sock, server_hostname=self._host)
        except ssl.SSLCertVerificationError as error:
            raise ModelRefused(self._name, "has a certificate that cannot be verified") from error
        except TimeoutError as error:
            raise self._late(deadline) from error
        except OSError:
            if cancel.cancelled:
                raise ModelCancelled(self._name) from None
            raise
        finally:
            detach()

    def _late(self, deadline: Deadline) -> ModelTimeout | DeadlineExceeded:
        if deadline.expired:
            return DeadlineExceeded(f"model {self._name} did not answer in time")
        return ModelTimeout(self._name, "connect")


def unblock(sock: socket.socket) -> None:
    """Make a socket non-blocking. Each call to the system costs a thread the interpreter's lock, so not twice."""
    if sock.gettimeout() != 0.0:
        sock.setblocking(False)


def _silent(sock: socket.socket) -> bool:
    """Whether nothing came over a non-blocking socket, not even its end."""
    try:
        if isinstance(sock, ssl.SSLSocket):
            return not _poll(sock, select.POLLIN, 0.0)
        sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _poll(sock: socket.socket, what: int, seconds: float) -> bool:
    poller = select.poll()
    poller.register(sock, what)
    return bool(poller.poll(seconds * 1000))
