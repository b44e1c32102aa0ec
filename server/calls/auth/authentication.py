"""The interceptor that turns a bearer token into a tenant and scopes, and the tokens that the configuration lists.

Where no token is configured, authentication is off and every call belongs to the tenant "default" with all scopes. A service
that has no scope in the table is denied to everybody: a method that somebody adds is closed until it is said who may call it.
Health and reflection are not in the contract, have no tenant's data, and are open.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from hexar.core.errors import PermissionDenied, Unauthenticated
from hexar.core.telemetry.metrics import Metrics
from hexar.server.calls.rpc import Call, Handler, Method

log = structlog.get_logger(__name__)

ALL_SCOPES = frozenset({"use", "ops", "ops.read", "ops.all"})
#: Characters of a token.
MAX_TOKEN = 16_384
#: Refused tokens are logged together, at most so often, seconds.
LOG_EVERY = 1.0
_TENANT = re.compile(r"[A-Za-z0-9._-]{1,128}").fullmatch


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls, and what it may do: "use" the systems, "ops" the server. ``user``: who of the tenant; empty: nobody says."""

    tenant: str
    scopes: frozenset[str]
    user: str = ""


class TokenVerifier(Protocol):
    """Turns a token into a principal; None where the token does not hold."""

    def __call__(self, token: str) -> Principal | None: ...


def tenant_name(value: object) -> str | None:
    """``value`` where it may name a tenant, else None."""
    return value if isinstance(value, str) and _TENANT(value) else None


class StaticTokens:
    """API keys, kept and compared as SHA-256 digests, in constant time.

    A key is 32 random bytes and not a password: no dictionary finds it from its digest, and a slow hash would only make every
    call slow.
    """

    def __init__(self, keys: Iterable[tuple[bytes, Principal]]) -> None:
        self._principals = list(keys)

    def __call__(self, token: str) -> Principal | None:
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        found = None
        for known, principal in self._principals:
            if hmac.compare_digest(known, digest):
                found = principal
        return found


class Authentication:
    """Checks the token before anything else is done for the call.

    Args:
        scopes: the scope that each service or method asks for, by its full name; one without is denied to everybody. A scope
            ("ops") holds those that begin with it and a point ("ops.read").
        metrics: counts refused calls.
    """

    def __init__(self, verifiers: Sequence[TokenVerifier], scopes: Mapping[str, str], metrics: Metrics | None = None) -> None:
        self._verifiers = verifiers
        self._scopes = scopes
        self._metrics = metrics
        self._refused = 0
        self._logged = 0.0

    def __call__(self, method: Method, handler: Handler) -> Handler:
        """Require a principal with the scope of ``method``."""
        scope = self._scopes.get(method.path, self._scopes.get(method.service))

        async def denied(call: Call) -> bytes | None:
            raise PermissionDenied(f"of {method.service}")

        if scope is None:
            return denied
        if not self._verifiers:

            async def call_as_default(call: Call) -> bytes | None:
                call.scopes = ALL_SCOPES
                return await handler(call)

            return call_as_default

        async def call_as_principal(call: Call) -> bytes | None:
            principal = self._principal(call.text("authorization"))
            if principal is None:
                self._refuse(method, "UNAUTHENTICATED")
                raise Unauthenticated
            if scope not in principal.scopes and scope.partition(".")[0] not in principal.scopes:
                self._refuse(method, "PERMISSION_DENIED")
                raise PermissionDenied(scope)
            call.tenant, call.user = principal.tenant, principal.user
            call.scopes = principal.scopes
            return await handler(call)

        return call_as_principal

    def _principal(self, header: str) -> Principal | None:
        kind, _, token = header.partition(" ")
        if kind.lower() == "bearer" and token and len(token) <= MAX_TOKEN:
            for verify in self._verifiers:
                principal = verify(token)
                if principal is not None:
                    return principal
        return None

    def _refuse(self, method: Method, code: str) -> None:
        """Count it, and say how many were refused, never with what."""
        if self._metrics is not None:
            self._metrics.refused(method.path, code)
        self._refused += 1
        now = time.monotonic()
        if now - self._logged >= LOG_EVERY:
            log.warning("calls_refused", code=code, method=method.path, count=self._refused)
            self._refused, self._logged = 0, now
