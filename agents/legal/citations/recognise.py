# ruff: noqa: E501  # a pattern is read in one line
"""Citations as they stand in a text: cases by reporter, neutral citations, statutes, regulations, acts.

A citation is recognised by its form, whatever the reporter or code is called: an invented one has the same form as a real one,
and it is the corpus that says whether it exists. Written here because the known library for it knows reporters of one country
by name and needs seconds for a dense page (docs/adr/0027).
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

#: Characters before an anchor that a citation may begin in.
WINDOW = 160

_WORD = r"(?:[A-Z][\w'’&-]*\.?|[A-Z]\.|of|the|and|&|de|del|la|du|des|et|al\.?|ex|rel\.|re|d/b/a)"
_NAME = rf"[A-Z][\w'’&.-]*(?:,?\s(?:{_WORD}|\d+)){{0,9}}"
_CAPITALS = r"(?:[A-Z][\w.'’]*+\s?(?:(?:&|of|and|the|for|in)\s)?){1,8}"
_REPORTER = r"[A-Z][\w.'’]*(?:\s?(?:[A-Z][\w.'’]*|&|\d?(?:st|nd|rd|th|d)|of)\.?){0,5}"
_PAREN = r"(?:\s?\([^()\n]{0,80}\b(?:1[5-9]|20)\d\d\)|\s?\((?:1[5-9]|20)\d\d\))"
_PART = r"(?:\([\w.-]{1,6}\))*"
_NUMBER = rf"[\dA-Z][\w.:/-]*{_PART}"
_PARTIES = re.compile(rf"({_NAME}\s(?:v|vs)\.?\s{_NAME}),?\s\Z")


class _Form(NamedTuple):
    """A form of citation: what it is known by, and what stands before that (None: nothing; ``needed``: it must)."""

    anchor: re.Pattern[str]
    before: re.Pattern[str] | None = None
    needed: bool = False


def _before(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{pattern})\Z")


_FORMS = (
    # 176 So. 3d 1214, 1216 (Ala. 2015), with the parties before it where they are there.
    _Form(re.compile(rf"(?<![\w$€£.])\d{{1,4}}\s{_REPORTER}\s\d{{1,6}}(?:\s?[-–]\s?\d+)?(?:,\s\d{{1,6}}(?:[-–]\d+)?)*{_PAREN}"), _PARTIES),
    # 176 So. 3d 1214 without a year: only where the reporter is abbreviated.
    _Form(re.compile(r"(?<![\w$€£.])\d{1,4}\s(?:U\.\s?S\.|S\.\s?Ct\.|F\.(?:\s?(?:2d|3d|4th))?|F\.\s?Supp\.(?:\s?[23]d)?|[A-Z][\w.]*\.?\s?(?:2d|3d|4th|5th))\s\d{1,6}"), _PARTIES),
    # [2010] NSWCA 267, (1998) 195 CLR 410, 2016 VT 125.
    _Form(re.compile(r"[\[(](?:1[5-9]|20)\d\d[\])]\s(?:\d{1,4}\s)?[A-Z][A-Za-z]{1,9}(?:\s[A-Z][A-Za-z]*){0,2}\s\d{1,5}"), _PARTIES),
    _Form(re.compile(r"(?<!\w)(?:1[89]|20)\d\d\s(?:[A-Z]{2,8}(?:\s(?:App|Supp|Civ|Crim)\b){0,2}|WL)\s\d{1,8}(?!\w)"), _PARTIES),
    # Cal. Bus. & Prof. Code § 16600(a), 18 U.S.C. § 1833(b)(1), 16 C.F.R. § 314.4(a).
    _Form(
        re.compile(rf"§{{1,2}}\s?{_NUMBER}(?:\s?[-–]\s?{_NUMBER})?"),
        _before(rf"(?:\d{{1,3}}[A-Z]?\s)?{_CAPITALS}(?:,\s)?(?:[Aa]nn\.,?\s)?(?:(?:tit|[Cc]h|[Aa]rt)\.\s\w+,?\s)?"),
        needed=True,
    ),
    _Form(re.compile(rf"(?<!\w)(?:\d{{1,4}}\s)?(?:U\.S\.C\.|C\.F\.R\.|P\.S\.|V\.S\.A\.|V\.I\.C\.|ILCS|USC|CFR)\s?{_NUMBER}")),
    # California Labor Code Sec. 925, Haw. Rev. Stat. 480-2(a), Labor Code section 2922.
    _Form(
        re.compile(rf"(?:Code|Stat\.|Statutes|Laws)(?:\s[Aa]nn\.)?,?\s(?:[Ss]ec(?:tion|\.)s?\s\d[\w.:/-]*{_PART}|\d[\w.:/-]*{_PART})"),
        _before(_CAPITALS),
        needed=True,
    ),
    # RCW 49.44.140(3), ORS 653.295, O.C.G.A. 13-8-53, La. R.S. 51:1405.
    _Form(re.compile(rf"(?<![\w.])(?:[A-Z][a-z]{{1,4}}\.\s)?(?:[A-Z]{{2,6}}|(?:[A-Z]\.){{2,6}})\s\d+[A-Z]?(?:[-.:/]\d+[A-Za-z]?)+{_PART}")),
    # Fair Work Act 2009 (Cth) s 340; Código Civil, art. 1255; art. 1255 del Código Civil.
    _Form(
        re.compile(rf"(?:Act|Ordinance|Code|Regulations?)\s(?:1[5-9]|20)\d\d(?:\s\([A-Z][A-Za-z]{{1,5}}\))?(?:,?\s(?:ss?|sections?|regs?|r)\.?\s?{_NUMBER})?"),
        _before(_CAPITALS),
        needed=True,
    ),
    _Form(re.compile(rf"(?:C[óo]digo|Ley(?:\sOrg[áa]nica)?|Real\sDecreto|Estatuto|Constituci[óo]n)(?:\s(?:[A-ZÁÉÍÓÚ][\wáéíóúñ]*|de|del|la|los|las|{_NUMBER})){{0,8}},?\s(?:art(?:[íi]culo|s?\.)|arts\.)\s?\d[\w.]*")),
    _Form(re.compile(r"(?<!\w)[Aa]rt(?:[íi]culo|\.)\s\d+(?:\.\d+)?\s(?:del?|de\sla)\s(?:C[óo]digo|Ley|Estatuto|Constituci[óo]n)(?:\s(?:[A-ZÁÉÍÓÚ][\wáéíóúñ]*|de|del|la)){0,4}")),
    # A case by its parties alone: Smith v. Jones.
    _Form(re.compile(rf"\sv\.\s[A-Z][\w'’&.-]*(?:,?\s{_WORD}){{0,6}}"), _before(rf"[A-Z][\w'’&.-]*(?:\s{_WORD}){{0,5}}"), needed=True),
)  # fmt: skip
_SIGNAL = re.compile(
    r"(?:(?:See|Compare|Cf\.|In|Under|But|Accord|And|Also|The|also|As|Per|By|That|When|Although|Since|While|Where|If|Because|Such|Both|"
    r"Any|Pursuant to|According to|Following|Unlike|Like|Against|Contra|Según|Conforme a|El|La|e\.g\.,?)\s)*"
)


class Recognised(NamedTuple):
    """A citation where it stands in a text."""

    start: int
    end: int
    text: str
    parties: str = ""


def recognise(text: str) -> list[Recognised]:
    """The citations of a text in order, none inside another. Linear in the text's length: only what is near an anchor is read."""
    found: list[Recognised] = []
    for form in _FORMS:
        for match in form.anchor.finditer(text):
            start, end = match.span()
            head = form.before.search(text, max(0, start - WINDOW), start) if form.before is not None else None
            if head is None and form.needed:
                continue
            parties = head[1] if head is not None and form.before is _PARTIES else ""
            first = head.start() if head is not None else start
            signal = _SIGNAL.match(text, first, end)
            first += len(signal[0]) if signal else 0
            kept = text[first:end].rstrip(" ,;.")
            if any(first < other.end and other.start < end for other in found):
                continue
            found.append(Recognised(first, first + len(kept), kept, _SIGNAL.sub("", parties, count=1) if parties else ""))
    return sorted(found)


_IGNORED = re.compile(r"\([^()]*\b(?:1[5-9]|20)\d\d\)|\b(?:ann|code ann|see|e\.g|cf|quoting)\b\.?", re.IGNORECASE)


def normalised(citation: str) -> str:
    """A citation as it is compared: its letters and digits, without years in brackets, marks and case."""
    text = unicodedata.normalize("NFKC", _IGNORED.sub(" ", citation)).casefold()
    text = re.sub(r"\bsections?\b|\bsec\.|§+", " ", text)
    return " ".join(re.findall(r"[^\W_]+", text))


def names_same(cited: str, citation: str) -> bool:
    """Whether ``cited`` names what ``citation`` of a corpus is, both normalised.

    The cited text may be a part of the corpus's ("176 so 3d 1214"). It may be longer at its front, and of a case also at its end,
    where a page stands; a subsection that the corpus's citation does not have is another provision.
    """
    if not cited or not citation:
        return False
    if f" {cited} " in f" {citation} ":
        return True
    if not any(char.isdigit() for char in citation):
        return False
    return cited.endswith(f" {citation}") or (" v " in f" {citation} " and f" {citation} " in f" {cited} ")
