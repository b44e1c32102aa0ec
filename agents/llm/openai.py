"""Models behind an OpenAI-compatible endpoint: OpenAI, Mistral, vLLM, Ollama, llama.cpp and others.

``stream`` reads one answer on the caller's thread. ``open`` stops after the request is sent and hands the answer over
to :class:`hexar.agents.llm.transport.readers.Reader`, which reads all of them on the event loop (docs/adr/0013).
"""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from hexar.agents.llm.config import ModelConfig
from hexar.agents.llm.errors import ModelCancelled, ModelRefused, ModelStale
from hexar.agents.llm.transport.cancel import Cancel
from hexar.agents.llm.transport.connect import Connection, Connector, send, shutdown
from hexar.agents.llm.transport.exchange import Exchange
from hexar.agents.llm.transport.http1 import request_bytes
from hexar.agents.llm.types import Delta, Done, Request
from hexar.core.deadline import Deadline
from hexar.core.errors import DeadlineExceeded

#: Bytes read from a socket at once.
READ_SIZE = 65536

#: How long a thread waits for the end of the body after the end of the answer, seconds.
END_OF_BODY_WAIT = 0.02


@dataclass(slots=True)
class OpenAnswer:
    """A call whose request is sent and whose answer is still to be read."""

    connection: Connection
    exchange: Exchange
    provider: "OpenAIProvider"

    def closed(self) -> list[Delta | Done]:
        """As :meth:`Exchange.closed`; ModelStale where a kept connection was closed before it said anything."""
        if self.connection.reused and self.exchange.untouched:
            self.exchange.error = ModelStale(self.provider.name, "closed a kept connection")
            return []
        return self.exchange.closed()

    def finish(self) -> None:
        """Keep the connection where its body was read to the end, close it otherwise."""
        if self.exchange.reusable:
            self.provider.connector.keep(self.connection)
        else:
            self.connection.close()


class OpenAIProvider:
    """One configured model.

    Thread-safety: all methods may be called from any thread; an iterator or OpenAnswer belongs to one thread at a time.
    """

    def __init__(self, config: ModelConfig) -> None:
        self.config = config
        self.connector = Connector(config)
        headers = [("Accept", "text/event-stream"), ("User-Agent", "hexar")]
        if config.api_key:
            headers.append(("Authorization", f"Bearer {config.api_key}"))
        self._headers = (*headers, *config.headers)

    @property
    def name(self) -> str:
        return self.config.name

    def open(self, request: Request, deadline: Deadline, cancel: Cancel, *, fresh: bool = False) -> OpenAnswer:
        """Connect and send; ``fresh`` uses no kept connection. Raises ModelError or DeadlineExceeded."""
        connection = self._send(self._payload(request), deadline, cancel, fresh=fresh)
        return OpenAnswer(connection, Exchange(self.config, request, deadline), self)

    def stream(self, request: Request, deadline: Deadline, cancel: Cancel) -> Iterator[Delta | Done]:
        """See :class:`hexar.agents.llm.types.Provider`. Reads on the caller's thread."""
        try:
            yield from self._read(self.open(request, deadline, cancel), cancel)
        except ModelStale:
            yield from self._read(self.open(request, deadline, cancel, fresh=True), cancel)

    def close(self) -> None:
        """Close the kept connections; running calls end by themselves."""
        self.connector.close()

    def _read(self, answer: OpenAnswer, cancel: Cancel) -> Iterator[Delta | Done]:
        sock, exchange = answer.connection.socket, answer.exchange
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
                    raise ModelCancelled(self.name)
                for event in exchange.feed(data) if data else answer.closed():
                    yield event
                    if isinstance(event, Done):
                        return
                if exchange.error is not None:
                    raise exchange.error
                exchange.check()
        finally:
            detach()
            self._end_of_body(answer)
            answer.finish()

    @staticmethod
    def _end_of_body(answer: OpenAnswer) -> None:
        """Wait a moment for the end of a complete answer's body, so that its connection can be kept."""
        if not answer.exchange.ending:
            return
        try:
            answer.connection.socket.settimeout(END_OF_BODY_WAIT)
            answer.exchange.feed(answer.connection.socket.recv(READ_SIZE))
        except OSError:
            return  # it is closed instead

    def _send(self, payload: bytes, deadline: Deadline, cancel: Cancel, *, fresh: bool) -> Connection:
        if cancel.cancelled:
            raise ModelCancelled(self.name)
        connection = self.connector.get(deadline, cancel, fresh=fresh)
        detach = cancel.attach(lambda: shutdown(connection.socket))
        try:
            send(connection.socket, payload, deadline.bounded(self.config.timeouts.connect))
        except OSError as error:
            connection.close()
            if cancel.cancelled:
                raise ModelCancelled(self.name) from error
            if deadline.expired:
                raise DeadlineExceeded(f"model {self.name} did not answer in time") from error
            if connection.reused:
                return self._send(payload, deadline, cancel, fresh=True)
            raise ModelRefused(self.name, "closed the connection") from error
        finally:
            detach()
        return connection

    def _payload(self, request: Request) -> bytes:
        body: dict[str, object] = {
            "model": self.config.model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "stream": True,
            self.config.max_tokens_field: request.max_tokens,
        }
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.stop:
            body["stop"] = list(request.stop)
        if self.config.include_usage:
            body["stream_options"] = {"include_usage": True}
        path = f"{self.connector.path}/chat/completions"
        return request_bytes(self.connector.host, path, self._headers, orjson.dumps(body))


def receive(sock: socket.socket) -> bytes | None:
    """Bytes of a non-blocking socket; empty at its end, None where there are none now."""
    try:
        return sock.recv(READ_SIZE)
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return None
    except OSError:
        return b""
