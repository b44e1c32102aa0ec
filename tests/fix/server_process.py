"""A whole server in a process of its own, as ``hexar serve`` runs it: started, asked over its port, killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc

#: Channels of one process to one address would share a connection, and no caller could lose its own.
OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)


class ServerProcess:
    """A server configured by ``settings`` (names as in hexar.yaml, nested ones as mappings); its log is kept in ``folder``."""

    def __init__(self, folder: Path, name: str, **settings: Any) -> None:
        self._settings = {"host": "127.0.0.1", "log_format": "json", "drain_seconds": 0.5} | settings
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.name = name
        self.port = 0

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """All that it wrote."""
        return self._log.read_text(errors="replace")

    async def start(self) -> Self:
        """Start, on the port of before where it had one, and return when it listens."""
        variables = {f"HEXAR_{key.upper()}": _text(value) for key, value in self._settings.items()}
        variables["HEXAR_PORT"] = str(self.port)
        at = self._log.stat().st_size if self._log.exists() else 0
        self._process = await asyncio.to_thread(self._spawn, _without_settings() | variables)
        until = time.monotonic() + 60
        while not (listening := [line for line in self._lines(at) if line.get("event") == "listening"]):
            if time.monotonic() > until or self._process.poll() is not None:
                self._process.kill()
                raise RuntimeError(f"{self.name} did not start:\n{self.log}")
            await asyncio.sleep(0.05)
        self.port = listening[-1]["port"]
        return self

    def _spawn(self, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-m", "hexar.server"], env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )

    def _lines(self, at: int) -> list[dict[str, Any]]:
        with self._log.open("rb") as log:
            log.seek(at)
            return [json.loads(line) for line in log.read().splitlines(True) if line.startswith(b"{") and line.endswith(b"\n")]

    def channel(self) -> grpc.aio.Channel:
        """A channel over a connection of its own."""
        return grpc.aio.insecure_channel(self.address, options=OWN_CONNECTION)

    async def kill(self) -> None:
        """End it as a power cut does."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Let it drain."""
        await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(how)
            try:
                await asyncio.to_thread(process.wait, 20)
            except subprocess.TimeoutExpired:
                process.kill()
                await asyncio.to_thread(process.wait)
                raise

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()


def _without_settings() -> dict[str, str]:
    # What tests are told by variables of that kind is no setting of a server.
    return {name: value for name, value in os.environ.items() if not name.startswith("HEXAR_")}


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)
