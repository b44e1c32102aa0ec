"""Who calls: a bearer token becomes a tenant and scopes.

Where no token is configured, authentication is off and every call belongs to the tenant "default" with all scopes. Tokens are
static (``auth.tokens``) or JWTs signed with a configured key.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import jwt

from hexar.core.errors import PermissionDenied, Unauthenticated
from hexar.server.rpc import Call, Handler, Method

ALL_SCOPES = frozenset({"use", "ops"})
_TENANT = re.compile(r"[A-Za-z0-9._-]{1,128}").fullmatch


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls, and what it may do: "use" the systems, "ops" the server."""

    tenant: str
    scopes: frozenset[str]


class TokenVerifier(Protocol):
    """Turns a token into a principal; None where the token does not hold."""

    def __call__(self, token: str) -> Principal | None: ...


class StaticTokens:
    """Tokens from the configuration, compared by digest in constant time."""

    def __init__(self, tokens: Mapping[str, Principal]) -> None:
        self._principals = [(hashlib.sha256(token.encode()).digest(), principal) for token, principal in tokens.items()]

    def __call__(self, token: str) -> Principal | None:
        digest = hashlib.sha256(token.encode()).digest()
        found = None
        for known, principal in self._principals:
            if hmac.compare_digest(known, digest):
                found = principal
        return found


class JwtVerifier:
    """JWTs with the claims ``tenant`` (or ``sub``), ``scope`` (space-separated) and ``exp``."""

    def __init__(self, key: str, algorithms: list[str], audience: str | None = None) -> None:
        self._key = key
        self._algorithms = algorithms
        self._audience = audience

    def __call__(self, token: str) -> Principal | None:
        try:
            claims = jwt.decode(
                token, self._key, algorithms=self._algorithms, audience=self._audience, options={"require": ["exp"]}
            )
        except jwt.InvalidTokenError:
            return None
        tenant = str(claims.get("tenant") or claims.get("sub") or "")
        if not _TENANT(tenant):
            return None
        return Principal(tenant, frozenset(str(claims.get("scope", "use")).split()))


class Authentication:
    """The interceptor: checks the token before anything else is done for the call."""

    def __init__(self, verifiers: list[TokenVerifier]) -> None:
        self._verifiers = verifiers

    def __call__(self, method: Method, handler: Handler) -> Handler:
        """Require a principal with the scope of ``method``."""
        scope = "ops" if method.service.endswith(".OpsService") else "use"
        if not self._verifiers:

            async def call_as_default(call: Call) -> bytes | None:
                call.scopes = ALL_SCOPES
                return await handler(call)

            return call_as_default

        async def call_as_principal(call: Call) -> bytes | None:
            principal = self._principal(call.text("authorization"))
            if scope not in principal.scopes:
                raise PermissionDenied(scope)
            call.tenant = principal.tenant
            call.scopes = principal.scopes
            return await handler(call)

        return call_as_principal

    def _principal(self, header: str) -> Principal:
        kind, _, token = header.partition(" ")
        if kind.lower() == "bearer" and token:
            for verify in self._verifiers:
                principal = verify(token)
                if principal is not None:
                    return principal
        raise Unauthenticated
