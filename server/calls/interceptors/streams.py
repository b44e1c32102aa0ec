"""How many streams a tenant, and a user of a tenant, may have open at once: answers as they form, watches, uploads.

What is more is refused with RESOURCE_EXHAUSTED before anything is read. Operators' calls are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from hexar.core.errors import ResourceExhausted
from hexar.core.resilience.slots import Slots
from hexar.core.telemetry.metrics import Metrics
from hexar.server.calls.rpc import Call, Handler, Method

#: Seconds after which a refused caller is told to come back.
COME_BACK = 1.0


@dataclass(frozen=True, slots=True)
class OpenStreams:
    """Streams of each tenant, and of each user of one; None: no limit."""

    tenant: int | None = None
    user: int | None = None


class StreamLimit:
    """The interceptor over ``slots``."""

    def __init__(self, limits: OpenStreams, slots: Slots, metrics: Metrics) -> None:
        self._limits = limits
        self._slots = slots
        self._metrics = metrics

    def __call__(self, method: Method, handler: Handler) -> Handler:
        """Count the open streams of ``handler``; the very handler where none is limited."""
        limits, slots = self._limits, self._slots
        streams = method.server_streaming or method.client_streaming
        if method.service.endswith(".OpsService") or not streams or limits == OpenStreams():
            return handler

        async def counted(call: Call) -> bytes | None:
            claims: list[tuple[str, int]] = []
            if limits.user is not None and call.user:
                claims.append((f"u {call.user}", limits.user))
            if limits.tenant is not None:
                claims.append(("t", limits.tenant))
            if not claims:
                return await handler(call)
            # Names of limits are a tenant's own: in memory they carry it, in Redis the group does.
            taken = await slots.enter(call.tenant, [(f"{call.tenant} {name}", limit) for name, limit in claims])
            if isinstance(taken, str):
                self._metrics.rate_limited(method.path)
                whose = "user" if taken.startswith(f"{call.tenant} u ") else "tenant"
                raise ResourceExhausted(f"too many streams of this {whose} are open", COME_BACK, limit=f"{whose} streams")
            try:
                return await handler(call)
            finally:
                slots.leave(taken)

        return counted
