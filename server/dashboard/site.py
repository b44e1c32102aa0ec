"""The page over HTTP, and its server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import orjson
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from hexar.server.dashboard.bridge import BadRequest, Bridge

log = structlog.get_logger(__name__)

STATIC = Path(__file__).with_name("static")
#: Seconds between two looks at the figures, streams that may be open at once, and bytes of a request.
EVERY, MOST_STREAMS, MOST_BYTES = 1.0, 32, 256 * 1024
_OPS = "hexar.v1.OpsService/"
#: Nothing but what this server serves, and nobody may frame it.
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


class Site:
    """The page. Tokens that come with a request are passed on: what a caller may see and do is decided by the RPC."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._streams = 0
        #: Set at the end, so that streams do not hold it up.
        self.ending = asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/", self._file("index.html", "text/html")),
                Route("/page.css", self._file("page.css", "text/css")),
                Route("/page.js", self._file("page.js", "text/javascript")),
                Route("/api/methods", self.methods),
                Route("/api/live", self.live),
                Route("/api/run", self.run, methods=["POST"]),
            ]
        )

    @staticmethod
    def _file(name: str, kind: str) -> Any:
        async def serve(_: Request) -> Response:
            return FileResponse(STATIC / name, media_type=kind, headers=_HEADERS)

        return serve

    async def methods(self, _: Request) -> Response:
        """What the console may call."""
        return JSONResponse(self._bridge.runnable, headers=_HEADERS)

    async def live(self, request: Request) -> Response:
        """The figures, again and again."""
        if (refused := self._refused(request)) is not None:
            return refused
        return self._stream(self._looks(_token(request)))

    async def run(self, request: Request) -> Response:
        """One call of the console."""
        if (refused := self._refused(request)) is not None:
            return refused
        body = await request.body()
        if len(body) > MOST_BYTES:
            return _problem(413, "the request is too large")
        try:
            asked = orjson.loads(body)
            events = await self._bridge.run(asked["method"], asked["request"], _token(request))
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return _problem(400, "the request is no JSON object with method and request")
        except BadRequest as error:
            return _problem(400, str(error))
        return self._stream(events)

    def _refused(self, request: Request) -> Response | None:
        """Other sites' pages may not use a browser that reaches this one, and nobody may open any number of streams."""
        origin, host = request.headers.get("origin"), request.headers.get("host", "")
        if origin is not None and urlsplit(origin).netloc != host:
            return _problem(403, "another site may not call this one")
        if request.headers.get("x-hexar") != "page":
            return _problem(403, "only the page calls this")
        if self._streams >= MOST_STREAMS:
            return _problem(503, "too many streams are open")
        return None

    def _stream(self, events: AsyncIterator[dict[str, Any]]) -> Response:
        async def lines() -> AsyncIterator[bytes]:
            self._streams += 1
            try:
                async for event in events:
                    yield b"data: " + orjson.dumps(event) + b"\n\n"
            finally:
                self._streams -= 1
                with contextlib.suppress(RuntimeError):
                    await events.aclose()  # type: ignore[attr-defined]

        return StreamingResponse(lines(), media_type="text/event-stream", headers=_HEADERS)

    async def _looks(self, token: str) -> AsyncIterator[dict[str, Any]]:
        while not self.ending.is_set():
            try:
                report, status, breakers = await asyncio.gather(
                    self._bridge.ask(_OPS + "GetReport", {"all_processes": True}, token),
                    self._bridge.ask(_OPS + "GetStatus", {}, token),
                    self._bridge.ask(_OPS + "ListBreakers", {}, token),
                )
            except grpc.aio.AioRpcError as error:
                yield {"error": error.code().name, "message": error.details()}
                if error.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
                    return
            else:
                yield {"report": report, "status": status, "breakers": breakers.get("breakers", [])}
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ending.wait(), EVERY)


class _Server(uvicorn.Server):
    """uvicorn on a loop that is not its own: signals are the process'."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Dashboard:
    """The page's own server, on the running loop. Raises OSError where its address cannot be had."""

    def __init__(self, site: Site, host: str, port: int) -> None:
        self._site = site
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # A replacement of this process begins to listen before this one ends.
        if hasattr(socket, "SO_REUSEPORT"):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise OSError(f"cannot listen on {host}:{port}: {error.strerror}") from error
        self.port = int(self._socket.getsockname()[1])
        config = uvicorn.Config(
            site.app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=2,
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to serve."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="dashboard")
        log.info("dashboard", port=self.port)

    async def close(self) -> None:
        """Let streams end, and stop."""
        self._site.ending.set()
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        self._socket.close()


def _token(request: Request) -> str:
    return request.headers.get("authorization", "")


def _problem(status: int, text: str) -> Response:
    return JSONResponse({"message": text}, status_code=status, headers=_HEADERS)
