"""Request rates by tenant, by user, and by tenant and method: what is more is refused, with the time after which to come back.

Each call counts once, when it begins, also one that streams for minutes. Operators' calls are not counted; health and
reflection never come here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hexar.core.resilience.rate_limits import Claim, Rate, RateExceeded, RateLimiter
from hexar.core.telemetry.metrics import Metrics
from hexar.server.calls.rpc import Call, Handler, Method


@dataclass(frozen=True, slots=True)
class Rates:
    """What each tenant may ask for: ``default``, other rates for some ``tenants``, and of some ``methods`` less than that.
    ``user``: what each user of a tenant may.

    A method is named as "hexar.v1.ChatService/Chat"; the name of a service stands for its methods together. None: no limit.
    """

    default: Rate | None = None
    tenants: Mapping[str, Rate | None] = field(default_factory=dict)
    methods: Mapping[str, Rate] = field(default_factory=dict)
    user: Rate | None = None


class RateLimit:
    """The interceptor over ``limiter``."""

    def __init__(self, rates: Rates, limiter: RateLimiter, metrics: Metrics) -> None:
        self._rates = rates
        self._limiter = limiter
        self._metrics = metrics

    def __call__(self, method: Method, handler: Handler) -> Handler:
        """Count the calls of ``handler``; the very handler where none is limited."""
        rates = self._rates
        narrow = [(name, rates.methods[name]) for name in (method.path, method.service) if name in rates.methods]
        limited = (
            narrow
            or rates.default is not None
            or rates.user is not None
            or any(rate is not None for rate in rates.tenants.values())
        )
        if method.service.endswith(".OpsService") or not limited:
            return handler
        take, refused = self._limiter.take, self._metrics.rate_limited

        async def counted(call: Call) -> bytes | None:
            tenant = call.tenant
            claims: list[Claim] = [(f"{name} {tenant}", rate) for name, rate in narrow]
            rate = rates.tenants.get(tenant, rates.default)
            if rate is not None:
                claims.append((f"- {tenant}", rate))
            if rates.user is not None and call.user:
                claims.append((f"u {tenant} {call.user}", rates.user))
            if claims:
                refusal = await take(claims)
                if refusal is not None:
                    refused(method.path)
                    kind = refusal[0].partition(" ")[0]
                    what = {"-": "tenant", "u": "user"}.get(kind, f"tenant for {kind}")
                    raise RateExceeded(f"the request rate of this {what} is used up", refusal[1], limit=f"{what} rate")
            return await handler(call)

        return counted
