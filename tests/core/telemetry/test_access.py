"""The access log: a line a call, in JSON that any reader takes, whatever a tenant is called."""

from __future__ import annotations

import io

import orjson

from hexar.core.telemetry.access import AccessLog, as_json, as_text
from hexar.core.telemetry.calls import CallRecord


def record(number: int, tenant: str = "acme") -> CallRecord:
    """One call."""
    return CallRecord(
        1_800_000_000.25 + number, "hexar.v1.QueryService/Query", "OK", 0.5, None, f"r{number}", tenant, "hit", "memory"
    )


def test_each_call_has_a_line_of_json() -> None:
    """In order, all of them, with what was measured; a name with quotes breaks nothing."""
    stream = io.StringIO()
    log = AccessLog(stream, as_json(2))
    names = ["acme", 'a"b\\c', "é\n"]
    for number in range(300):
        log.add(record(number, names[number % 3]))
    log.close()
    lines = [orjson.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["request_id"] for line in lines] == [f"r{number}" for number in range(300)]
    assert {line["tenant"] for line in lines} == set(names)
    first = lines[0]
    assert (first["event"], first["worker"], first["seconds"], first["first_event_seconds"]) == ("call", 2, 0.5, None)
    assert first["timestamp"] == "2027-01-15T08:00:00.250000Z"


def test_the_console_has_it_on_one_line_too() -> None:
    """For people."""
    text = as_text()(record(0))
    assert "\n" not in text
    assert "QueryService/Query OK 500.0 ms hit/memory request_id=r0" in text
