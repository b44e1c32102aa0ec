"""One servicer a service. A system is registered here by one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from hexar.server.engine import Engine
from hexar.server.rpc import Handler
from hexar.server.servicers.chat import ChatServicer
from hexar.server.servicers.parts import PartsServicer
from hexar.server.servicers.query import QueryServicer


class Servicer(Protocol):
    """The handlers of one service, by method path, and what they need opened and closed."""

    def handlers(self) -> Mapping[str, Handler]:
        """Handlers by method path ("hexar.v1.QueryService/Query")."""
        ...

    async def open(self) -> None:
        """Called once the engine is open."""
        ...

    async def close(self) -> None:
        """Called while the engine is still open."""
        ...


#: The systems that this server answers.
SYSTEMS: tuple[Callable[[Engine], Servicer], ...] = (QueryServicer, ChatServicer, PartsServicer)
