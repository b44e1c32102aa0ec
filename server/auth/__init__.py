"""Who calls: tokens, the keys that they are checked with, and what each may do."""

from hexar.server.auth.authentication import Authentication, Principal, StaticTokens, TokenVerifier
from hexar.server.auth.jwts import JwtVerifier
from hexar.server.auth.settings import AuthConfig

__all__ = ["AuthConfig", "Authentication", "JwtVerifier", "Principal", "StaticTokens", "TokenVerifier"]
