"""How a client connects: certificates of both sides, what is sent with every call, and how long a call may take."""

import asyncio
import datetime
import ipaddress
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hexar.server.process.app import App
from hexar.server.systems import make_settings
from hexar.v1 import parts_pb2
from hexar_client import AsyncClient, Client, DeadlineExceeded, NotFound, Unauthenticated, Unavailable
from hexar_client.commands.common import explain


def issued(name: str, authority: tuple[bytes, bytes] | None = None) -> tuple[bytes, bytes]:
    """Private key and certificate, PEM, of ``name`` on this machine: of ``authority``, or one of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    )
    signer: Any = key
    issuer = subject
    if authority is not None:
        signer = serialization.load_pem_private_key(authority[0], None)
        issuer = x509.load_pem_x509_certificate(authority[1]).subject
    made = builder.issuer_name(issuer).sign(signer, hashes.SHA256())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem, made.public_bytes(serialization.Encoding.PEM)


async def on_a_server(folder: Path, work: Callable[[str], Any], **settings: Any) -> None:
    """Run blocking ``work`` against a server."""
    app = App(make_settings(port=0, data_dir=folder / "data", vendors=folder / "none.yaml", drain_seconds=0, **settings))
    await app.start()
    try:
        await asyncio.to_thread(work, f"127.0.0.1:{app.port}")
    finally:
        await app.stop(0)


async def test_a_client_shows_its_certificate(tmp_path: Path) -> None:
    """A server that asks for one is reached with it, in both worlds, and not without."""
    authority = issued("authority")
    server, mine = issued("server", authority), issued("me", authority)
    for name, pem in {"key": server[0], "chain": server[1], "ca": authority[1]}.items():
        (tmp_path / name).write_bytes(pem)

    def work(target: str) -> None:
        with Client(target, tls=authority[1], certificate=mine) as client:
            assert client.ops.status().ready

        async def asynchronous() -> bool:
            async with AsyncClient(target, tls=authority[1], certificate=mine) as client:
                return bool((await client.ops.status()).ready)

        assert asyncio.run(asynchronous())
        with Client(target, tls=authority[1], timeout=5.0) as client, pytest.raises((Unavailable, DeadlineExceeded)):
            client.ops.status()

    tls = {"certificate": tmp_path / "chain", "key": tmp_path / "key", "client_ca": tmp_path / "ca"}
    await on_a_server(tmp_path, work, tls=tls)


async def test_the_command_tells_what_is_wrong_with_a_connection(tmp_path: Path) -> None:
    """A server that is there is not said to be down: TLS on one side alone, and a certificate that is not trusted."""
    key, chain = issued("server")
    (tmp_path / "key").write_bytes(key)
    (tmp_path / "chain").write_bytes(chain)

    def said(target: str, *, tls: bool) -> str:
        with Client(target, tls=tls) as client, pytest.raises(Unavailable) as caught:
            client.with_options(retries=0).ops.status()
        return explain(caught.value, target)

    def encrypted(target: str) -> None:
        assert "does it want --tls" in said(target, tls=False)
        assert "no authority that is trusted here: --ca" in said(target, tls=True)

    def plain(target: str) -> None:
        assert "does it want --tls" in said(target, tls=True)
        with Client(target) as client, pytest.raises(NotFound) as caught:
            client.parts.resolve(parts_pb2.VehicleQuery(text="Astra"))
        assert "hexar import demo" in explain(caught.value, target)

    await on_a_server(tmp_path, encrypted, tls={"certificate": tmp_path / "chain", "key": tmp_path / "key"})
    await on_a_server(tmp_path, plain)


async def test_a_certificate_is_renewed_without_a_restart(tmp_path: Path) -> None:
    """Files that were replaced serve the next connection; a pair that does not fit serves nobody, and the old one serves on."""
    first, second = issued("first"), issued("second")

    def put(pair: tuple[bytes, bytes]) -> None:
        for name, pem in zip(("key", "chain"), pair):
            (tmp_path / "new").write_bytes(pem)
            (tmp_path / "new").replace(tmp_path / name)

    def reached(target: str, authority: bytes) -> bool:
        # A channel of its own: one of before would keep its connection.
        with Client(target, tls=authority, timeout=5.0) as client:
            try:
                return bool(client.ops.status().ready)
            except (Unavailable, DeadlineExceeded):
                return False

    def work(target: str) -> None:
        with Client(target, tls=first[1]) as old:
            assert old.ops.status().ready
            (tmp_path / "key").write_bytes(second[0])
            assert reached(target, first[1])
            put(second)
            assert reached(target, second[1])
            assert not reached(target, first[1])
            assert old.ops.status().ready

    put(first)
    await on_a_server(tmp_path, work, tls={"certificate": tmp_path / "chain", "key": tmp_path / "key"})


async def test_what_a_client_was_given_goes_with_every_call(tmp_path: Path) -> None:
    """Metadata beside the token; without them the call is refused."""

    def work(target: str) -> None:
        with Client(target, metadata=[("authorization", "Bearer secret")]) as client:
            assert client.ops.status().ready
        with Client(target, metadata=[("x-request-id", "mine")]) as client, pytest.raises(Unauthenticated):
            client.ops.status()

    tokens = [{"token": "secret", "scopes": ["use", "ops"]}]
    await on_a_server(tmp_path, work, auth={"tokens": tokens})


def test_a_client_has_its_own_patience() -> None:
    """Nobody listens: a call ends at the client's time, or at its own where it says one."""
    with Client("127.0.0.1:9", timeout=0.2) as client:
        began = time.monotonic()
        with pytest.raises((DeadlineExceeded, Unavailable)):
            client.ops.status()
        with pytest.raises((DeadlineExceeded, Unavailable)):
            list(client.query("boots"))
        assert time.monotonic() - began < 20
        assert client.seconds(None) == 0.2
        assert client.seconds(5.0) == 5.0
    with Client("127.0.0.1:9") as client:
        assert client.seconds(None) == 60.0
    with pytest.raises(ValueError, match="a certificate needs tls"):
        Client("127.0.0.1:9", certificate=(b"", b""))
    with pytest.raises(ValueError, match="at least one target"):
        Client([])
