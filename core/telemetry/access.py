"""One line of the log for each call, written many at a time, so that no call waits for the log."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO

import orjson

from hexar.core.telemetry.calls import CallRecord

#: Lines that may wait; what comes in excess is counted, and the count is a line.
MOST_WAITING = 50_000
#: Tenants whose escaped names are remembered.
MOST_TENANTS = 1000
#: Seconds between two looks at what waits.
EVERY = 0.25


class AccessLog:
    """Writes a line a call to ``stream``. ``render`` makes the line.

    Thread-safety: calls of :meth:`add` come one after another; a thread of its own writes.
    """

    def __init__(self, stream: TextIO, render: Callable[[CallRecord], str]) -> None:
        self._stream = stream
        self._render = render
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="access-log", daemon=True)
        self._thread.start()

    def add(self, record: CallRecord) -> None:
        """Write a line for ``record`` soon."""
        # Made here: a thread that makes thousands of lines would take the interpreter away from the calls.
        if len(self._lines) < MOST_WAITING:
            self._lines.append(self._render(record))
        else:
            self._dropped += 1

    def close(self) -> None:
        """Write what waits."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(EVERY):
            self._write()
        self._write()

    def _write(self) -> None:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        dropped, self._dropped = self._dropped, 0
        if dropped:
            lines.append(f'{{"event": "access_lines_lost", "count": {dropped}}}')
        if lines:
            lines.append("")
            self._stream.write("\n".join(lines))
            self._stream.flush()


def as_json(worker: int) -> Callable[[CallRecord], str]:
    """Lines as the JSON log has them. Put together by hand: there are thousands a second, and only tenants need escaping."""
    moment = _Moments()
    tenants: dict[str, str] = {}

    def render(call: CallRecord) -> str:
        tenant = tenants.get(call.tenant)
        if tenant is None:
            if len(tenants) >= MOST_TENANTS:
                tenants.clear()
            tenant = tenants[call.tenant] = orjson.dumps(call.tenant).decode()
        first = "null" if call.first is None else f"{call.first:.6f}"
        return (
            f'{{"event":"call","level":"info","timestamp":"{moment(call.ended)}","worker":{worker},"method":"{call.method}",'
            f'"code":"{call.code}","seconds":{call.seconds:.6f},"first_event_seconds":{first},"tenant":{tenant},'
            f'"request_id":"{call.request_id}","cache":"{call.cache}","tier":"{call.tier}"}}'
        )

    return render


def as_text() -> Callable[[CallRecord], str]:
    """Lines as the console shows them."""
    moment = _Moments()

    def render(call: CallRecord) -> str:
        cache = f" {call.cache}/{call.tier}" if call.cache else ""
        took = f"{call.seconds * 1000:.1f} ms"
        return f"{moment(call.ended)} [info     ] call {call.method} {call.code} {took}{cache} request_id={call.request_id}"

    return render


class _Moments:
    """Times as text; the part that is the same for a second is made once."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def __call__(self, at: float) -> str:
        second = int(at)
        if second != self._second:
            self._second, self._text = second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._text}.{int((at - second) * 1e6):06d}Z"
