"""A finished analysis in the fewest messages: how it began, everything that was found, the end. Progress is left out."""

from __future__ import annotations

from collections.abc import Sequence

from hexar.agents.compaction import compact_runs
from hexar.core.eventlog import Compaction
from hexar.v1 import market_pb2 as pb

#: Bytes of results in one message, but for a result that is larger alone.
RESULT_BYTES = 256 * 1024
_JOINED = {"tool": "tools", "recommendation": "recommendations", "analyst": "analysts"}


def compact(events: Sequence[bytes]) -> Compaction:
    """The compacted form of a finished log, made of its numbered events."""
    parsed = [event for event in map(pb.AnalyzeEvent.FromString, events) if not event.HasField("progress")]
    return compact_runs(parsed, lambda event: event.WhichOneof("event") in _JOINED, _fold, RESULT_BYTES)


def _fold(run: Sequence[pb.AnalyzeEvent]) -> bytes:
    out = pb.AnalyzeEvent()
    for event in run:
        kind = event.WhichOneof("event")
        assert kind is not None
        getattr(out.results, _JOINED[kind]).append(getattr(event, kind))
    return out.SerializeToString()
