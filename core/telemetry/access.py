"""One line of the log for each call, written a few hundred at a time so that a call does not wait for its line."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TextIO

import orjson

from hexar.core.telemetry.calls import CallRecord

#: Lines that may wait; what comes in excess is counted, and the count is a line.
MOST_WAITING = 50_000
#: Seconds between two looks at what waits.
EVERY = 0.25


class AccessLog:
    """Writes a line a call to ``stream``. ``render`` makes the line.

    Thread-safety: :meth:`add` belongs to one thread; a thread of its own writes.
    """

    def __init__(self, stream: TextIO, render: Callable[[CallRecord], str]) -> None:
        self._stream = stream
        self._render = render
        self._waiting: deque[CallRecord] = deque()
        self._dropped = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self._thread.start()

    def add(self, record: CallRecord) -> None:
        """Write a line for ``record`` soon."""
        if len(self._waiting) >= MOST_WAITING:
            self._dropped += 1
            return
        self._waiting.append(record)

    def close(self) -> None:
        """Write what waits."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(EVERY):
            self._write()
        self._write()

    def _write(self) -> None:
        lines = [self._render(record) for record in self._taken()]
        dropped, self._dropped = self._dropped, 0
        if dropped:
            lines.append(f'{{"event": "access_lines_lost", "count": {dropped}}}')
        if lines:
            self._stream.write("\n".join(lines) + "\n")
            self._stream.flush()

    def _taken(self) -> Iterable[CallRecord]:
        while self._waiting:
            yield self._waiting.popleft()


def as_json(worker: int) -> Callable[[CallRecord], str]:
    """Lines as the JSON log has them."""

    def render(call: CallRecord) -> str:
        line = {
            "event": "call",
            "level": "info",
            "timestamp": _when(call),
            "worker": worker,
            "method": call.method,
            "code": call.code,
            "seconds": round(call.seconds, 6),
            "first_event_seconds": None if call.first is None else round(call.first, 6),
            "tenant": call.tenant,
            "request_id": call.request_id,
            "cache": call.cache,
            "tier": call.tier,
        }
        return orjson.dumps(line).decode()

    return render


def as_text(call: CallRecord) -> str:
    """Lines as the console shows them."""
    cache = f" {call.cache}/{call.tier}" if call.cache else ""
    took = f"{call.seconds * 1000:.1f} ms"
    return f"{_when(call)} [info     ] call {call.method} {call.code} {took}{cache} request_id={call.request_id}"


def _when(call: CallRecord) -> str:
    return datetime.fromtimestamp(call.ended, UTC).isoformat().replace("+00:00", "Z")
