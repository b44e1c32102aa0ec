"""Agents are data: a prompt, a model, a temperature and a cap, kept in the store.

Methods that block on the store say so. Another tenant's agent reads like one that does not exist.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa

from hexar.agents.portfolio.tables import agents
from hexar.core.errors import AlreadyExists, NotFound
from hexar.core.store import Database

T = TypeVar("T")


class VersionBook(Protocol):
    """What the agents ask of the versions of what answers depend on."""

    def get(self, name: str) -> int:
        """The version of ``name`` now."""
        ...

    def bump_in(self, connection: sa.Connection, name: str) -> int:
        """Raise the version of ``name`` inside the caller's transaction."""
        ...

    def published(self, name: str, version: int) -> None:
        """Make a committed version known to this process."""
        ...


@dataclass(frozen=True, slots=True)
class AgentRow:
    """Who answers. An empty ``prompt`` or ``model`` is the server's default; ``top_k_cap`` 0 is no cap."""

    agent_id: str
    title: str = ""
    prompt: str = ""
    model: str = ""
    temperature: float | None = None
    top_k_cap: int = 0
    version: int = 0
    created_at: float = 0.0
    updated_at: float = 0.0


#: Answers where a request names no agent.
DEFAULT_AGENT = AgentRow("")
_AGENT_COLUMNS = [agents.c[name] for name in AgentRow.__slots__]


def agent_dependency(tenant: str, agent_id: str) -> str:
    """The name under which an agent's version is kept; its answers depend on it."""
    return f"agent:{tenant}/{agent_id}"


class Agents:
    """The agents of all tenants. Rows that were read are remembered while their version holds.

    Thread-safety: all methods may be called from any thread.
    """

    def __init__(self, database: Database, versions: VersionBook) -> None:
        self._database = database
        self._versions = versions
        self._known: dict[tuple[str, str], tuple[int, AgentRow]] = {}

    def known(self, tenant: str, agent_id: str) -> AgentRow | None:
        """The agent without asking the store, or None where it must be asked."""
        if not agent_id:
            return DEFAULT_AGENT
        found = self._known.get((tenant, agent_id))
        if found is None or found[0] != self._versions.get(agent_dependency(tenant, agent_id)):
            return None
        return found[1]

    def get(self, tenant: str, agent_id: str) -> AgentRow:
        """The agent, from the store; NotFound."""
        version = self._versions.get(agent_dependency(tenant, agent_id))
        with self._database.read() as connection:
            row = connection.execute(self._one(tenant, agent_id)).first()
        if row is None:
            raise NotFound("agent", agent_id)
        found = AgentRow(*row)
        if len(self._known) > 10_000:
            self._known.clear()
        self._known[(tenant, agent_id)] = (version, found)
        return found

    def page(self, tenant: str, after: str, limit: int) -> tuple[list[AgentRow], int]:
        """Agents by identifier past ``after``, and how many there are in all."""
        mine = agents.c.tenant == tenant
        with self._database.read() as connection:
            total = int(connection.execute(sa.select(sa.func.count()).where(mine)).scalar_one())
            statement = sa.select(*_AGENT_COLUMNS).where(mine, agents.c.agent_id > after)
            rows = connection.execute(statement.order_by(agents.c.agent_id).limit(limit))
            return [AgentRow(*row) for row in rows], total

    def create(self, tenant: str, agent: AgentRow) -> AgentRow:
        """Keep a new agent; an empty identifier is replaced by a made one. AlreadyExists where it is taken."""
        name = agent.agent_id or f"a-{secrets.token_hex(8)}"
        now = time.time()

        def change(connection: sa.Connection) -> AgentRow:
            row = AgentRow(
                name, agent.title, agent.prompt, agent.model, agent.temperature, agent.top_k_cap, 1, now, now
            )  # fmt: skip
            values = {column: getattr(row, column) for column in AgentRow.__slots__}
            connection.execute(sa.insert(agents).values(tenant=tenant, **values))
            return row

        try:
            return self._changed(tenant, name, change)
        except sa.exc.IntegrityError:
            raise AlreadyExists(f"agent {name!r} exists") from None

    def update(self, tenant: str, agent: AgentRow) -> AgentRow:
        """Replace an agent's settings; NotFound."""

        def change(connection: sa.Connection) -> AgentRow:
            old = connection.execute(self._one(tenant, agent.agent_id)).first()
            if old is None:
                raise NotFound("agent", agent.agent_id)
            values = {
                "title": agent.title,
                "prompt": agent.prompt,
                "model": agent.model,
                "temperature": agent.temperature,
                "top_k_cap": agent.top_k_cap,
                "version": int(old.version) + 1,
                "updated_at": time.time(),
            }
            connection.execute(sa.update(agents).where(self._mine(tenant, agent.agent_id)).values(**values))
            return AgentRow(*connection.execute(self._one(tenant, agent.agent_id)).one())

        return self._changed(tenant, agent.agent_id, change)

    def delete(self, tenant: str, agent_id: str) -> None:
        """Remove an agent; NotFound."""

        def change(connection: sa.Connection) -> None:
            if not connection.execute(sa.delete(agents).where(self._mine(tenant, agent_id))).rowcount:
                raise NotFound("agent", agent_id)

        self._changed(tenant, agent_id, change)

    @staticmethod
    def _mine(tenant: str, agent_id: str) -> sa.ColumnElement[bool]:
        return sa.and_(agents.c.tenant == tenant, agents.c.agent_id == agent_id)

    def _one(self, tenant: str, agent_id: str) -> sa.Select[Any]:
        return sa.select(*_AGENT_COLUMNS).where(self._mine(tenant, agent_id))

    def _changed(self, tenant: str, agent_id: str, change: Callable[[sa.Connection], T]) -> T:
        name = agent_dependency(tenant, agent_id)
        with self._database.write() as connection:
            # First: it makes the writers of an agent wait for each other, in every process.
            version = self._versions.bump_in(connection, name)
            result = change(connection)
        self._versions.published(name, version)
        return result
