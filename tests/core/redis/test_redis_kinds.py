"""The engine over real servers as people run them: with an ACL, behind TLS, watched by Sentinels, as a node of a Cluster."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import redis

from hexar.core.cache import Caches
from hexar.core.cache.redis import RedisBackend
from hexar.core.cache.versions import Versions
from hexar.core.deadline import Deadline
from hexar.core.eventlog import AnswerSpec, Completion, EventLog, Origin
from hexar.core.redis.link import RedisLink
from hexar.core.resilience import BreakerOpen
from hexar.core.resilience.rate_limits import Rate
from hexar.core.resilience.slots import Slot
from hexar.core.store import Database
from hexar.core.store.migrations import create_tables
from hexar.server.engine import Engine, build_engine
from hexar.server.systems import make_settings
from tests.fix.kinds import KINDS
from tests.fix.ports import free_port
from tests.fix.stores.redis_kinds import FAULTS, Server

OPERATIONS = Path(__file__).resolve().parents[3] / "docs" / "operations" / "stores.md"


async def until(condition: Any, seconds: float = 20.0) -> float:
    """Wait for ``condition``; the seconds it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        await asyncio.sleep(0.02)
    return time.monotonic() - began


async def use_everything(url: str, folder: Path) -> None:
    """Two engines share values, a running answer, a bump, a breaker, a rate and a slot over ``url``."""
    # A busy machine is no outage: what this is about is not how fast the server answers.
    settings = make_settings(data_dir=folder / "data", redis_url=url, redis_timeout=5.0)
    one, other = engines = [build_engine(settings, kinds=KINDS) for _ in range(2)]
    for engine in engines:
        engine.open()
    for engine in engines:
        assert engine.redis is not None and engine.invalidation is not None
        assert await engine.redis.ready(20)
        await until(engine.invalidation.current)

    async def share_a_value() -> None:
        for number in range(40):
            key = number.to_bytes(32, "little")
            one.caches.put("query_answer", key, b"value", one.caches.snapshot("t", "query_answer", "a"))
        assert one.caches.backend is not None
        await one.caches.backend.flush()
        for number in range(40):
            found = await other.caches.get("query_answer", number.to_bytes(32, "little"))
            assert found is not None and found.value == b"value"
        await one.database.run(one.versions.bump, "a")
        assert await other.caches.get("query_answer", bytes(32)) is None

    def spec(engine: Engine, name: str, made: list[str]) -> AnswerSpec:
        async def produce(events: EventLog) -> Completion:
            made.append(name)
            for step in range(20):
                events.append(f"{name} {step}".encode())
                await asyncio.sleep(0.02)
            return Completion()

        return AnswerSpec(
            "query_answer", name.encode().ljust(32), produce, engine.caches.snapshot("t", "query_answer"), finish_alone=True
        )

    async def read(engine: Engine, name: str, made: list[str]) -> list[bytes]:
        answer = await engine.answers.open(spec(engine, name, made), Deadline.after(30))
        try:
            assert answer.origin in (Origin.PRODUCED, Origin.JOINED)
            return [event async for batch in answer.batches(0) for event in batch]
        finally:
            answer.close()

    async def share_an_answer(name: str) -> None:
        made: list[str] = []
        results = await asyncio.gather(*(read(engine, name, made) for engine in engines for _ in range(5)))
        assert made == [name]
        assert all(result == results[0] and len(result) == 20 for result in results)

    async def share_a_breaker() -> None:
        def fail() -> None:
            raise OSError

        for _ in range(5):
            with pytest.raises(OSError):
                await one.dispatcher.call("vendor", fail)
        await other.dispatcher.call("well", int)
        await until(lambda: other.breakers is not None and "vendor" in other.breakers._known)
        with pytest.raises(BreakerOpen):
            await other.dispatcher.call("vendor", fail)
        (bulkhead,) = (bulkhead for bulkhead in one.dispatcher.status() if bulkhead.agent == "vendor")
        bulkhead.breaker.open_for(0)
        assert one.breakers is not None
        await one.breakers.claim(bulkhead.breaker)

    async def share_a_rate() -> None:
        claim = ("tenant", Rate(0.001, 10))
        outcomes = [await engine.rates.take([claim]) for _ in range(10) for engine in engines]
        assert outcomes.count(None) == 10

    async def share_a_slot() -> None:
        slot = await one.slots.enter("group", [("name", 1)])
        assert isinstance(slot, Slot)
        assert await other.slots.enter("group", [("name", 1)]) == "name"
        one.slots.leave(slot)

    await share_a_value()
    await asyncio.gather(*(share_an_answer(name) for name in ("first", "second")))
    await share_a_breaker()
    await share_a_rate()
    await share_a_slot()
    assert one.redis is not None and other.redis is not None
    assert (one.redis.outages, other.redis.outages) == (0, 0)
    for engine in engines:
        await engine.close()


def acl_line() -> list[str]:
    """The words of the ACL rule in docs/operations/stores.md."""
    (line,) = re.findall(r"^ACL SETUSER hexar .*$", OPERATIONS.read_text(encoding="utf-8"), re.MULTILINE)
    return str(line).split()


async def test_the_documented_user_may_do_what_is_needed_and_no_more(
    redis_binary: str, servers: list[Server], tmp_path: Path
) -> None:
    """With the ACL rule of the documentation nothing is denied, and no command of it is there in vain."""
    servers.append(Server(redis_binary))
    servers[0].start()
    with servers[0].client() as client:
        client.execute_command(*acl_line())
        client.execute_command("ACL", "SETUSER", "default", "-@all", "+acl", "+info", "+config")
        client.config_resetstat()
        url = f"redis://hexar:password@127.0.0.1:{servers[0].port}/0"
        await use_everything(url, tmp_path)
        assert client.acl_log() == []
        allowed = {word[1:] for word in acl_line() if word.startswith("+")}

        def in_vain() -> set[str]:
            return allowed - {name.removeprefix("cmdstat_") for name in client.info("commandstats")}

        # What is given back at the end is given back behind the callers' backs.
        await until(lambda: not in_vain())
    with redis.Redis(port=servers[0].port, username="hexar", password="password", protocol=2) as client:
        for command in (("SET", "other", "1"), ("FLUSHDB",), ("KEYS", "*"), ("PUBLISH", "other", "x"), ("CONFIG", "GET", "*")):
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command)


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A folder with ``ca.pem`` and a certificate of that authority for 127.0.0.1."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path / "certificates"
    folder.mkdir()

    def run(*words: str) -> None:
        subprocess.run([openssl, *words], cwd=folder, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    (folder / "ext").write_text("subjectAltName=IP:127.0.0.1\n")
    run("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "2")
    run("req", *curve, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1")
    run(
        *("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
        *("-extfile", "ext", "-days", "2", "-out", "server.pem"),
    )
    return folder


def tls(folder: Path) -> list[str]:
    """A server's options."""
    files = ("--tls-cert-file", "server.pem", "--tls-key-file", "server.key", "--tls-ca-cert-file", "ca.pem")
    return [str(folder / word) if word.endswith((".pem", ".key")) else word for word in files]


def start_with_tls(server: Server) -> None:
    """Start it, or skip the test where it was built without TLS."""
    try:
        server.start()
    except RuntimeError as error:
        if "TLS" in str(error) or "tls" in str(error):
            pytest.skip(f"{Path(server.binary).name} was built without TLS")
        raise


async def test_everything_goes_through_tls(
    redis_binary: str, servers: list[Server], certificates: Path, tmp_path: Path
) -> None:
    """Server and client prove themselves by certificates; an authority that is not trusted is no connection."""
    servers.append(Server(redis_binary, *tls(certificates), tls=True))
    start_with_tls(servers[0])
    ca = certificates / "ca.pem"
    address = f"rediss://127.0.0.1:{servers[0].port}/0?ssl_ca_certs={ca}"
    own = f"&ssl_certfile={certificates / 'server.pem'}&ssl_keyfile={certificates / 'server.key'}"
    await use_everything(address + own, tmp_path)
    for wrong in (address, f"rediss://127.0.0.1:{servers[0].port}/0?{own[1:]}"):
        link = RedisLink(wrong)
        link.start()
        assert not await link.ready(1)
        await link.close()


def sentinel_acl() -> list[str]:
    """What a user of the Sentinels needs, as docs/operations/stores.md says."""
    (rules,) = re.findall(r"user of the Sentinels needs `([^`]*)`", OPERATIONS.read_text(encoding="utf-8"))
    return ["resetkeys", "resetchannels", "-@all", *str(rules).split()]


class Watched:
    """A master, a replica and three Sentinels."""

    def __init__(self, binary: str, servers: list[Server]) -> None:
        self.master = Server(binary)
        self.master.start()
        self.replica = Server(binary, "--replicaof", f"127.0.0.1 {self.master.port}", "--repl-diskless-sync-delay", "0")
        self.replica.start()
        rules = (
            f"sentinel monitor hexar 127.0.0.1 {self.master.port} 2\n"
            "sentinel down-after-milliseconds hexar 1000\nsentinel failover-timeout hexar 5000\n"
            f"user guest on >word {' '.join(sentinel_acl())}\n"
        )
        self.sentinels = [Server(binary, sentinel=rules) for _ in range(3)]
        servers.extend([self.master, self.replica, *self.sentinels])
        for sentinel in self.sentinels:
            sentinel.start()

    @property
    def url(self) -> str:
        """The address of them all; the first host is nobody's."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in (free_port(), *(sentinel.port for sentinel in self.sentinels)))
        return f"redis+sentinel://{hosts}/hexar?sentinel_username=guest&sentinel_password=word"

    def agreed(self) -> bool:
        """True once the replica is in step, and the Sentinels know it and one another."""
        with self.replica.client() as client:
            if client.info("replication")["master_link_status"] != "up":
                return False
        for sentinel in self.sentinels:
            with sentinel.client(decode_responses=True) as client:
                state = client.sentinel_master("hexar")
                if state["num-slaves"] != 1 or state["num-other-sentinels"] != 2:
                    return False
        return True


@pytest.mark.chaos
@pytest.mark.parametrize("fault", FAULTS)
async def test_another_master_is_found_when_the_first_is_gone(
    redis_binary: str, servers: list[Server], tmp_path: Path, fault: signal.Signals
) -> None:
    """Killed or hung: look-ups go on meanwhile, and are kept in the new master soon after the Sentinels named it."""
    watched = Watched(redis_binary, servers)
    await until(watched.agreed, 30)
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    create_tables(database)
    link = RedisLink(watched.url, timeout=0.5)
    caches = Caches(Versions(database), RedisBackend(link), memory_bytes=20_000, kinds=KINDS)
    link.start()
    assert await link.ready(20)
    lookups, running = 0, True

    async def caller() -> None:
        nonlocal lookups
        while running:
            key = (lookups % 500).to_bytes(32, "big")
            found = await caches.get("query_answer", key)
            assert found is None or found.value == key
            caches.put("query_answer", key, key, {})
            lookups += 1
            await asyncio.sleep(0.005)

    calling = asyncio.create_task(caller())
    await asyncio.sleep(0.5)
    watched.master.signal(fault)
    await until(lambda: not link.up)
    before = lookups

    def role() -> str:
        with watched.replica.client() as client:
            return str(client.info("replication")["role"])

    named = await until(lambda: role() == "master", 30)
    # Sentinels tell clients a moment after the replica was promoted.
    back = await until(lambda: link.up, 30)
    assert lookups > before
    print(f"{fault.name}: promoted after {named:.2f} s, used {back:.2f} s later, {lookups - before} look-ups meanwhile")
    caches.memory.clear()

    def keys() -> int:
        with watched.replica.client() as client:
            return int(client.dbsize())

    with watched.replica.client() as client:
        client.flushall()
    await until(lambda: keys() > 0)
    running = False
    await calling
    await caches.close()
    database.close()


async def test_keys_that_are_used_together_share_a_slot(redis_binary: str, servers: list[Server], tmp_path: Path) -> None:
    """A node of a Cluster refuses commands over several slots, and scripts too: none of ours is."""
    servers.append(Server(redis_binary, "--cluster-enabled", "yes"))
    servers[0].start()
    with servers[0].client() as client:
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        await until(lambda: client.execute_command("CLUSTER INFO")["cluster_state"] == "ok")
        with pytest.raises(redis.exceptions.ResponseError, match="same slot"):
            client.eval("return 1", 2, "hexar:{a}:v1:x", "hexar:{b}:v1:x")
        client.config_resetstat()
        await use_everything(f"redis://127.0.0.1:{servers[0].port}/0", tmp_path)
        stats = client.info("commandstats")
        refused = {name: row["rejected_calls"] for name, row in stats.items() if row.get("rejected_calls")}
        assert refused == {}
        keys = [key.decode() for key in client.scan_iter(count=1000)]
        tags = [re.fullmatch(r"hexar:\{([^}]+)\}:v\d+:\w+(:.*)?", key) for key in keys]
        assert keys and all(tags)
