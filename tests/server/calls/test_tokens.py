"""Tokens with real keys: every algorithm, every forgery, keys that rotate, settings that cannot hold, and who may call what."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from pydantic import ValidationError

from hexar.server.calls.auth.keys import KeySet, check_source, static_key
from hexar.server.calls.auth.settings import AuthConfig, JwtConfig, TokenConfig
from hexar.server.contract import CONTRACT
from hexar.server.process.app import App
from hexar.server.settings.config import Settings

#: When the tests were collected: they may run much later, so that what is to come is a day away.
NOW, DAY = int(time.time()), 86_400
CLAIMS = {"tenant": "a", "scope": "use ops", "exp": NOW + DAY, "aud": "hexar", "iss": "https://issuer"}
SECRET = "of at least thirty-two bytes, this one"
PRIVATE: dict[str, Any] = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
OTHER: dict[str, Any] = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def public(private: Any) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return str(private.public_key().public_bytes(serialization.Encoding.PEM, form).decode())


def private_pem(private: Any) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return str(private.private_bytes(encoding, form, serialization.NoEncryption()).decode())


def config(algorithm: str, **more: Any) -> JwtConfig:
    key = SECRET if algorithm == "HS256" else public(PRIVATE[algorithm])
    return JwtConfig(key=key, algorithms=[algorithm], audience="hexar", issuer="https://issuer", **more)  # type: ignore[arg-type]


def signed(algorithm: str, claims: dict[str, Any], *, headers: dict[str, Any] | None = None, keys: Any = None) -> str:
    key = SECRET if algorithm == "HS256" else (keys or PRIVATE)[algorithm]
    return jwt.encode(claims, key, algorithm, headers=headers)


def part(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw(header: object, claims: object, secret: bytes | None = None) -> str:
    text = f"{part(header)}.{part(claims)}"
    return text + "." + ("" if secret is None else part(hmac.new(secret, text.encode(), hashlib.sha256).digest()))


def forgeries() -> dict[str, str]:
    """Tokens for a server that takes RS256 of one key, none of which holds."""
    pem, good = public(PRIVATE["RS256"]), signed("RS256", CLAIMS)
    head, body, signature = good.split(".")
    made = {
        "empty": "",
        "words": "let me in",
        "dots": "..",
        "two parts": f"{head}.{body}",
        "four parts": good + ".x",
        "no signature": f"{head}.{body}.",
        "signature cut": good[:-6],
        "signature of other claims": f"{head}.{part(CLAIMS | {'tenant': 'b'})}.{signature}",
        "another key": signed("RS256", CLAIMS, keys=OTHER),
        "another algorithm of the key": jwt.encode(CLAIMS, PRIVATE["RS256"], "RS512"),
        "PSS": jwt.encode(CLAIMS, PRIVATE["RS256"], "PS256"),
        "elliptic": signed("ES256", CLAIMS),
        "Edwards": signed("EdDSA", CLAIMS),
        "the public key as a secret": raw({"alg": "HS256"}, CLAIMS, pem.encode()),
        "the stripped public key as a secret": raw({"alg": "HS256"}, CLAIMS, pem.strip().encode()),
        "an empty secret": raw({"alg": "HS256"}, CLAIMS, b""),
        "100 KB": "x" * 100_000,
        "deep": f"{part(b'[' * 3000 + b']' * 3000)}.{body}.{signature}",
        "not base64": "*.*.*",
        "not ASCII": "é" * 30,
    }
    for name in ("none", "None", "NONE", "nOnE", "", None, 5, ["RS256"], {}, "rs256", "RS256 "):
        made[f"algorithm {name!r}"] = raw({"alg": name}, CLAIMS)
    for name, value in {
        "exp": [None, "never", NOW - 1, 0, -5, [], True, {}],
        "nbf": [NOW + DAY, "x"],
        "iat": [NOW + DAY, "x"],
        "aud": [None, "other", 7, [], ["x"], {"hexar": 1}],
        "iss": [None, "other", 7, ["x"]],
        "tenant": ["a/b", "a\0", "a\n", "x" * 129, "ä", 7, ["a"], {"a": 1}],
    }.items():
        for each in value:
            made[f"{name} {each!r}"] = signed("RS256", CLAIMS | {name: each}) if name != "iss" or isinstance(each, str) else ""
    for name in ("exp", "aud", "iss", "tenant"):
        made[f"without {name}"] = signed("RS256", {key: value for key, value in CLAIMS.items() if key != name})
    for kid in (5, None, {}, "../../../dev/null"):
        made[f"kid {kid!r}, unsigned"] = raw({"alg": "RS256", "kid": kid}, CLAIMS)
    made["jku"] = signed("RS256", CLAIMS, headers={"jku": "http://127.0.0.1:1/"}, keys=OTHER)
    made["jwk"] = raw({"alg": "HS256", "jwk": {"kty": "oct", "k": "eA"}}, CLAIMS, b"x")
    return made


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA", "HS256"])
def test_a_sound_token_holds_with_each_algorithm(algorithm: str) -> None:
    """Signed by the right key it names its tenant and scopes; by another key, for others or too late it does not hold."""
    verify = config(algorithm).verifier()
    principal = verify(signed(algorithm, CLAIMS))
    assert principal is not None
    assert (principal.tenant, principal.scopes) == ("a", frozenset({"use", "ops"}))
    assert verify(signed(algorithm, CLAIMS | {"exp": NOW - 1})) is None
    assert verify(signed(algorithm, CLAIMS | {"aud": "other"})) is None
    assert verify(signed(algorithm, CLAIMS | {"iss": "other"})) is None
    if algorithm in OTHER:
        assert verify(signed(algorithm, CLAIMS, keys=OTHER)) is None


async def test_no_forged_token_opens_any_method(secured: App) -> None:
    """Every forgery is refused by every method with one constant text, and counted; no log holds a token."""
    methods = [
        (f"/{service.full_name}/{method.name}", method)
        for file in CONTRACT
        for service in file.services_by_name.values()
        for method in service.methods
    ]
    tokens = {
        name: token for name, token in forgeries().items() if len(token) < 6000 and token.isascii() and token.isprintable()
    }
    texts, asked = set(), 0
    async with grpc.aio.insecure_channel(f"127.0.0.1:{secured.port}") as channel:
        for token in tokens.values():
            for path, _ in methods:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await channel.unary_unary(path)(b"", metadata=[("authorization", f"Bearer {token}")], timeout=30)
                assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
                texts.add(refused.value.details())
                asked += 1
    print(f"n={asked}: {len(tokens)} forged tokens, {len(methods)} methods, 0 accepted")
    assert len(tokens) >= 60
    assert texts == {"a valid bearer token is required"}
    assert sum(row["errors"].get("UNAUTHENTICATED", 0) for row in secured.engine.metrics.operations.dump()) == asked


def test_forgeries_that_no_client_can_send_do_not_hold_either() -> None:
    """Also what gRPC would not carry is refused by the verifier itself."""
    verify = config("RS256").verifier()
    assert {name: verify(token) for name, token in forgeries().items() if verify(token) is not None} == {}


@pytest.mark.parametrize(
    ("claim", "scopes"),
    [
        ("use", {"use"}),
        ("use ops", {"use", "ops"}),
        (["use"], {"use"}),
        ("", set()),
        (None, set()),
        (5, set()),
        ({"use": 1}, set()),
    ],
)
def test_a_missing_scope_is_no_scope(claim: object, scopes: set[str]) -> None:
    """Scopes are words or a list of them; anything else gives none."""
    principal = config("ES256").verifier()(signed("ES256", CLAIMS | {"scope": claim}))
    assert principal is not None
    assert principal.scopes == scopes


def test_leeway_is_for_clocks_that_differ() -> None:
    """A token that ended just now holds within the leeway, and not beyond."""
    verify = config("EdDSA", leeway_seconds=30).verifier()
    assert verify(signed("EdDSA", CLAIMS | {"exp": int(time.time()) - 5})) is not None
    assert verify(signed("EdDSA", CLAIMS | {"exp": int(time.time()) - 60})) is None


def test_several_keys_are_told_apart_by_their_ids() -> None:
    """A token names its key; with another key's name it does not hold."""
    both = JwtConfig(keys={"new": public(PRIVATE["ES256"]), "old": public(OTHER["ES256"])}, algorithms=["ES256"])  # type: ignore[dict-item]
    verify = both.verifier()
    claims = {key: CLAIMS[key] for key in ("tenant", "scope", "exp")}
    assert verify(signed("ES256", claims, headers={"kid": "new"})) is not None
    assert verify(signed("ES256", claims, headers={"kid": "old"}, keys=OTHER)) is not None
    assert verify(signed("ES256", claims, headers={"kid": "old"})) is None
    assert verify(signed("ES256", claims, headers={"kid": "gone"})) is None
    assert verify(signed("ES256", claims)) is not None


def jwks(**keys: Any) -> str:
    rows = []
    for kid, key in keys.items():
        algorithm = jwt.algorithms.ECAlgorithm
        rows.append(json.loads(algorithm.to_jwk(key.public_key())) | {"kid": kid, "use": "sig", "alg": "ES256"})
    return json.dumps({"keys": rows})


def test_a_jwks_rotates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that the issuer adds is found soon after its first token, and one that it takes away is gone."""
    monkeypatch.setattr("hexar.server.calls.auth.keys.RETRY", 0.0)
    path = tmp_path / "jwks.json"
    path.write_text(jwks(one=PRIVATE["ES256"]))
    verify = JwtConfig(jwks=str(path), algorithms=["ES256"]).verifier()
    claims = {key: CLAIMS[key] for key in ("tenant", "scope", "exp")}
    assert verify(signed("ES256", claims, headers={"kid": "one"})) is not None
    path.write_text(jwks(two=OTHER["ES256"]))
    second = signed("ES256", claims, headers={"kid": "two"}, keys=OTHER)
    while verify(second) is None:
        time.sleep(0.01)
    assert verify(signed("ES256", claims, headers={"kid": "one"})) is None
    path.write_text("not a key set")
    verify(signed("ES256", claims, headers={"kid": "three"}))
    assert verify(second) is not None


def test_a_jwks_gives_no_shared_secrets(tmp_path: Path) -> None:
    """A symmetric key in a public document is everybody's; it checks nothing."""
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [{"kty": "oct", "k": part(SECRET.encode()), "kid": "x", "alg": "HS256"}]}))
    assert KeySet((), str(path), ["HS256"]).find("x", "HS256") == []


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"key": "", "algorithms": ["HS256"]}, "empty"),
        ({"key": "short", "algorithms": ["HS256"]}, "32 bytes"),
        ({"key": SECRET, "algorithms": ["none"]}, "algorithms"),
        ({"key": SECRET, "algorithms": []}, "algorithms"),
        ({"key": SECRET}, "public key"),
        ({"key": public(PRIVATE["RS256"]), "algorithms": ["HS256"]}, "shared secret"),
        ({"key": public(PRIVATE["RS256"]), "algorithms": ["RS256", "HS256"]}, "mixed"),
        ({"key": public(PRIVATE["RS256"]), "algorithms": ["ES256"]}, "does not fit"),
        ({"key": public(PRIVATE["ES256"])}, "does not fit"),
        ({"key": private_pem(PRIVATE["RS256"])}, "private key"),
        ({"key": public(rsa.generate_private_key(65537, 1024))}, "2048"),
        ({"jwks": "http://issuer.example/keys"}, "https"),
        ({"jwks": "ftp://issuer.example/keys"}, "https"),
        ({}, "give key"),
    ],
)
def test_settings_that_cannot_hold_are_refused_with_the_reason(values: dict[str, Any], reason: str) -> None:
    """At the start, and without showing the key."""
    with pytest.raises(ValidationError) as refused:
        JwtConfig(**values)
    assert reason in str(refused.value)
    key = values.get("key", "")
    assert len(key) < 30 or key[-30:-10] not in str(refused.value)


def test_addresses_of_keys() -> None:
    """A file, https, or http to this machine."""
    for good in ("/etc/hexar/jwks.json", "https://issuer.example/keys", "http://127.0.0.1:8080/keys", "http://[::1]/keys"):
        check_source(good)


def test_api_keys_are_kept_as_digests() -> None:
    """The configuration holds the digest; the key itself opens, the digest does not."""
    key = "a key of thirty-two random bytes or so"
    digest = hashlib.sha256(key.encode()).hexdigest()
    (verify,) = AuthConfig(tokens=[TokenConfig(sha256=digest, tenant="t")]).verifiers()
    principal = verify(key)
    assert principal is not None
    assert principal.tenant == "t"
    assert verify(digest) is None
    assert static_key(SECRET, ["HS256"]).algorithms == {"HS256"}
    for wrong in ({}, {"token": "x", "sha256": digest}, {"sha256": "abc"}, {"token": " "}):
        with pytest.raises(ValidationError):
            TokenConfig(**wrong)  # type: ignore[arg-type]


@pytest.fixture
async def secured(settings: Callable[..., Settings]) -> AsyncIterator[App]:
    """A server that takes RS256 tokens of one key."""
    key = {"key": public(PRIVATE["RS256"]), "algorithms": ["RS256"], "audience": "hexar", "issuer": "https://issuer"}
    made = App(settings(auth={"jwt": key}))
    await made.start()
    yield made
    await made.stop(0)
