"""Calls to one model's endpoint: a request sent within its limits, and the answer read by a thread or handed to the loop."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from hexar.agents.llm.config import ModelConfig
from hexar.agents.llm.errors import ModelCancelled, ModelError, ModelRefused, ModelStale
from hexar.agents.llm.transport.connect import Connection, Connector, send, shutdown
from hexar.agents.llm.transport.exchange import EventReader, Exchange
from hexar.agents.llm.transport.http1 import request_bytes
from hexar.agents.llm.types import Done, Event
from hexar.agents.transport.cancel import Cancel
from hexar.core.deadline import Deadline
from hexar.core.errors import DeadlineExceeded

#: Bytes read from a socket at once.
READ_SIZE = 65536

#: How long a thread waits for the end of the body after the end of the answer, seconds.
END_OF_BODY_WAIT = 0.02


@dataclass(slots=True)
class Call:
    """A call whose request is sent and whose answer is still to be read: the :class:`hexar.agents.llm.types.Answer` of HTTP."""

    connection: Connection
    exchange: Exchange
    connector: Connector
    model: str

    @property
    def socket(self) -> socket.socket:
        return self.connection.socket

    @property
    def error(self) -> ModelError | None:
        return self.exchange.error

    @property
    def ending(self) -> bool:
        return self.exchange.ending

    def feed(self, data: bytes) -> list[Event]:
        return self.exchange.feed(data)

    def closed(self) -> list[Event]:
        """As :meth:`Exchange.closed`; ModelStale where a kept connection was closed before it said anything."""
        if self.connection.reused and self.exchange.untouched:
            self.exchange.error = ModelStale(self.model, "closed a kept connection")
            return []
        return self.exchange.closed()

    def touch(self) -> None:
        self.exchange.touch()

    def check(self) -> None:
        self.exchange.check()

    def quiet_for(self) -> float:
        return self.exchange.quiet_for()

    def finish(self) -> None:
        """Keep the connection where its body was read to the end, close it otherwise."""
        if self.exchange.reusable:
            self.connector.keep(self.connection)
        else:
            self.connection.close()


class Client:
    """The endpoint ``path`` below a model's ``base_url``.

    Thread-safety: all methods may be called from any thread; a :class:`Call` belongs to one thread at a time.
    """

    def __init__(self, config: ModelConfig, path: str, headers: tuple[tuple[str, str], ...]) -> None:
        self._config = config
        self._headers = headers
        self.connector = Connector(config)
        self._target = self.connector.target(path)

    def send(self, body: bytes, reader: EventReader, deadline: Deadline, cancel: Cancel, *, fresh: bool = False) -> Call:
        """Connect and send; ``fresh`` uses no kept connection. Raises ModelError or DeadlineExceeded."""
        connection = self._send(
            request_bytes(self.connector.host, self._target, self._headers, body), deadline, cancel, fresh=fresh
        )
        return Call(connection, Exchange(self._config, reader, deadline), self.connector, self._config.name)

    def read(self, call: Call, cancel: Cancel) -> Iterator[Event]:
        """The answer on the caller's thread; raises as :meth:`send`, and ModelStale."""
        sock, exchange = call.socket, call.exchange
        detach = cancel.attach(lambda: shutdown(sock))
        try:
            while True:
                sock.settimeout(max(0.001, min(exchange.next_timeout(), 3600.0)))
                try:
                    data = sock.recv(READ_SIZE)
                except TimeoutError:
                    exchange.check()
                    continue
                except OSError:
                    data = b""
                if cancel.cancelled:
                    raise ModelCancelled(self._config.name)
                for event in exchange.feed(data) if data else call.closed():
                    yield event
                    if isinstance(event, Done):
                        return
                if exchange.error is not None:
                    raise exchange.error
                exchange.check()
        finally:
            detach()
            _end_of_body(call)
            call.finish()

    def close(self) -> None:
        """Close the kept connections; running calls end by themselves."""
        self.connector.close()

    def _send(self, request: bytes, deadline: Deadline, cancel: Cancel, *, fresh: bool) -> Connection:
        name = self._config.name
        if cancel.cancelled:
            raise ModelCancelled(name)
        connection = self.connector.get(deadline, cancel, fresh=fresh)
        detach = cancel.attach(lambda: shutdown(connection.socket))
        try:
            send(connection.socket, request, deadline.bounded(self._config.timeouts.connect))
        except OSError as error:
            connection.close()
            if cancel.cancelled:
                raise ModelCancelled(name) from error
            if deadline.expired:
                raise DeadlineExceeded(f"model {name} did not answer in time") from error
            if connection.reused:
                return self._send(request, deadline, cancel, fresh=True)
            raise ModelRefused(name, "closed the connection") from error
        finally:
            detach()
        return connection


def _end_of_body(call: Call) -> None:
    """Wait a moment for the end of a complete answer's body, so that its connection can be kept."""
    if not call.ending:
        return
    try:
        call.socket.settimeout(END_OF_BODY_WAIT)
        call.feed(call.socket.recv(READ_SIZE))
    except OSError:
        return  # it is closed instead


def receive(sock: socket.socket) -> bytes | None:
    """Bytes of a non-blocking socket; empty at its end, None where there are none now."""
    try:
        return sock.recv(READ_SIZE)
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return None
    except OSError:
        return b""
