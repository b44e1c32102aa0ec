"""What lies in a caller's file: unpacked within bounds, as UTF-8 text or Parquet.

A file is what its first bytes say, whatever its name: gzip, ZIP (a workbook, or an archive with one member), Parquet, or text.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from hexar.core.errors import InvalidArgument, NotFound

#: An archive that unpacks to more than this many times its size is refused, once it is past the bytes that are free.
RATIO, FREE = 200, 64 * 1024 * 1024
_CHUNK = 1 << 20
_SHEET_ROWS = 1_048_576


@dataclass(frozen=True, slots=True)
class Plain:
    """A file that the engine reads. ``parquet``: else it is UTF-8 text."""

    name: str
    path: Path
    parquet: bool


def below_roots(path: str, roots: Sequence[Path], field: str) -> Path:
    """The file that ``path`` names below one of ``roots``; no link leads to it. InvalidArgument, NotFound.

    Relative paths are looked for below each root. Whether a file exists outside is never told.
    """
    outside = InvalidArgument(field, "must name a file below a table folder of the server, without links")
    if not path or "\0" in path or ".." in Path(path).parts:
        raise outside
    given = Path(path)
    for root in roots:
        base = Path(os.path.realpath(root))
        for start in {root.absolute(), base}:
            whole = given if given.is_absolute() else start / given
            if not whole.is_relative_to(start):
                continue
            inside = base / whole.relative_to(start)
            if os.path.realpath(inside) != str(inside):
                raise outside
            if inside.is_file():
                return inside
    if given.is_absolute() and not any(given.is_relative_to(root.absolute()) for root in roots):
        raise outside
    raise NotFound("file", path)


def prepare(name: str, path: Path, folder: Path, limit: int, field: str, sheet: str = "") -> Plain:
    """``path`` as something that the engine reads; what must be unpacked goes to ``folder``, at most ``limit`` bytes."""
    if path.stat().st_size == 0:
        raise InvalidArgument(field, f"{name} is empty")
    with path.open("rb") as file:
        head = file.read(8)
    if head[:4] == b"PAR1":
        return Plain(name, path, True)
    if head[:2] == b"\x1f\x8b":
        inner = folder / f"{path.name}.unpacked"
        with path.open("rb") as packed, gzip.GzipFile(fileobj=packed) as unpacked:
            _copy(unpacked, inner, path.stat().st_size, limit, field, name)
        return prepare(name.removesuffix(".gz"), inner, folder, limit, field, sheet)
    if head[:4] == b"PK\x03\x04":
        return _zip(name, path, folder, limit, field, sheet)
    if head[:4] == b"\xd0\xcf\x11\xe0":
        raise InvalidArgument(field, f"{name} is an old workbook; save it as .xlsx or .csv")
    return Plain(name, _utf8(path, folder, field, name), False)


def _zip(name: str, path: Path, folder: Path, limit: int, field: str, sheet: str) -> Plain:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [
                entry for entry in archive.infolist() if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
            ]
            packed = path.stat().st_size
            total = sum(entry.file_size for entry in members)
            if total > limit or total > max(FREE, RATIO * packed):
                raise InvalidArgument(field, f"{name} unpacks to {total} bytes, more than is allowed")
            if any(entry.filename == "xl/workbook.xml" for entry in members):
                return Plain(name, _workbook(path, folder, field, name, sheet, limit), False)
            if len(members) != 1:
                raise InvalidArgument(field, f"{name} holds {len(members)} files; an archive must hold one")
            if members[0].flag_bits & 1:
                raise InvalidArgument(field, f"{name} is encrypted")
            inner = folder / f"{path.name}.unpacked"
            with archive.open(members[0]) as unpacked:
                _copy(unpacked, inner, packed, limit, field, name)
    except (zipfile.BadZipFile, NotImplementedError, zlib.error, EOFError, OSError) as error:
        raise InvalidArgument(field, f"{name} is no archive that can be read") from error
    with inner.open("rb") as file:
        if file.read(4) == b"PK\x03\x04":
            raise InvalidArgument(field, f"{name} holds an archive in an archive")
    return prepare(members[0].filename.rsplit("/", 1)[-1], inner, folder, limit, field, sheet)


def _copy(source: IO[bytes] | gzip.GzipFile, target: Path, packed: int, limit: int, field: str, name: str) -> None:
    most = min(limit, max(FREE, RATIO * packed))
    size = 0
    try:
        with target.open("wb") as out:
            while chunk := source.read(_CHUNK):
                size += len(chunk)
                if size > most:
                    raise InvalidArgument(field, f"{name} unpacks to more than {most} bytes")
                out.write(chunk)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InvalidArgument(field, f"{name} is damaged or ends early") from error


def _workbook(path: Path, folder: Path, field: str, name: str, sheet: str, limit: int) -> Path:
    """A sheet as CSV."""
    import python_calamine

    try:
        book = python_calamine.CalamineWorkbook.from_path(str(path))
        if sheet and sheet not in book.sheet_names:
            raise InvalidArgument("options.sheet", f"{name} has the sheets {', '.join(book.sheet_names)}")
        page = book.get_sheet_by_name(sheet or book.sheet_names[0])
        rows: Iterator[Sequence[Any]] = iter(page.iter_rows())
    except (python_calamine.CalamineError, IndexError) as error:
        raise InvalidArgument(field, f"{name} is no workbook that can be read") from error
    target = folder / f"{path.name}.sheet.csv"
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        for row in rows:
            writer.writerow([_cell(value) for value in row])
            if out.tell() > limit:
                raise InvalidArgument(field, f"{name} holds more than {limit} bytes of text")
    return target


def _cell(value: Any) -> str:
    if isinstance(value, float):
        # A workbook knows no whole numbers, and stores 0.1 + 0.2 to the last bit.
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else format(value, ".15g")
    return "" if value is None else str(value)


def _utf8(path: Path, folder: Path, field: str, name: str) -> Path:
    """The text as UTF-8 without a byte order mark: as it is where it is that, else a converted copy."""
    with path.open("rb") as file:
        head = file.read(4)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif head.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"
    elif _is_utf8(path):
        return path
    else:
        encoding = "cp1252"
    target = folder / f"{path.name}.utf8"
    with (
        path.open("r", encoding=encoding, errors="replace", newline="") as source,
        target.open("w", encoding="utf-8", newline="") as out,
    ):
        while text := source.read(_CHUNK):
            if "\0" in text:
                raise InvalidArgument(field, f"{name} is not text, Parquet, a workbook or an archive")
            out.write(text)
    return target


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                if b"\0" in chunk:
                    return False
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
