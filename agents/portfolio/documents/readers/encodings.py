"""Bytes to text: Unicode, or what the sender declares, or Windows-1252 where nothing else explains the bytes."""

from __future__ import annotations

import re

#: Encodings that a sender may declare. A name is the one that the web takes it for: nobody writes real ISO 8859-1.
_DECLARED = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "windows-1252",
    "ascii": "windows-1252",
    "iso-8859-1": "windows-1252",
    "latin1": "windows-1252",
    "latin-1": "windows-1252",
    "windows-1252": "windows-1252",
    "cp1252": "windows-1252",
    "iso-8859-15": "iso-8859-15",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
}
_BYTE_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s{0,20}=\s{0,20}[\"']?\s{0,20}([a-zA-Z0-9_:.-]{2,40})", re.I)
_PARAMETER = re.compile(r"charset\s{0,20}=\s{0,20}[\"']?([a-zA-Z0-9_:.-]{2,40})", re.I)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
#: What people in the west of Europe and in the Americas type beyond ASCII.
_WESTERN = frozenset(
    "áéíóúàèìòùâêîôûäëïöüãõñçåæøœšžýÿÁÉÍÓÚÀÈÌÒÙÂÊÎÔÛÄËÏÖÜÃÕÑÇÅÆØŒŠŽÝŸß¿¡‘’‚“”„‹›«»–—…•·€£¥¢§©®™°ºª¹²³½¼¾×±µ†‡‰¶ \u00a0\u00ad´¨"
)
_LETTERS_IN_A_ROW = re.compile(r"[^\W\d_a-zA-Z]{3}")


class Undecodable(ValueError):
    """The bytes are not text; the message says why."""


def decode(data: bytes, media_type: str = "", *, html: bool = False) -> tuple[str, str]:
    """Text of bytes, and the name of their encoding where it is not Unicode. Raises Undecodable.

    A byte order mark goes before everything, valid UTF-8 before what is declared (by ``media_type`` or a page's own meta
    element), and a declaration before what the bytes look like.
    """
    mark = next((name for mark, name in _BYTE_MARKS if data.startswith(mark)), None)
    if mark is not None:
        return _text(data, mark), ""
    declared = _declared(data, media_type, html)
    if declared.startswith("utf-16"):
        return _text(data, declared), ""
    try:
        return _checked(data.decode("utf-8")), ""
    except UnicodeDecodeError as error:
        if declared not in ("", "utf-8"):
            return _checked(data.decode(declared, "replace")), declared
        if not declared and (guessed := _western(data)) is not None:
            return _checked(guessed), "windows-1252"
        raise Undecodable(f"the text is not valid UTF-8 (at byte {error.start})") from None


def _text(data: bytes, encoding: str) -> str:
    try:
        return _checked(data.decode(encoding))
    except UnicodeDecodeError as error:
        raise Undecodable(f"the text is not valid {encoding.removesuffix('-sig').upper()} (at byte {error.start})") from None


def _declared(data: bytes, media_type: str, html: bool) -> str:
    found = _PARAMETER.search(media_type[:300])
    if found is not None:
        return _DECLARED.get(found.group(1).lower(), "")
    inside = _META_CHARSET.search(data[:4096]) if html else None
    return _DECLARED.get(inside.group(1).decode().lower(), "") if inside is not None else ""


def _western(data: bytes) -> str | None:
    """``data`` as Windows-1252 where that is certain: every character is one of the west's, and no word looks foreign."""
    try:
        text = data.decode("windows-1252")
    except UnicodeDecodeError:
        return None
    beyond = [character for character in text if character > "\x7f"]
    if any(character not in _WESTERN for character in beyond) or _LETTERS_IN_A_ROW.search(text):
        return None
    letters = sum(character.isalpha() for character in text)
    return text if 4 * sum(character.isalpha() for character in beyond) <= letters else None


def _checked(text: str) -> str:
    if "\x00" in text:
        raise Undecodable("the text holds NUL characters; it is not text, or its encoding is not UTF-8")
    if len(_CONTROL.findall(text[:100_000])) > 20:
        raise Undecodable("the bytes are not text")
    return text
