"""The keys that JWTs are checked with: from the configuration, or a JWKS of an issuer that rotates its own.

A key is bound to the algorithms that fit it when it is read, so that no token chooses how it is checked: a public key is never
a shared secret, and "none" is no algorithm.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import structlog
import urllib3
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

log = structlog.get_logger(__name__)

#: Bytes of a shared secret, and bits of an RSA key, at least.
MIN_SECRET = 32
MIN_RSA_BITS = 2048
#: A JWKS is read again after REFRESH seconds, and for a key that it does not hold at most every RETRY seconds.
REFRESH = 300.0
RETRY = 10.0
TIMEOUT = 5.0
MAX_JWKS = 1_000_000
SECRETS = frozenset(("HS256", "HS384", "HS512"))
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


@dataclass(frozen=True, slots=True)
class Key:
    """One key, the algorithms that it may check, and its id (empty: none, and it is tried for every token)."""

    key: Any
    algorithms: frozenset[str]
    kid: str = ""


def static_key(text: str, algorithms: Sequence[str], kid: str = "") -> Key:
    """The key of ``text``: a PEM public key or a shared secret, as the algorithms say. Raises ValueError with the reason."""
    wanted = frozenset(algorithms)
    if not text.strip():
        raise ValueError("the key is empty")
    if "PRIVATE KEY" in text:
        raise ValueError("the key is a private key; a server that checks tokens is given the public one")
    if wanted <= SECRETS:
        if "-----BEGIN" in text:
            raise ValueError(f"{', '.join(sorted(wanted))} needs a shared secret, and the key is a PEM file")
        if len(text.encode()) < MIN_SECRET:
            raise ValueError(f"a shared secret needs at least {MIN_SECRET} bytes")
        return Key(text.encode(), wanted, kid)
    if wanted & SECRETS:
        raise ValueError("algorithms with a shared secret and with a public key cannot be mixed")
    try:
        public = load_pem_public_key(text.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(f"{', '.join(sorted(wanted))} needs a public key in PEM form") from None
    fitting = _fitting(public) & wanted
    if not fitting:
        raise ValueError(f"the key does not fit {', '.join(sorted(wanted))}")
    return Key(public, fitting, kid)


def _fitting(public: Any) -> frozenset[str]:
    """The algorithms of a public key. ValueError where it is too weak."""
    if isinstance(public, rsa.RSAPublicKey):
        if public.key_size < MIN_RSA_BITS:
            raise ValueError(f"an RSA key needs at least {MIN_RSA_BITS} bits")
        return frozenset(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"))
    if isinstance(public, ec.EllipticCurvePublicKey):
        name = _CURVES.get(public.curve.name)
        return frozenset((name,)) if name else frozenset()
    if isinstance(public, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        return frozenset(("EdDSA",))
    return frozenset()


def check_source(source: str) -> None:
    """Refuse a JWKS address that is neither a file nor HTTPS (HTTP to this machine is let be). ValueError."""
    if "://" not in source:
        return
    parts = urlsplit(source)
    if parts.scheme == "https" and parts.hostname:
        return
    try:
        if parts.scheme == "http" and ip_address(parts.hostname or "").is_loopback:
            return
    except ValueError:
        pass
    raise ValueError("a JWKS is a file, or comes by https")


class KeySet:
    """Static keys, and those of a JWKS, which is read again as its issuer rotates them.

    Thread-safety: all methods may be called from any thread; none waits for the issuer but the first reading.
    """

    def __init__(self, static: Sequence[Key], jwks: str | None, algorithms: Sequence[str]) -> None:
        self._static = tuple(static)
        self._source = jwks
        self._wanted = frozenset(algorithms)
        self._fetched: tuple[Key, ...] = ()
        self._read_at = 0.0
        self._lock = threading.Lock()
        self._reading = False
        self._http = urllib3.PoolManager(retries=False, timeout=TIMEOUT) if jwks and "://" in jwks else None
        if jwks is not None:
            self._read()

    def find(self, kid: str, algorithm: str) -> list[Key]:
        """The keys that may have signed a token with this header."""
        found = self._matching(kid, algorithm)
        if self._source is not None:
            age = time.monotonic() - self._read_at
            if age > REFRESH or (not found and age > RETRY):
                self._read_soon()
        return found

    def _matching(self, kid: str, algorithm: str) -> list[Key]:
        return [
            key
            for key in (*self._static, *self._fetched)
            if algorithm in key.algorithms and (not key.kid or not kid or key.kid == kid)
        ]

    def _read_soon(self) -> None:
        with self._lock:
            if self._reading:
                return
            self._reading = True
        threading.Thread(target=self._read, name="jwks", daemon=True).start()

    def _read(self) -> None:
        try:
            self._fetched = self._parsed(self._content())
        except (OSError, ValueError, urllib3.exceptions.HTTPError, jwt.exceptions.PyJWTError) as error:
            # The keys of before stay: an issuer that is away for a while locks nobody out.
            log.warning("jwks_not_read", source=self._source, reason=type(error).__name__)
        finally:
            self._read_at = time.monotonic()
            with self._lock:
                self._reading = False

    def _content(self) -> bytes:
        assert self._source is not None
        if self._http is None:
            return Path(self._source).read_bytes()
        with self._http.request("GET", self._source, redirect=False, preload_content=False) as answer:
            if answer.status != 200:
                raise OSError(f"status {answer.status}")
            return answer.read(MAX_JWKS)

    def _parsed(self, content: bytes) -> tuple[Key, ...]:
        """The public keys of a JWKS for signatures; shared secrets in one are not believed."""
        found = []
        for row in jwt.PyJWKSet.from_json(content.decode()).keys:
            if row.key_type == "oct" or (row.public_key_use or "sig") != "sig":
                continue
            try:
                fitting = _fitting(row.key) & self._wanted
            except ValueError:
                continue
            if fitting:
                found.append(Key(row.key, fitting, row.key_id or ""))
        return tuple(found)
