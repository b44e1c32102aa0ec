"""The events of a chat answer, and the text that they make."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Literal, TypeAlias

from hexar.v1 import chat_pb2 as pb
from hexar_client._rpc.stream import AsyncStream, Event, Restarted, Stream

#: One event of a chat answer: ``event.kind`` says what ``event.body`` is.
ChatEvents: TypeAlias = (
    Event[Literal["started"], pb.ChatStarted]
    | Event[Literal["token"], pb.ChatToken]
    | Event[Literal["citation"], pb.ChatCitation]
    | Event[Literal["segment_reset"], pb.ChatSegmentReset]
    | Event[Literal["done"], pb.ChatDone]
    | Event[Literal["restarted"], Restarted]
)
#: What these events hold.
ChatBody: TypeAlias = pb.ChatStarted | pb.ChatToken | pb.ChatCitation | pb.ChatSegmentReset | pb.ChatDone | Restarted


def text_of(events: Iterable[Event[Any, Any]]) -> str:
    """The text of an answer: its tokens since the last segment_reset, or since it was begun anew."""
    pieces: list[str] = []
    for event in events:
        if event.kind == "token":
            pieces.append(event.body.text)
        elif event.kind in ("segment_reset", "restarted"):
            pieces.clear()
    return "".join(pieces)


def _note(state: Any, event: Event[Any, Any]) -> None:
    # A caller that comes back for the rest names the conversation that its first event began.
    if event.kind == "started" and not state.request.conversation_id:
        state.request.conversation_id = event.body.conversation_id


class ChatStream(Stream[ChatEvents]):
    """The events of one chat answer."""

    def __iter__(self) -> Iterator[ChatEvents]:
        for event in super().__iter__():
            _note(self._state, event)
            yield event


class AsyncChatStream(AsyncStream[ChatEvents]):
    """As :class:`ChatStream`, on the event loop."""

    async def __aiter__(self) -> AsyncIterator[ChatEvents]:
        async for event in super().__aiter__():
            _note(self._state, event)
            yield event
