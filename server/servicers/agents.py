"""The agents of ChatService, prompts and models as data: made, read, listed, changed, removed."""

from __future__ import annotations

from collections.abc import Mapping

from hexar.agents.llm import Models
from hexar.agents.portfolio import messages
from hexar.agents.portfolio.chat.profiles import AgentRow, Agents
from hexar.agents.portfolio.validation import check_agent, check_name, page_size
from hexar.core.errors import FailedPrecondition, InvalidArgument
from hexar.core.paging import PageTokens
from hexar.core.store import Database
from hexar.server.calls.rpc import Call, Handler
from hexar.v1 import chat_pb2, common_pb2

SERVICE = "hexar.v1.ChatService/"
_AGENTS = PageTokens("agents", str)


class AgentHandlers:
    """The methods of ChatService over agents. ``models`` are those that an agent may name."""

    def __init__(self, database: Database, agents: Agents, models: Models) -> None:
        self._database = database
        self._agents = agents
        self._models = models

    def handlers(self) -> Mapping[str, Handler]:
        """Handlers by method path."""
        return {
            SERVICE + "CreateAgent": self.create,
            SERVICE + "GetAgent": self.get,
            SERVICE + "ListAgents": self.list,
            SERVICE + "UpdateAgent": self.update,
            SERVICE + "DeleteAgent": self.delete,
        }

    async def create(self, call: Call) -> bytes:
        """Make an agent."""
        request = call.decode(chat_pb2.CreateAgentRequest)
        made = await self._database.run(self._agents.create, call.tenant, self._row(request.agent, new=True))
        return chat_pb2.CreateAgentResponse(agent=messages.agent(made)).SerializeToString()

    async def get(self, call: Call) -> bytes:
        """Read an agent."""
        request = call.decode(chat_pb2.GetAgentRequest)
        check_name("agent_id", request.agent_id)
        row = await self._database.run(self._agents.get, call.tenant, request.agent_id)
        return chat_pb2.GetAgentResponse(agent=messages.agent(row)).SerializeToString()

    async def list(self, call: Call) -> bytes:
        """List agents."""
        request = call.decode(chat_pb2.ListAgentsRequest)
        size = page_size(request.page)
        (after,) = _AGENTS.decode(request.page.token) or ("",)
        rows, total = await self._database.run(self._agents.page, call.tenant, after, size + 1)
        more = _AGENTS.encode(rows[size - 1].agent_id) if len(rows) > size else ""
        return chat_pb2.ListAgentsResponse(
            agents=[messages.agent(row) for row in rows[:size]],
            page=common_pb2.PageInfo(next_token=more, total=total, counted=True),
        ).SerializeToString()

    async def update(self, call: Call) -> bytes:
        """Replace an agent's settings."""
        request = call.decode(chat_pb2.UpdateAgentRequest)
        made = await self._database.run(self._agents.update, call.tenant, self._row(request.agent, new=False))
        return chat_pb2.UpdateAgentResponse(agent=messages.agent(made)).SerializeToString()

    async def delete(self, call: Call) -> bytes:
        """Remove an agent."""
        request = call.decode(chat_pb2.DeleteAgentRequest)
        check_name("agent_id", request.agent_id)
        await self._database.run(self._agents.delete, call.tenant, request.agent_id)
        return chat_pb2.DeleteAgentResponse().SerializeToString()

    def _row(self, agent: chat_pb2.Agent, *, new: bool) -> AgentRow:
        check_agent(agent, new=new)
        if agent.model:
            try:
                self._models.config(agent.model)
            except FailedPrecondition:
                raise InvalidArgument("agent.model", "is not a configured model") from None
        temperature = agent.temperature if agent.HasField("temperature") else None
        return AgentRow(agent.agent_id, agent.title, agent.prompt, agent.model, temperature, agent.top_k_cap)
