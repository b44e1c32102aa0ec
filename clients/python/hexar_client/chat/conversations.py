"""Conversations and agents, blocking and asynchronous: rows as messages of the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

from hexar.v1 import chat_pb2 as pb
from hexar.v1 import chat_pb2_grpc, common_pb2
from hexar_client._rpc.calls import AsyncCalls, Calls


class Conversations:
    """The conversations of ChatService for blocking code."""

    def __init__(self, client: Calls) -> None:
        self._client = client
        self._stub: Any = chat_pb2_grpc.ChatServiceStub(client.channel)

    def list(self, portfolio_id: str = "") -> Iterator[pb.Conversation]:
        """All conversations, of one portfolio or of all, the latest first, page by page."""
        request = pb.ListConversationsRequest(portfolio_id=portfolio_id)
        return self._client.pages(self._stub.ListConversations, request, lambda page: page.conversations)

    def get(self, conversation_id: str) -> pb.Conversation:
        """A conversation without its turns. NotFound."""
        request = pb.GetConversationRequest(conversation_id=conversation_id, page=common_pb2.PageRequest(size=1))
        return cast("pb.Conversation", (self._client.unary(self._stub.GetConversation, request)).conversation)

    def turns(self, conversation_id: str) -> Iterator[pb.ConversationTurn]:
        """All turns of a conversation, the oldest first, page by page. NotFound."""
        request = pb.GetConversationRequest(conversation_id=conversation_id)
        return self._client.pages(self._stub.GetConversation, request, lambda page: page.turns)

    def delete(self, conversation_id: str) -> int:
        """Remove a conversation; how many turns went with it. NotFound."""
        request = pb.DeleteConversationRequest(conversation_id=conversation_id)
        return int((self._client.unary(self._stub.DeleteConversation, request)).turn_count)


class Agents:
    """The agents of ChatService for blocking code: prompt, model and limits as data."""

    def __init__(self, client: Calls) -> None:
        self._client = client
        self._stub: Any = chat_pb2_grpc.ChatServiceStub(client.channel)

    def create(self, agent: pb.Agent) -> pb.Agent:
        """Make an agent; the server names one without an id. AlreadyExists."""
        return cast("pb.Agent", (self._client.unary(self._stub.CreateAgent, pb.CreateAgentRequest(agent=agent))).agent)

    def get(self, agent_id: str) -> pb.Agent:
        """Read an agent. NotFound."""
        return cast("pb.Agent", (self._client.unary(self._stub.GetAgent, pb.GetAgentRequest(agent_id=agent_id))).agent)

    def list(self) -> Iterator[pb.Agent]:
        """All agents by id, page by page."""
        return self._client.pages(self._stub.ListAgents, pb.ListAgentsRequest(), lambda page: page.agents)

    def update(self, agent: pb.Agent) -> pb.Agent:
        """Replace an agent's settings. NotFound."""
        return cast("pb.Agent", (self._client.unary(self._stub.UpdateAgent, pb.UpdateAgentRequest(agent=agent))).agent)

    def delete(self, agent_id: str) -> None:
        """Remove an agent. NotFound."""
        self._client.unary(self._stub.DeleteAgent, pb.DeleteAgentRequest(agent_id=agent_id))


class AsyncConversations:
    """The conversations of ChatService on the event loop."""

    def __init__(self, client: AsyncCalls) -> None:
        self._client = client
        self._stub: Any = chat_pb2_grpc.ChatServiceStub(client.channel)

    def list(self, portfolio_id: str = "") -> AsyncIterator[pb.Conversation]:
        """All conversations, of one portfolio or of all, the latest first, page by page."""
        request = pb.ListConversationsRequest(portfolio_id=portfolio_id)
        return self._client.pages(self._stub.ListConversations, request, lambda page: page.conversations)

    async def get(self, conversation_id: str) -> pb.Conversation:
        """A conversation without its turns. NotFound."""
        request = pb.GetConversationRequest(conversation_id=conversation_id, page=common_pb2.PageRequest(size=1))
        return cast("pb.Conversation", (await self._client.unary(self._stub.GetConversation, request)).conversation)

    def turns(self, conversation_id: str) -> AsyncIterator[pb.ConversationTurn]:
        """All turns of a conversation, the oldest first, page by page. NotFound."""
        request = pb.GetConversationRequest(conversation_id=conversation_id)
        return self._client.pages(self._stub.GetConversation, request, lambda page: page.turns)

    async def delete(self, conversation_id: str) -> int:
        """Remove a conversation; how many turns went with it. NotFound."""
        request = pb.DeleteConversationRequest(conversation_id=conversation_id)
        return int((await self._client.unary(self._stub.DeleteConversation, request)).turn_count)


class AsyncAgents:
    """The agents of ChatService on the event loop: prompt, model and limits as data."""

    def __init__(self, client: AsyncCalls) -> None:
        self._client = client
        self._stub: Any = chat_pb2_grpc.ChatServiceStub(client.channel)

    async def create(self, agent: pb.Agent) -> pb.Agent:
        """Make an agent; the server names one without an id. AlreadyExists."""
        return cast("pb.Agent", (await self._client.unary(self._stub.CreateAgent, pb.CreateAgentRequest(agent=agent))).agent)

    async def get(self, agent_id: str) -> pb.Agent:
        """Read an agent. NotFound."""
        return cast("pb.Agent", (await self._client.unary(self._stub.GetAgent, pb.GetAgentRequest(agent_id=agent_id))).agent)

    def list(self) -> AsyncIterator[pb.Agent]:
        """All agents by id, page by page."""
        return self._client.pages(self._stub.ListAgents, pb.ListAgentsRequest(), lambda page: page.agents)

    async def update(self, agent: pb.Agent) -> pb.Agent:
        """Replace an agent's settings. NotFound."""
        return cast("pb.Agent", (await self._client.unary(self._stub.UpdateAgent, pb.UpdateAgentRequest(agent=agent))).agent)

    async def delete(self, agent_id: str) -> None:
        """Remove an agent. NotFound."""
        await self._client.unary(self._stub.DeleteAgent, pb.DeleteAgentRequest(agent_id=agent_id))
