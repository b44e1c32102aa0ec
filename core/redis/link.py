"""The link to Redis: one address for a server, for one that Sentinels watch, or for a Cluster.

An address is ``redis://``, ``rediss://`` (TLS), ``unix://``; ``redis+sentinel://host:port,host:port/service/db``; or
``redis+cluster://host:port,host:port`` with some nodes of the Cluster (``rediss+…`` with TLS). An ACL user and password stand
before the hosts, options such as ``?ssl_ca_certs=ca.pem`` after them, as redis-py reads them; for Sentinels that ask for
them also ``sentinel_username`` and ``sentinel_password``.

What a caller may expect is said in :mod:`hexar.core.redis.node`: an answer within :data:`TIMEOUT`, or RedisDown. In a Cluster
each node is up or down by itself: with one of three gone, a third of the keys is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit, urlunsplit

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import AskError, ClusterDownError, MovedError, NoScriptError, TryAgainError

from hexar.core.redis.cluster import ClusterNodes
from hexar.core.redis.node import BATCH, CONNECT_TIMEOUT, PROBE_EVERY, TIMEOUT, WRITE_TIMEOUT, RedisDown, RedisNode

__all__ = ["BATCH", "PROBE_EVERY", "TIMEOUT", "WRITE_TIMEOUT", "RedisDown", "RedisLink", "connection_pool"]

#: Seconds that one of several Sentinels may take; the next one is asked then.
SENTINEL_TIMEOUT = 0.3


def connection_pool(url: str) -> ConnectionPool:
    """A maker of connections for ``url`` that retries nothing. Raises ValueError where it is no Redis address."""
    options: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_timeout": None,
        "retry": Retry(NoBackoff(), 0),
        "driver_info": None,
        "protocol": 2,
    }
    parts = urlsplit(url)
    if parts.scheme not in ("redis+sentinel", "rediss+sentinel"):
        return ConnectionPool.from_url(url, **options)
    path = parts.path.strip("/").split("/")
    if not path[0] or len(path) > 2:
        raise ValueError("a Sentinel address ends with /service or /service/db")
    user, _, hosts = parts.netloc.rpartition("@")
    sentinels: list[tuple[str, int]] = []
    for host in hosts.split(","):
        name, _, port = host.rpartition(":")
        sentinels.append((name, int(port)) if name else (host, 26379))
    name, _, password = user.partition(":")
    options |= {"username": unquote(name) or None, "password": unquote(password) or None, "db": int(path[1]) if path[1:] else 0}
    # The same options as redis-py reads from an address of one server, beside those of the Sentinels themselves.
    plain = parse_url(urlunsplit(("redis", "", "", parts.query, "")))
    asked: dict[str, Any] = {key: value for key, value in plain.items() if key not in ("host", "port", "db")}
    guard, word = asked.pop("sentinel_username", None), asked.pop("sentinel_password", None)
    options |= asked
    guards = dict(
        options, db=0, username=guard, password=word, socket_connect_timeout=SENTINEL_TIMEOUT, socket_timeout=SENTINEL_TIMEOUT
    )
    if parts.scheme.startswith("rediss"):
        options["ssl"] = guards["ssl"] = True
    untyped: Any = Sentinel
    pool: ConnectionPool = untyped(sentinels, sentinel_kwargs=guards, **options).master_for(path[0]).connection_pool
    return pool


def check_address(url: str) -> None:
    """Raise ValueError where ``url`` is no address of a Redis."""
    if _is_cluster(url):
        _cluster(url, TIMEOUT)
    else:
        connection_pool(url)


def _is_cluster(url: str) -> bool:
    return urlsplit(url).scheme in ("redis+cluster", "rediss+cluster")


def _cluster(url: str, timeout: float) -> ClusterNodes:
    parts = urlsplit(url)
    if parts.path.strip("/") not in ("", "0"):
        raise ValueError("a Cluster has database 0 only")
    user, at, hosts = parts.netloc.rpartition("@")
    scheme = parts.scheme.partition("+")[0]

    def make(address: tuple[str, int]) -> ConnectionPool:
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        return connection_pool(urlunsplit((scheme, f"{user}{at}{host}:{address[1]}", "/0", parts.query, "")))

    seeds = [urlsplit(f"//{host}") for host in hosts.split(",")]
    if not all(seed.hostname for seed in seeds):
        raise ValueError("a Cluster address names host:port of some nodes")
    addresses = [(str(seed.hostname), seed.port or 6379) for seed in seeds]
    return ClusterNodes(addresses, make, timeout)


class Nodes(Protocol):
    """One server, or the masters of a Cluster."""

    @property
    def up(self) -> bool: ...
    @property
    def parts(self) -> int: ...
    @property
    def commands(self) -> int: ...
    @property
    def pipelines(self) -> int: ...
    @property
    def outages(self) -> int: ...
    def start(self) -> None: ...
    async def ready(self, seconds: float) -> bool: ...
    def connection(self) -> Any: ...
    def node_for(self, command: tuple[Any, ...]) -> RedisNode | None: ...
    def moved(self, error: MovedError) -> RedisNode | None: ...
    async def flush(self) -> None: ...
    async def close(self) -> None: ...


class RedisLink:
    """Commands to one Redis: a server or a Cluster.

    Thread-safety: :meth:`post` may be called from any thread, the rest belongs to the event loop that called :meth:`start`.
    """

    def __init__(self, url: str, *, timeout: float = TIMEOUT) -> None:
        self.timeout = timeout
        self._nodes: Nodes = _cluster(url, timeout) if _is_cluster(url) else RedisNode(connection_pool(url), timeout)

    @property
    def up(self) -> bool:
        """False from the first failure until a probe is answered, and before the start. A Cluster is up while some of it is."""
        return self._nodes.up

    @property
    def commands(self) -> int:
        """Commands sent."""
        return self._nodes.commands

    @property
    def pipelines(self) -> int:
        """Pipelines they went in."""
        return self._nodes.pipelines

    @property
    def outages(self) -> int:
        """Times that the link, or a node of it, went down."""
        return self._nodes.outages

    def start(self) -> None:
        """Begin to connect, without waiting for it; on the event loop."""
        self._nodes.start()

    def connection(self) -> Any:
        """A connection of one's own to subscribe with, not yet connected: redis-py's, untyped there."""
        return self._nodes.connection()

    async def ready(self, seconds: float) -> bool:
        """Wait until the link is up, the whole of a Cluster too, ``seconds`` at most; whether it is."""
        return await self._nodes.ready(seconds)

    async def call(self, *command: Any) -> Any:
        """The reply to ``command``. Raises RedisDown within the timeout, ResponseError where the server refuses."""
        node = self._nodes.node_for(command)
        if node is None:
            raise RedisDown
        try:
            return await node.call(*command)
        except MovedError as error:
            # It was not executed: the node that has the key now may be asked.
            other = self._nodes.moved(error)
            if other is None:
                raise
            return await other.call(*command)
        except (AskError, TryAgainError, ClusterDownError) as error:
            # The slot is on its way to another node, or has none.
            raise RedisDown from error

    async def script(self, text: str, keys: Sequence[str], *arguments: Any) -> Any:
        """The result of a Lua script, sent by its digest; by its text where the server does not know it yet."""
        digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        try:
            return await self.call("EVALSHA", digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return await self.call("EVAL", text, len(keys), *keys, *arguments)

    def post(self, *command: Any, size: int, limit: int) -> bool:
        """Send ``command`` soon, without a reply; False where the link is down or more than ``limit`` bytes would wait."""
        node = self._nodes.node_for(command)
        return node is not None and node.post(*command, size=size, limit=limit // self._nodes.parts)

    async def flush(self) -> None:
        """Wait until what was posted is sent, or given up."""
        await self._nodes.flush()

    async def close(self) -> None:
        """Send what waits, then close the connections."""
        await self._nodes.close()
