"""A TCP relay that tests put between a client and a server, to make the network fail without a word."""

from __future__ import annotations

import asyncio


class Wire:
    """A TCP relay to a server that can go silent: what comes is swallowed, connections stay open, new ones are accepted."""

    def __init__(self, port: int) -> None:
        #: The server that new connections reach.
        self.to = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.silent = False

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Cut every connection."""
        assert self._server is not None
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._join(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        forth: asyncio.StreamWriter | None = None
        try:
            back, forth = await asyncio.open_connection("127.0.0.1", self.to)
            await asyncio.gather(self._relay(reader, forth), self._relay(back, writer))
        except OSError:
            pass
        finally:
            if forth is not None:
                forth.close()
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if not self.silent:
                writer.write(data)
                await writer.drain()
        writer.close()
