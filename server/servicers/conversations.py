"""The conversations of ChatService: listed, read, removed."""

from __future__ import annotations

from collections.abc import Mapping

from hexar.agents.portfolio import messages
from hexar.agents.portfolio.chat.conversations import Conversations
from hexar.agents.portfolio.validation import check_made_id, check_name, page_size
from hexar.core.paging import PageTokens
from hexar.core.store import Database
from hexar.server.calls.rpc import Call, Handler
from hexar.v1 import chat_pb2, common_pb2

SERVICE = "hexar.v1.ChatService/"
_CONVERSATIONS = PageTokens("conversations", float)
_TURNS = PageTokens("turns", int)


class ConversationHandlers:
    """The methods of ChatService over kept conversations."""

    def __init__(self, database: Database, conversations: Conversations) -> None:
        self._database = database
        self._conversations = conversations

    def handlers(self) -> Mapping[str, Handler]:
        """Handlers by method path."""
        return {
            SERVICE + "ListConversations": self.list,
            SERVICE + "GetConversation": self.get,
            SERVICE + "DeleteConversation": self.delete,
        }

    async def list(self, call: Call) -> bytes:
        """List conversations, the latest first."""
        request = call.decode(chat_pb2.ListConversationsRequest)
        check_name("portfolio_id", request.portfolio_id, required=False)
        size = page_size(request.page)
        (before,) = _CONVERSATIONS.decode(request.page.token) or (0.0,)
        rows, total = await self._database.run(self._conversations.page, call.tenant, request.portfolio_id, before, size + 1)
        more = _CONVERSATIONS.encode(rows[size - 1].updated_at) if len(rows) > size else ""
        return chat_pb2.ListConversationsResponse(
            conversations=[messages.conversation(row) for row in rows[:size]],
            page=common_pb2.PageInfo(next_token=more, total=total, counted=True),
        ).SerializeToString()

    async def get(self, call: Call) -> bytes:
        """Read a conversation's turns."""
        request = call.decode(chat_pb2.GetConversationRequest)
        check_made_id("conversation_id", request.conversation_id)
        size = page_size(request.page)
        (after,) = _TURNS.decode(request.page.token) or (0,)
        row, turns = await self._database.run(self._conversations.read, call.tenant, request.conversation_id, after, size + 1)
        more = _TURNS.encode(turns[size - 1].number) if len(turns) > size else ""
        return chat_pb2.GetConversationResponse(
            conversation=messages.conversation(row),
            turns=[messages.turn(turn) for turn in turns[:size]],
            page=common_pb2.PageInfo(next_token=more, total=row.turn_count, counted=True),
        ).SerializeToString()

    async def delete(self, call: Call) -> bytes:
        """Remove a conversation."""
        request = call.decode(chat_pb2.DeleteConversationRequest)
        check_made_id("conversation_id", request.conversation_id)
        turns = await self._database.run(self._conversations.delete, call.tenant, request.conversation_id)
        return chat_pb2.DeleteConversationResponse(turn_count=turns).SerializeToString()
