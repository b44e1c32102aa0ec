"""A load generator that costs little: raw HTTP/2 over a few connections, written ahead and counted without being decoded.

Requests of one gRPC method with one body are frames whose bytes are known but for the stream's number. Replies are counted by
reading frame headers: a frame tells its length, so everything else is skipped, and a HEADERS frame with END_STREAM ends an
answer. Whether the answers were right is for the caller to check beside the load, with a real client and the server's figures.

Run as ``python tests/bench/serving/rawload.py PORT PATH SECONDS CONNECTIONS STREAMS [NAME=VALUE …]`` with the request's bytes on standard
input and the metadata as arguments, it prints
``{"answers": n, "bytes": n, "seconds": t, "cpu": t}``.

Source: RFC 9113 (HTTP/2), RFC 7541 (HPACK), the gRPC protocol over HTTP/2.
"""

import json
import select
import socket
import sys
import time
from contextlib import suppress

HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, DATA = 1, 3, 4, 6, 7, 8, 0
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#: What both windows are opened to: no answer waits for an update.
WINDOW = 2**31 - 1
#: Seconds between two looks at the connections: replies are read in bulk.
PAUSE = 0.03


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One HTTP/2 frame."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def header_blocks(path: str, metadata: dict[str, str]) -> tuple[bytes, bytes]:
    """The header block of a connection's first request, which fills the HPACK table, and of those that point into it."""
    fixed = b"\x83\x86"  # :method POST, :scheme http

    def text(value: str) -> bytes:
        return bytes((len(value),)) + value.encode()

    # Literals with incremental indexing: :path, :authority, content-type by their static names, te by a new one.
    first = fixed + b"\x44" + text(path) + b"\x41" + text("localhost") + b"\x5f" + text("application/grpc")
    first += b"\x40" + text("te") + text("trailers")
    for name, value in metadata.items():
        first += b"\x40" + text(name) + text(value)
    return first, fixed + bytes(0x80 | index for index in range(65 + len(metadata), 61, -1))


class Connection:
    """One connection with ``streams`` requests in flight at any time."""

    def __init__(self, port: int, path: str, body: bytes, streams: int, metadata: dict[str, str]) -> None:
        message = b"\0" + len(body).to_bytes(4, "big") + body
        first, later = header_blocks(path, metadata)
        self._first, self._later = (
            (frame(HEADERS, END_HEADERS, 0, block)[:5], block + frame(DATA, END_STREAM, 0, message)[:5])
            for block in (first, later)
        )
        self._message = message
        self._stream = 1
        self._rest = b""
        self._skip = 0
        self.answers = 0
        self.bytes = 0
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        # INITIAL_WINDOW_SIZE (4) of each stream, then the connection's.
        self._out = PREFACE + frame(SETTINGS, 0, 0, b"\0\x04" + WINDOW.to_bytes(4, "big"))
        self._out += frame(WINDOW_UPDATE, 0, 0, (WINDOW - 65535).to_bytes(4, "big"))
        self._ask(streams)
        self._send()
        self.socket.setblocking(False)

    def _ask(self, count: int) -> None:
        parts = [self._out]
        for _ in range(count):
            stream = self._stream.to_bytes(4, "big")
            head, tail = self._later if self._stream > 1 else self._first
            parts += (head, stream, tail, stream, self._message)
            self._stream += 2
        self._out = b"".join(parts)

    def _send(self) -> None:
        if self._out:
            with suppress(BlockingIOError):
                self._out = self._out[self.socket.send(self._out) :]

    def turn(self) -> None:
        """Read what is there, count what ended, and ask as often again."""
        try:
            data = self.socket.recv(1 << 20)
        except BlockingIOError:
            data = b""
        else:
            if not data:
                raise ConnectionError("the server closed the connection")
        self.bytes += len(data)
        if self._rest:
            data = self._rest + data
        at, last, ended = self._skip, len(data) - 9, 0
        while at <= last:
            kind = data[at + 3]
            after = at + 9 + (data[at] << 16 | data[at + 1] << 8 | data[at + 2])
            if kind != DATA:
                if after > len(data):
                    break
                flags = data[at + 4]
                if kind == HEADERS:
                    ended += flags & END_STREAM
                elif kind == SETTINGS and not flags:
                    self._out += frame(SETTINGS, ACK, 0, b"")
                elif kind == PING and not flags:
                    self._out += frame(PING, ACK, 0, data[at + 9 : after])
                elif kind in (RST_STREAM, GOAWAY):
                    raise ConnectionError(f"frame {kind}: {data[at + 9 : after]!r}")
            at = after
        # What is cut is read again with what follows; of a DATA frame the rest is skipped.
        self._rest = data[at:]
        self._skip = max(0, at - len(data))
        self.answers += ended
        if ended:
            self._ask(ended)
        self._send()


def load(
    port: int, path: str, body: bytes, seconds: float, connections: int, streams: int, metadata: dict[str, str] | None = None
) -> dict[str, float]:
    """Closed-loop load: answers and bytes that came, the time it took and the CPU time it cost here."""
    opened = [Connection(port, path, body, streams, metadata or {}) for _ in range(connections)]
    poll = select.poll()
    by_number = {each.socket.fileno(): each for each in opened}
    for number in by_number:
        poll.register(number, select.POLLIN)
    began, cpu = time.perf_counter(), time.process_time()
    while (now := time.perf_counter()) - began < seconds:
        time.sleep(PAUSE)
        for number, _ in poll.poll(100):
            by_number[number].turn()
    cpu = time.process_time() - cpu
    for each in opened:
        each.socket.close()
    return {
        "answers": sum(each.answers for each in opened),
        "bytes": sum(each.bytes for each in opened),
        "seconds": now - began,
        "cpu": cpu,
    }


def main() -> None:
    port, path, seconds, connections, streams, *pairs = sys.argv[1:]
    metadata = dict(pair.split("=", 1) for pair in pairs)
    body = sys.stdin.buffer.read()
    print(json.dumps(load(int(port), path, body, float(seconds), int(connections), int(streams), metadata)))


if __name__ == "__main__":
    main()
