"""One streamed answer, without a socket: bytes of the response in, deltas out.

The same object serves a thread that reads one socket and a loop that reads hundreds. It knows HTTP, server-sent events and the
clock of the stream (first token, idle, total); what the events mean is its reader's knowledge.
"""

import time
from typing import Protocol

from hexar.agents.llm.config import ModelConfig
from hexar.agents.llm.errors import (
    ModelBusy,
    ModelCut,
    ModelError,
    ModelFailed,
    ModelMalformed,
    ModelRefused,
    ModelRejected,
    ModelTimeout,
)
from hexar.agents.llm.transport.http1 import BadResponse, ResponseParser
from hexar.agents.llm.transport.sse import SSEParser, TooLarge
from hexar.agents.llm.types import Delta, Done, Event, SegmentReset, TokenUsage
from hexar.agents.transport.retry_after import retry_after
from hexar.core.deadline import Deadline
from hexar.core.errors import DeadlineExceeded

#: What a 429 without Retry-After asks for, seconds.
DEFAULT_RETRY_AFTER = 1.0

#: Bytes of an answer that comes in one piece, from a server that does not stream.
MAX_WHOLE = 4 << 20


class EventReader(Protocol):
    """What a dialect makes of the events of one answer. Its methods raise ModelError."""

    @property
    def finish(self) -> str:
        """The reason that was given for the end; empty: none yet."""
        ...

    @property
    def reasoning(self) -> int:
        """Characters of reasoning so far."""
        ...

    @property
    def thinking(self) -> bool:
        """True once the model has shown reasoning: it is at work."""
        ...

    def read(self, event: bytes) -> str:
        """The answer's text in one event, often none."""
        ...

    def void(self) -> int:
        """How many pieces of text so far have just turned out to be reasoning; asked once after each event."""
        ...

    def end(self, *, announced: bool) -> str:
        """The last of the text; ``announced``: the stream said itself that it is over."""
        ...

    def usage(self) -> TokenUsage:
        """What the provider reported, else an estimate."""
        ...


class Exchange:
    """The state of one call.

    Not thread-safe: it is handed from the thread that sent the request to the one that reads.
    """

    __slots__ = (
        "_config",
        "_done",
        "_http",
        "_last",
        "_reader",
        "_sse",
        "_started",
        "_whole",
        "deadline",
        "error",
        "first_token_at",
    )

    def __init__(self, config: ModelConfig, reader: EventReader, deadline: Deadline) -> None:
        self._config = config
        self._reader = reader
        self.deadline = deadline
        self._http = ResponseParser()
        self._sse = SSEParser()
        # The body so far, where it is one JSON object and no stream.
        self._whole: bytearray | None = None
        self._started = self._last = time.monotonic()
        self._done = False
        #: When the first text came (monotonic seconds; 0: none yet).
        self.first_token_at = 0.0
        #: What ended the answer; set by :meth:`feed` and :meth:`closed`, after the events that came before it.
        self.error: ModelError | None = None

    @property
    def reusable(self) -> bool:
        """True where the connection may carry another request."""
        return self._done and self._http.reusable

    @property
    def ending(self) -> bool:
        """True while the answer is complete but the end of its body has not come yet."""
        return self._done and not self._http.complete and self.error is None

    @property
    def untouched(self) -> bool:
        """True while no byte of the response was read."""
        return self._http.status == 0

    def feed(self, data: bytes) -> list[Event]:
        """What ``data`` completes. Look at :attr:`error` afterwards; after it, or after a Done, nothing more comes."""
        out: list[Event] = []
        name = self._config.name
        try:
            body = self._http.feed(data)
            if self._done:
                # The end of the body may come in a packet of its own, after the end of the answer.
                return out
            status = self._http.status
            if status and status != 200:
                raise self._status_error(status)
            if body:
                self._body(body, out)
            if self._http.complete and not self._done:
                self._over(out)
        except BadResponse:
            self.error = ModelMalformed(name, "sent no HTTP response")
        except TooLarge:
            self.error = ModelMalformed(name, "sent an event that is too large")
        except ModelError as error:
            self.error = error
        return out

    def closed(self) -> list[Event]:
        """The other side closed the connection: a Done where all was said, else :attr:`error` is set."""
        out: list[Event] = []
        if self._done or self.error is not None:
            return out
        if self._http.status == 0:
            self.error = ModelRefused(self._config.name, "closed the connection")
            return out
        self._http.closed()
        try:
            # A reason to finish is the end of the answer, also where the body has none.
            if not self._http.complete and not self._reader.finish:
                raise ModelCut(self._config.name, "ended its answer too early")
            self._over(out)
        except ModelError as error:
            self.error = error
        return out

    def touch(self) -> None:
        """Count silence from now: reading was put off by us."""
        self._last = time.monotonic()

    def next_timeout(self) -> float:
        """Seconds until :meth:`check` would raise; zero or less: now."""
        limits = self._config.timeouts
        wait = self._last + limits.idle if self._begun else self._started + limits.first_token
        return min(wait, self._started + limits.total, self.deadline.at) - time.monotonic()

    def quiet_for(self) -> float:
        """Seconds in which :meth:`check` does not raise, whatever comes meanwhile: the first token begins a shorter limit."""
        return min(self.next_timeout(), self._config.timeouts.idle)

    def check(self) -> None:
        """Raise ModelTimeout or DeadlineExceeded where a limit has passed."""
        if self.next_timeout() > 0:
            return
        name, limits = self._config.name, self._config.timeouts
        if self.deadline.expired:
            raise DeadlineExceeded(f"model {name} did not finish in time")
        if time.monotonic() >= self._started + limits.total:
            raise ModelTimeout(name, "total")
        raise ModelTimeout(name, "idle" if self._begun else "first_token")

    @property
    def _begun(self) -> bool:
        return bool(self.first_token_at) or self._reader.thinking

    def _body(self, body: bytes, out: list[Event]) -> None:
        if self._whole is None and not self._http.headers.get("content-type", "").lower().startswith("application/json"):
            events = self._sse.feed(body)
            if events:
                self._events(events, out)
            return
        self._whole = self._whole if self._whole is not None else bytearray()
        self._whole += body
        if len(self._whole) > MAX_WHOLE:
            raise TooLarge

    def _events(self, events: list[bytes], out: list[Event]) -> None:
        for event in events:
            event = event.strip()
            if not event:
                # Gateways keep a slow stream alive with empty events: they are no sign of the model.
                continue
            self._last = time.monotonic()
            if event == b"[DONE]":
                self._over(out, announced=True)
                return
            self._read(event, out)

    def _read(self, event: bytes, out: list[Event]) -> None:
        text = self._reader.read(event)
        if pieces := self._reader.void():
            out.append(SegmentReset(self._config.name, "reasoning", pieces))
        self._say(text, out)

    def _say(self, text: str, out: list[Event]) -> None:
        if text:
            if not self.first_token_at:
                self.first_token_at = self._last = time.monotonic()
            out.append(Delta(text))

    def _over(self, out: list[Event], *, announced: bool = False) -> None:
        """Nothing more comes. Raises ModelError where that was not all."""
        if self._whole is not None:
            self._read(bytes(self._whole), out)
            announced = True
        self._say(self._reader.end(announced=announced), out)
        self._done = True
        now = time.monotonic()
        usage, config = self._reader.usage(), self._config
        out.append(
            Done(
                model=config.name,
                finish=self._reader.finish or "stop",
                usage=usage,
                cost_micros=config.cost_micros(usage),
                currency=config.currency if config.priced else "",
                first_token_seconds=(self.first_token_at or now) - self._started,
                total_seconds=now - self._started,
                reasoning_characters=self._reader.reasoning,
            )
        )

    def _status_error(self, status: int) -> ModelError:
        name = self._config.name
        if status == 429:
            return ModelBusy(name, retry_after(self._http.headers, DEFAULT_RETRY_AFTER))
        if status >= 500 or status == 408:
            return ModelFailed(name, f"failed (HTTP {status})", retry_after(self._http.headers, DEFAULT_RETRY_AFTER))
        return ModelRejected(name, status)
