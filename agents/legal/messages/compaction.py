"""A finished document in the fewest messages: how it began, its parts, its files, the end.

Tokens are joined to texts, texts that were taken back are gone, and of a layer's progress the last event stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hexar.core.eventlog import Compaction
from hexar.v1 import legal_pb2 as pb

#: Bytes of parts in one message, but for a section that is larger alone.
PART_BYTES = 256 * 1024
_LISTS = {
    "read_field": "read_fields", "authority": "authorities", "check": "checks", "citation": "citations",
    "removed_citation": "removed_citations",
}  # fmt: skip
_TEXT = ("section", "token", "segment_reset")
_JOINED = frozenset((*_LISTS, *_TEXT, "progress"))


def compact(events: Sequence[bytes]) -> Compaction:
    """The compacted form of a finished log, made of its numbered events: each parts event stands for those it is made of.

    Raises ValueError where the text of a section goes on past an event that stands by itself, which no document's does.
    """
    parsed = [pb.DraftEvent.FromString(event) for event in events]
    open_until = _ends(parsed)
    kept: list[tuple[int, bytes]] = []
    run: list[pb.DraftEvent] = []
    for event in parsed:
        if event.WhichOneof("event") in _JOINED:
            run.append(event)
            continue
        kept += _joined(run, open_until)
        run = []
        seq = event.seq
        event.ClearField("seq")
        kept.append((seq, event.SerializeToString()))
    return Compaction([*kept, *_joined(run, open_until)])


def _ends(events: Sequence[pb.DraftEvent]) -> dict[int, int]:
    """Section → number of the last event of its text."""
    ends: dict[int, int] = {}
    for event in events:
        kind = event.WhichOneof("event")
        if kind in _TEXT:
            ends[getattr(event, kind).index] = event.seq
    return ends


def _joined(run: Sequence[pb.DraftEvent], ends: dict[int, int]) -> Iterator[tuple[int, bytes]]:
    """Parts in order, in as few messages as :data:`PART_BYTES` allows; a section is never divided."""
    begin, size, until = 0, 0, 0
    for at, event in enumerate(run):
        more = event.ByteSize()
        if at > begin and size + more > PART_BYTES and until < event.seq:
            yield run[at - 1].seq, _folded(run[begin:at])
            begin, size = at, 0
        size += more
        kind = event.WhichOneof("event")
        if kind in _TEXT:
            until = max(until, ends[getattr(event, kind).index])
    if run:
        yield run[-1].seq, _folded(run[begin:])


def _folded(run: Sequence[pb.DraftEvent]) -> bytes:
    out = pb.DraftEvent()
    parts = out.parts
    parts.SetInParent()
    texts: dict[int, list[str]] = {}
    begun: dict[int, pb.SectionBegun] = {}
    progress: dict[int, pb.LegalProgress] = {}
    for event in run:
        match event.WhichOneof("event"):
            case "section":
                begun[event.section.index], texts[event.section.index] = event.section, []
            case "token":
                if event.token.index not in begun:
                    raise ValueError("a section's text stands apart from its beginning")
                texts[event.token.index].append(event.token.text)
            case "segment_reset":
                texts[event.segment_reset.index] = []
            case "progress":
                progress.pop(event.progress.layer, None)
                progress[event.progress.layer] = event.progress
            case kind:
                assert kind is not None
                getattr(parts, _LISTS[kind]).append(getattr(event, kind))
    parts.progress.extend(progress.values())
    parts.sections.extend(pb.DraftedSection(section=section, text="".join(texts[at])) for at, section in begun.items())
    return out.SerializeToString()
