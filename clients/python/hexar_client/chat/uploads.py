"""Documents to send: from files, folders and bytes to the messages of an upload."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hexar.v1 import portfolio_pb2

#: Bytes of a document that travel in one message.
PIECE = 256 * 1024
#: Seconds that an upload may take where the caller does not say.
UPLOAD_TIMEOUT = 300.0
#: What is taken from a folder.
SUFFIXES = frozenset((".md", ".markdown", ".txt", ".text", ".html", ".htm", ".pdf", ".csv", ".tsv", ".docx", ".xlsx"))


@dataclass(frozen=True, slots=True)
class Upload:
    """One document to send: its name in the portfolio, and where its bytes are."""

    document_id: str
    source: Path | bytes
    title: str = ""
    url: str = ""

    def read(self) -> bytes:
        """The bytes."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()


def uploads(paths: Iterable[str | Path]) -> Iterator[Upload]:
    """Documents of files and folders. A file of a folder is named by its path below the folder."""
    for given in paths:
        path = Path(given)
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.is_file() and file.suffix.lower() in SUFFIXES:
                    yield Upload(file.relative_to(path).as_posix(), file)
        else:
            yield Upload(path.name, path)


def upload_frames(
    portfolio_id: str, documents: Iterable[Upload], *, create: bool, sent: Callable[[Upload, int], None] | None = None
) -> Iterator[portfolio_pb2.UpsertDocumentsRequest]:
    """The messages of an upload. ``sent`` is told of every piece that was handed over, with its size in bytes."""
    frame = portfolio_pb2.UpsertDocumentsRequest
    yield frame(target=portfolio_pb2.UpsertTarget(portfolio_id=portfolio_id, create=create))
    for document in documents:
        media_type = mimetypes.guess_type(document.document_id)[0] or ""
        yield frame(
            document=portfolio_pb2.DocumentHeader(
                document_id=document.document_id, title=document.title, url=document.url, media_type=media_type
            )
        )
        data = document.read()
        for at in range(0, len(data), PIECE):
            piece = data[at : at + PIECE]
            yield frame(data=piece)
            if sent is not None:
                sent(document, len(piece))
