"""The section ``auth`` of the configuration, checked when the server starts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from hexar.server.calls.auth.authentication import Principal, StaticTokens, TokenVerifier
from hexar.server.calls.auth.jwts import JwtVerifier
from hexar.server.calls.auth.keys import Key, KeySet, check_source, static_key

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512"
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class TokenConfig(_Strict):
    """What an API key may do. ``sha256`` is its digest, so that the configuration holds no key (``hexar new-key`` makes both);
    ``token`` is the key itself, for trying things out."""

    token: SecretStr | None = None
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-fA-F]{64}$")
    tenant: str = Field(default="default", pattern=r"^[A-Za-z0-9._-]{1,128}$")
    scopes: list[Literal["use", "ops", "ops.read", "ops.all"]] = ["use"]

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.token is None) == (self.sha256 is None):
            raise ValueError("give either sha256 or token")
        if self.token is not None and not self.token.get_secret_value().strip():
            raise ValueError("the token is empty")
        return self

    def digest(self) -> bytes:
        """SHA-256 of the key."""
        if self.sha256 is not None:
            return bytes.fromhex(self.sha256)
        assert self.token is not None
        return hashlib.sha256(self.token.get_secret_value().encode()).digest()


class JwtConfig(_Strict):
    """How JWTs are checked.

    ``key`` is the shared secret or the PEM public key; ``keys`` are several by their ids (``kid``); ``jwks`` is a file or an
    https address whose keys are read again as they rotate.
    """

    key: SecretStr | None = None
    keys: dict[str, SecretStr] = {}
    jwks: str | None = None
    algorithms: list[Algorithm] = Field(default=["RS256"], min_length=1)
    audience: str | None = None
    issuer: str | None = None
    leeway_seconds: float = Field(default=0.0, ge=0, le=300)

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.key is None and not self.keys and self.jwks is None:
            raise ValueError("give key, keys or jwks")
        self.static_keys()
        if self.jwks is not None:
            if not self.jwks.strip():
                raise ValueError("jwks is empty")
            check_source(self.jwks)
        return self

    def static_keys(self) -> list[Key]:
        """The keys of the configuration itself. ValueError with the reason."""
        named = dict(self.keys)
        if self.key is not None:
            named[""] = self.key
        return [static_key(secret.get_secret_value(), self.algorithms, kid) for kid, secret in named.items()]

    def verifier(self) -> JwtVerifier:
        """As the server uses it; reads the JWKS."""
        keys = KeySet(self.static_keys(), self.jwks, self.algorithms)
        return JwtVerifier(keys, self.algorithms, audience=self.audience, issuer=self.issuer, leeway=self.leeway_seconds)


def _digests(rows: Sequence[TokenConfig]) -> list[tuple[TokenConfig, bytes]]:
    return [(row, row.digest()) for row in rows]


class AuthConfig(_Strict):
    """Empty: authentication is off."""

    tokens: list[TokenConfig] = []
    jwt: JwtConfig | None = None

    @property
    def several_tenants(self) -> bool:
        """Whether callers of more than one tenant may come."""
        return self.jwt is not None or len({row.tenant for row in self.tokens}) > 1

    def verifiers(self) -> Sequence[TokenVerifier]:
        """What checks tokens; nothing where authentication is off."""
        found: list[TokenVerifier] = []
        if self.tokens:
            # Each key is a user: whoever holds it.
            keys = [
                (digest, Principal(row.tenant, frozenset(row.scopes), digest.hex()[:16]))
                for row, digest in _digests(self.tokens)
            ]
            found.append(StaticTokens(keys))
        if self.jwt is not None:
            found.append(self.jwt.verifier())
        return found
