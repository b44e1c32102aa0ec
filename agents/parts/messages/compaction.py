"""A finished discovery in the fewest messages: the vehicle, everything that was found, the summary."""

from __future__ import annotations

from collections.abc import Sequence

from hexar.agents.compaction import compact_runs
from hexar.core.eventlog import Compaction
from hexar.v1 import parts_pb2 as pb

#: Bytes of results in one message, but for a result that is larger alone.
FOUND_BYTES = 256 * 1024


def compact(events: Sequence[bytes]) -> Compaction:
    """The compacted form of a finished log, made of its numbered events: each event found stands for those it is made of."""
    parsed = [pb.DiscoverEvent.FromString(event) for event in events]
    return compact_runs(parsed, lambda event: event.HasField("component") or event.HasField("propagation"), _fold, FOUND_BYTES)


def _fold(run: Sequence[pb.DiscoverEvent]) -> bytes:
    out = pb.DiscoverEvent()
    for event in run:
        if event.HasField("component"):
            out.found.components.append(event.component)
        else:
            out.found.propagation.CopyFrom(event.propagation)
    return out.SerializeToString()
