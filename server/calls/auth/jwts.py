"""JWTs as bearer tokens: the claims ``tenant`` (or ``sub``), ``scope`` and ``exp``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jwt

from hexar.server.calls.auth.authentication import Principal, tenant_name
from hexar.server.calls.auth.keys import KeySet


class JwtVerifier:
    """Checks JWTs with ``keys``; ``issuer`` and ``audience`` where they are given, times with ``leeway`` seconds."""

    def __init__(
        self,
        keys: KeySet,
        algorithms: Sequence[str],
        *,
        audience: str | None = None,
        issuer: str | None = None,
        leeway: float = 0.0,
    ) -> None:
        self._keys = keys
        self._algorithms = frozenset(algorithms)
        self._audience = audience
        self._issuer = issuer
        self._leeway = leeway

    def __call__(self, token: str) -> Principal | None:
        """The principal of ``token``; None where anything about it does not hold."""
        try:
            header = jwt.get_unverified_header(token)
            algorithm, kid = header.get("alg"), header.get("kid", "")
            if algorithm not in self._algorithms or not isinstance(kid, str):
                return None
            for key in self._keys.find(kid, algorithm):
                claims = self._claims(token, key.key, algorithm)
                if claims is not None:
                    return _principal(claims)
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            # Whatever a forged token makes a library do, it does not hold.
            return None
        return None

    def _claims(self, token: str, key: Any, algorithm: str) -> Mapping[str, Any] | None:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway,
                options={"require": ["exp"]},
            )
        except jwt.InvalidSignatureError:
            return None  # another key may fit


def _principal(claims: Mapping[str, Any]) -> Principal | None:
    tenant = tenant_name(claims.get("tenant") or claims.get("sub"))
    if tenant is None:
        return None
    user = claims.get("sub")
    return Principal(tenant, _scopes(claims.get("scope")), user if isinstance(user, str) else "")


def _scopes(claim: object) -> frozenset[str]:
    """Scopes of a claim: words, or a list of them. What is missing or of another shape is no scope."""
    if isinstance(claim, str):
        return frozenset(claim.split())
    if isinstance(claim, list):
        return frozenset(word for word in claim if isinstance(word, str))
    return frozenset()
