"""One streamed chat completion, without a socket: bytes of the response in, deltas out.

The same object serves a thread that reads one socket and a thread that reads hundreds. It knows the clock of the stream
(first token, idle, total), so that both keep the same limits.
"""

import time
from typing import Any

import orjson

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
from hexar.agents.llm.types import Delta, Done, Request, TokenUsage, estimate_tokens
from hexar.core.deadline import Deadline
from hexar.core.errors import DeadlineExceeded

#: What a 429 without Retry-After asks for, seconds; and the most that is believed.
DEFAULT_RETRY_AFTER = 1.0
MAX_RETRY_AFTER = 3600.0


class Exchange:
    """The state of one call. ``text_parts`` holds what was received, for an estimate of the usage.

    Not thread-safe: it is handed from the thread that sent the request to the one that reads.
    """

    __slots__ = (
        "_config",
        "_done",
        "_finish",
        "_http",
        "_last",
        "_request",
        "_sse",
        "_started",
        "_thinking",
        "_usage",
        "deadline",
        "deltas",
        "error",
        "first_token_at",
        "received",
    )

    def __init__(self, config: ModelConfig, request: Request, deadline: Deadline) -> None:
        self._config = config
        self._request = request
        self.deadline = deadline
        self._http = ResponseParser()
        self._sse = SSEParser()
        self._started = self._last = time.monotonic()
        self._finish = ""
        self._usage: TokenUsage | None = None
        self._done = False
        # The model streams its reasoning, which is no part of the answer but shows that it is at work.
        self._thinking = False
        #: Deltas so far, characters of text so far, and when the first came (monotonic seconds; 0: none yet).
        self.deltas = 0
        self.received = 0
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

    def feed(self, data: bytes) -> list[Delta | Done]:
        """What ``data`` completes. Look at :attr:`error` afterwards; after it, or after a Done, nothing more comes."""
        out: list[Delta | Done] = []
        name = self._config.name
        if self._done:
            # The end of the body may come in a packet of its own, after the end of the answer.
            try:
                self._http.feed(data)
            except BadResponse:
                self.error = ModelMalformed(name, "sent no HTTP response")
            return out
        try:
            body = self._http.feed(data)
            status = self._http.status
            if status and status != 200:
                raise self._status_error(status)
            events = self._sse.feed(body) if body else []
            if events:
                self._events(events, out)
            if self._http.complete and not self._done:
                out.append(self._ended())
        except BadResponse:
            self.error = ModelMalformed(name, "sent no HTTP response")
        except TooLarge:
            self.error = ModelMalformed(name, "sent an event that is too large")
        except ModelError as error:
            self.error = error
        return out

    def closed(self) -> list[Delta | Done]:
        """The other side closed the connection: a Done where all was said, else :attr:`error` is set."""
        if self._done or self.error is not None:
            return []
        if self._http.status == 0:
            self.error = ModelRefused(self._config.name, "closed the connection")
            return []
        self._http.closed()
        try:
            return [self._ended()]
        except ModelError as error:
            self.error = error
            return []

    def touch(self) -> None:
        """Count silence from now: reading was put off by us."""
        self._last = time.monotonic()

    def next_timeout(self) -> float:
        """Seconds until :meth:`check` would raise; zero or less: now."""
        now = time.monotonic()
        limits = self._config.timeouts
        wait = self._last + limits.idle if self.first_token_at or self._thinking else self._started + limits.first_token
        return min(wait, self._started + limits.total, self.deadline.at) - now

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
        raise ModelTimeout(name, "idle" if self.first_token_at or self._thinking else "first_token")

    def usage(self) -> TokenUsage:
        """What the provider reported, else an estimate from the text."""
        if self._usage is not None:
            return self._usage
        prompt = estimate_tokens([message.content for message in self._request.messages])
        # Most servers send a token a chunk; some send several.
        return TokenUsage(prompt, max(self.deltas, -(-self.received // 4)), estimated=True)

    def _events(self, events: list[bytes], out: list[Delta | Done]) -> None:
        self._last = time.monotonic()
        for event in events:
            if event == b"[DONE]":
                out.append(self._finished())
                return
            text = self._event(event)
            if text:
                if not self.deltas:
                    self.first_token_at = self._last
                self.deltas += 1
                self.received += len(text)
                out.append(Delta(text))

    def _event(self, event: bytes) -> str:
        """The text of one chunk of the answer."""
        name = self._config.name
        try:
            chunk: Any = orjson.loads(event)
        except orjson.JSONDecodeError as error:
            raise ModelMalformed(name, "sent an event that is not JSON") from error
        try:
            if chunk.get("error"):
                raise ModelFailed(name, "reported an error")
            usage = chunk.get("usage")
            if usage:
                self._usage = TokenUsage(int(usage["prompt_tokens"]), int(usage.get("completion_tokens") or 0))
            choices = chunk.get("choices")
            if not choices:
                return ""
            choice = choices[0]
            self._finish = choice.get("finish_reason") or self._finish
            delta = choice.get("delta")
            text = delta.get("content") if delta else None
            if not text and delta and (delta.get("reasoning_content") or delta.get("reasoning")):
                self._thinking = True
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            raise ModelMalformed(name, "sent an event of another shape") from error
        if text is not None and not isinstance(text, str):
            raise ModelMalformed(name, "sent an event of another shape")
        return text or ""

    def _ended(self) -> Done:
        """The body is over without [DONE]: some servers leave it out after a finish reason."""
        name = self._config.name
        if not self._http.complete or not self._finish:
            if not self.deltas and self._http.complete:
                raise ModelMalformed(name, "sent no event stream")
            raise ModelCut(name, "ended its answer too early")
        return self._finished()

    def _finished(self) -> Done:
        self._done = True
        now = time.monotonic()
        usage = self.usage()
        config = self._config
        return Done(
            model=config.name,
            finish=self._finish or "stop",
            usage=usage,
            cost_micros=config.cost_micros(usage),
            currency=config.currency if config.priced else "",
            first_token_seconds=(self.first_token_at or now) - self._started,
            total_seconds=now - self._started,
        )

    def _status_error(self, status: int) -> ModelError:
        name = self._config.name
        if status == 429:
            return ModelBusy(name, _retry_after(self._http.headers.get("retry-after", "")))
        if status >= 500 or status == 408:
            return ModelFailed(name, f"failed (HTTP {status})", _retry_after(self._http.headers.get("retry-after", "")))
        return ModelRejected(name, status)


def _retry_after(value: str) -> float:
    """Seconds of a Retry-After header. A date is read as the default: clocks of others are not trusted."""
    try:
        seconds = float(value)
    except ValueError:
        return DEFAULT_RETRY_AFTER
    return min(MAX_RETRY_AFTER, seconds) if seconds >= 0 else DEFAULT_RETRY_AFTER
