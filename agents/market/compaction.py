"""A finished analysis in the fewest messages: how it began, everything that was found, the end. Progress is left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hexar.core.eventlog import Compaction
from hexar.v1 import market_pb2 as pb

#: Bytes of results in one message, but for a result that is larger alone.
RESULT_BYTES = 256 * 1024
_JOINED = {"tool": "tools", "recommendation": "recommendations", "analyst": "analysts"}


def compact(events: Sequence[bytes]) -> Compaction:
    """The compacted form of a finished log, made of its numbered events."""
    kept: list[tuple[int, bytes]] = []
    run: list[pb.AnalyzeEvent] = []
    for event in map(pb.AnalyzeEvent.FromString, events):
        kind = event.WhichOneof("event")
        if kind == "progress":
            continue
        if kind in _JOINED:
            run.append(event)
            continue
        kept += _joined(run)
        run = []
        seq = event.seq
        event.ClearField("seq")
        kept.append((seq, event.SerializeToString()))
    return Compaction([*kept, *_joined(run)])


def _joined(run: Sequence[pb.AnalyzeEvent]) -> Iterator[tuple[int, bytes]]:
    """Results in order, in as few messages as :data:`RESULT_BYTES` allows."""
    out, size, seq = pb.AnalyzeEvent(), 0, 0
    for event in run:
        more = event.ByteSize()
        if size and size + more > RESULT_BYTES:
            yield seq, out.SerializeToString()
            out, size = pb.AnalyzeEvent(), 0
        kind = event.WhichOneof("event")
        assert kind is not None
        getattr(out.results, _JOINED[kind]).append(getattr(event, kind))
        size, seq = size + more, event.seq
    if size:
        yield seq, out.SerializeToString()
