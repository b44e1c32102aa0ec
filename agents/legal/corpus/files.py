"""Files of an import: a folder, one file, or an archive that is read in memory and never unpacked to disk."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hexar.core.errors import FailedPrecondition

#: Bytes of one file, and of all files of an import, after decompression.
MAX_FILE, MAX_TOTAL = 256 * 1024 * 1024, 2 * 1024 * 1024 * 1024
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")


class Unreadable(FailedPrecondition):
    """A file cannot be read as what its name says."""


@dataclass(frozen=True, slots=True)
class File:
    """One file: its path inside the import, and its bytes."""

    path: str
    content: bytes


def files_of(path: Path) -> Iterator[File]:
    """The files under ``path`` by name. Raises OSError, Unreadable."""
    if path.is_dir():
        for entry in sorted(path.rglob("*")):
            if entry.is_file() and not any(part.startswith(".") for part in entry.relative_to(path).parts):
                yield from unpacked(File(entry.relative_to(path).as_posix(), entry.read_bytes()))
        return
    yield from unpacked(File(path.name, path.read_bytes()))


def unpacked(file: File) -> Iterator[File]:
    """The file itself, or what it holds where it is an archive or compressed. Raises Unreadable."""
    name = file.path.lower()
    try:
        if name.endswith(ARCHIVES):
            yield from _zip(file) if name.endswith(".zip") else _tar(file)
        elif name.endswith(".gz"):
            with gzip.GzipFile(fileobj=io.BytesIO(file.content)) as stream:
                yield File(file.path[:-3], _bounded(file.path, stream.read(MAX_FILE + 1)))
        else:
            yield file
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, gzip.BadGzipFile, NotImplementedError, RuntimeError):
        raise Unreadable(f"{file.path}: the archive is damaged or of a kind that cannot be read") from None


def _bounded(path: str, content: bytes) -> bytes:
    if len(content) > MAX_FILE:
        raise Unreadable(f"{path}: more than {MAX_FILE} bytes")
    return content


def _tar(file: File) -> Iterator[File]:
    total = 0
    with tarfile.open(fileobj=io.BytesIO(file.content)) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isfile() else None
            if stream is None or _hidden(member.name):
                continue
            content = _bounded(member.name, stream.read(MAX_FILE + 1))
            total = _counted(file.path, total, content)
            yield File(PurePosixPath(member.name).as_posix(), content)


def _zip(file: File) -> Iterator[File]:
    total = 0
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        for info in archive.infolist():
            if info.is_dir() or _hidden(info.filename):
                continue
            with archive.open(info) as stream:
                content = _bounded(info.filename, stream.read(MAX_FILE + 1))
            total = _counted(file.path, total, content)
            yield File(PurePosixPath(info.filename).as_posix(), content)


def _counted(path: str, total: int, content: bytes) -> int:
    total += len(content)
    if total > MAX_TOTAL:
        raise Unreadable(f"{path}: holds more than {MAX_TOTAL} bytes")
    return total


def _hidden(path: str) -> bool:
    return any(part.startswith(".") and part not in (".", "..") for part in PurePosixPath(path).parts)
