"""Server-sent events from bytes, piece by piece, however the network cuts them.

Source: the WHATWG HTML standard, section 9.2 (event streams). Only ``data`` matters to a model's stream; the other
fields are read over. Bytes are split at line ends before they are decoded, so a character that two packets share
stays whole.
"""


class TooLarge(ValueError):
    """A line or an event is longer than the parser may keep."""


class SSEParser:
    """Feed it bytes, get the data of the events that are complete. Lines end with LF, CRLF or CR.

    Not thread-safe; one per stream.
    """

    __slots__ = ("_data", "_kept", "_limit", "_pending", "_pending_size", "_skip_lf", "_started")

    def __init__(self, limit: int = 1 << 20) -> None:
        #: Bytes that one event may have.
        self._limit = limit
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._data: list[bytes] = []
        self._kept = 0
        self._skip_lf = False
        self._started = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of every event that ``chunk`` completes; raises :class:`TooLarge`."""
        if self._skip_lf and chunk:
            # The LF of a CRLF that was cut in two.
            if chunk[:1] == b"\n":
                chunk = chunk[1:]
            self._skip_lf = False
        if b"\r" in chunk:
            self._skip_lf = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n" not in chunk:
            if chunk:
                self._pending.append(chunk)
                self._pending_size += len(chunk)
                self._check()
            return []
        if self._pending:
            self._pending.append(chunk)
            chunk = b"".join(self._pending)
        lines = chunk.split(b"\n")
        rest = lines.pop()
        self._pending = [rest] if rest else []
        self._pending_size = len(rest)
        if not self._started:
            self._started = True
            lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
        events: list[bytes] = []
        for line in lines:
            if not line:
                if self._data:
                    events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                    self._data = []
                    self._kept = 0
            elif line.startswith(b"data:"):
                value = line[6:] if line[5:6] == b" " else line[5:]
                self._data.append(value)
                self._kept += len(value)
                self._check()
            elif line == b"data":
                self._data.append(b"")
        self._check()
        return events

    def _check(self) -> None:
        if self._pending_size + self._kept > self._limit:
            raise TooLarge
