"""A finished discovery in the fewest messages: the vehicle, everything that was found, the summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hexar.core.eventlog import Compaction
from hexar.v1 import parts_pb2 as pb

#: Bytes of results in one message, but for a result that is larger alone.
FOUND_BYTES = 256 * 1024


def compact(events: Sequence[bytes]) -> Compaction:
    """The compacted form of a finished log, made of its numbered events: each event found stands for those it is made of."""
    parsed = [pb.DiscoverEvent.FromString(event) for event in events]
    kept: list[tuple[int, bytes]] = []
    run: list[pb.DiscoverEvent] = []
    for event in parsed:
        if event.HasField("component") or event.HasField("propagation"):
            run.append(event)
            continue
        kept += _joined(run)
        run = []
        seq = event.seq
        event.ClearField("seq")
        kept.append((seq, event.SerializeToString()))
    return Compaction([*kept, *_joined(run)])


def _joined(run: Sequence[pb.DiscoverEvent]) -> Iterator[tuple[int, bytes]]:
    """Results in order, in as few messages as :data:`FOUND_BYTES` allows."""
    out, size, seq = pb.DiscoverEvent(), 0, 0
    for event in run:
        more = event.ByteSize()
        if size and size + more > FOUND_BYTES:
            yield seq, out.SerializeToString()
            out, size = pb.DiscoverEvent(), 0
        if event.HasField("component"):
            out.found.components.append(event.component)
        else:
            out.found.propagation.CopyFrom(event.propagation)
        size, seq = size + more, event.seq
    if size:
        yield seq, out.SerializeToString()
