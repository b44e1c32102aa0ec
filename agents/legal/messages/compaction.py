"""A finished document in the fewest messages: how it began, its parts, its files, the end.

Tokens are joined to texts, texts that were taken back are gone, and of a layer's progress the last event stays.
"""

from __future__ import annotations

from collections.abc import Sequence

from hexar.agents.compaction import compact_runs
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
    between = _between_sections(parsed)
    return compact_runs(
        parsed, lambda event: event.WhichOneof("event") in _JOINED, _fold, PART_BYTES, lambda event: event.seq in between
    )


def _between_sections(events: Sequence[pb.DraftEvent]) -> set[int]:
    """Numbers of the events before which no section is half told: a section is never divided."""
    ends: dict[int, int] = {}
    for event in events:
        kind = event.WhichOneof("event")
        if kind in _TEXT:
            ends[getattr(event, kind).index] = event.seq
    between, until = set(), 0
    for event in events:
        if until < event.seq:
            between.add(event.seq)
        kind = event.WhichOneof("event")
        if kind in _TEXT:
            until = max(until, ends[getattr(event, kind).index])
    return between


def _fold(run: Sequence[pb.DraftEvent]) -> bytes:
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
