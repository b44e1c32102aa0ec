"""Files as importers read them: plain or gzip, line by line as bytes, with the share that was read."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from hexar.agents.parts.catalogue.report import CatalogueUnreadable
from hexar.agents.parts.catalogue.writer import Progress

#: Lines between two calls of progress.
PROGRESS_LINES = 20_000
#: A longer line is not a row of a catalogue.
MAX_LINE = 32 * 1024 * 1024


class Source:
    """One file. ``name`` is what problems are reported under."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name

    def lines(self, progress: Progress) -> Iterator[tuple[int, bytes]]:
        """(line number from 1, line with its end); raises CatalogueUnreadable where the file is cut short or not gzip."""
        total = self.path.stat().st_size
        number = 0
        with self.path.open("rb") as raw:
            stream = self._decompressed(raw)
            try:
                while line := stream.readline(MAX_LINE):
                    number += 1
                    if len(line) == MAX_LINE:
                        raise CatalogueUnreadable(f"{self.name}, line {number}: longer than {MAX_LINE} bytes")
                    yield number, line
                    if number % PROGRESS_LINES == 0:
                        progress(self.name, raw.tell(), total)
            except (EOFError, gzip.BadGzipFile, zlib.error):
                raise CatalogueUnreadable(f"{self.name}: the compressed file is damaged after line {number}") from None
        progress(self.name, total, total)

    def chunks(self, progress: Progress, size: int = 1 << 18) -> Iterator[bytes]:
        """The file's bytes, decompressed, in pieces; errors as in :meth:`lines`."""
        total = self.path.stat().st_size
        with self.path.open("rb") as raw:
            stream = self._decompressed(raw)
            try:
                while chunk := stream.read(size):
                    yield chunk
                    progress(self.name, raw.tell(), total)
            except (EOFError, gzip.BadGzipFile, zlib.error):
                raise CatalogueUnreadable(f"{self.name}: the compressed file is damaged") from None

    def text(self, progress: Progress) -> Iterator[str]:
        """Lines as UTF-8; bytes that are not UTF-8 become U+FFFD, which importers refuse row by row."""
        for number, line in self.lines(progress):
            yield (line[3:] if number == 1 and line.startswith(b"\xef\xbb\xbf") else line).decode("utf-8", "replace")

    def _decompressed(self, raw: BinaryIO) -> BinaryIO:
        if self.path.suffix == ".gz":
            return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
        return raw


def find(folder: Path, stem: str, suffixes: tuple[str, ...]) -> Source | None:
    """``stem`` with one of the suffixes, plain or with .gz, or None."""
    for suffix in suffixes:
        for name in (f"{stem}{suffix}", f"{stem}{suffix}.gz"):
            if (folder / name).is_file():
                return Source(folder / name)
    return None
