"""What the systems' compacted answers have in common: runs of results in as few messages as their size allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, Protocol, TypeVar

from hexar.core.eventlog import Compaction


class NumberedEvent(Protocol):
    """An event of any system, as protobuf reads it."""

    seq: int

    def ByteSize(self) -> int: ...
    def ClearField(self, field: Literal["seq"], /) -> None: ...
    def SerializeToString(self) -> bytes: ...


E = TypeVar("E", bound=NumberedEvent)


def compact_runs(
    events: Sequence[E],
    joins: Callable[[E], bool],
    fold: Callable[[Sequence[E]], bytes],
    message_bytes: int,
    divides: Callable[[E], bool] = lambda _: True,
) -> Compaction:
    """The compacted form of ``events``, in their order.

    Those that ``joins`` takes are folded, as many neighbours into one message as ``message_bytes`` allows, and more only where
    one is larger alone or none of them ``divides``: may be the first of a message. The others stay. ``fold`` returns the
    serialized event without its number. The events' numbers are cleared.
    """
    kept: list[tuple[int, bytes]] = []
    run: list[E] = []
    for event in events:
        if joins(event):
            run.append(event)
            continue
        kept += _folded(run, fold, message_bytes, divides)
        run = []
        seq = event.seq
        event.ClearField("seq")
        kept.append((seq, event.SerializeToString()))
    return Compaction([*kept, *_folded(run, fold, message_bytes, divides)])


def _folded(
    run: Sequence[E], fold: Callable[[Sequence[E]], bytes], message_bytes: int, divides: Callable[[E], bool]
) -> Iterator[tuple[int, bytes]]:
    begin, size = 0, 0
    for at, event in enumerate(run):
        more = event.ByteSize()
        if at > begin and size + more > message_bytes and divides(event):
            yield run[at - 1].seq, fold(run[begin:at])
            begin, size = at, 0
        size += more
    if run:
        yield run[-1].seq, fold(run[begin:])
