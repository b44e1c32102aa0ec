"""A table while a client streams it: options, then each file's name and its bytes, to a folder of its own."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from hexar.agents.market.request.validation import MAX_PATHS, check_options, check_text
from hexar.agents.market.tables.reading import Source
from hexar.core.errors import InvalidArgument
from hexar.v1 import market_pb2 as pb

MAX_CHUNK = 4 << 20


class Upload:
    """One upload of at most ``limit`` bytes. What :meth:`accept` returns must be run, on a thread, before the next part."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder / secrets.token_hex(8)
        self._limit = limit
        self._options: pb.TableOptions | None = None
        self._names: list[str] = []
        self._bytes = 0

    def accept(self, part: pb.UploadTableRequest) -> Callable[[], None] | None:
        """Take the next part. InvalidArgument where it is out of order, or too much."""
        kind = part.WhichOneof("part")
        if kind == "options":
            if self._options is not None:
                raise InvalidArgument("options", "must be the first part, and only that")
            check_options(part.options)
            self._options = part.options
            return None
        if self._options is None:
            raise InvalidArgument("options", "must be the first part")
        if kind == "file_name":
            check_text(part.file_name, "file_name", 255)
            if not part.file_name:
                raise InvalidArgument("file_name", "must not be empty")
            if len(self._names) == MAX_PATHS:
                raise InvalidArgument("file_name", f"must be at most {MAX_PATHS} files")
            self._names.append(part.file_name)
            return self._begin(len(self._names))
        if kind != "chunk":
            raise InvalidArgument("part", "must be options, file_name or chunk")
        if not self._names:
            raise InvalidArgument("file_name", "must come before the bytes of a file")
        if len(part.chunk) > MAX_CHUNK:
            raise InvalidArgument("chunk", f"must be at most {MAX_CHUNK} bytes")
        self._bytes += len(part.chunk)
        if self._bytes > self._limit:
            raise InvalidArgument("chunk", f"the files have more than {self._limit} bytes together")
        return self._append(len(self._names), part.chunk)

    def complete(self) -> tuple[pb.TableOptions, list[Source]]:
        """The options and the files, after the last part."""
        if self._options is None:
            raise InvalidArgument("options", "must be the first part")
        if not self._names:
            raise InvalidArgument("file_name", "no file was sent")
        # Names are for people; a path that a client sends is never one here.
        return self._options, [
            Source(Path(name).name or name, self._path(at), "file_name") for at, name in enumerate(self._names, 1)
        ]

    def remove(self) -> None:
        """Remove what was received."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}"

    def _begin(self, number: int) -> Callable[[], None]:
        def begin() -> None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._path(number).touch()

        return begin

    def _append(self, number: int, data: bytes) -> Callable[[], None]:
        def append() -> None:
            with self._path(number).open("ab") as file:
                file.write(data)

        return append
