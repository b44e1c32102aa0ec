"""Who calls: tokens, the keys that they are checked with, and what each may do."""

from hexar.server.calls.auth.authentication import Authentication, Principal, StaticTokens, TokenVerifier
from hexar.server.calls.auth.jwts import JwtVerifier
from hexar.server.calls.auth.settings import AuthConfig

__all__ = ["AuthConfig", "Authentication", "JwtVerifier", "Principal", "StaticTokens", "TokenVerifier"]
