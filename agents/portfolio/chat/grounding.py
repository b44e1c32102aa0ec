"""Citation markers of a streamed answer: each is checked against the passages that the model was given.

A marker is ``[3]`` or ``[1, 4]``, also in full-width or lenticular brackets. One that points to nothing is taken out of the
text and counted. In code a bracket behind a name, an operator or a comma is code (``items[7]``, ``x = [1, 2]``); what stands
there in any other way is a marker too, so that no document can have its citations written between backticks. A lone backtick
begins no code.

A marker and a code span may be cut over several tokens: what is not clear yet is held back, all else passes through at once.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

#: Characters after an opening bracket within which a marker must close.
MARKER_CHARACTERS = 24

#: Characters after which a backtick without its other on the same line is no code.
SPAN_CHARACTERS = 160

_BLANK = r"[\s\u200b-\u200d\u2060\ufeff]*"
_OPEN = re.compile(r"[\[【［][\d\s,;\u200b-\u200d\u2060\ufeff]*$")
_MARKER = re.compile(rf"[\[【［]{_BLANK}\d{{1,3}}(?:{_BLANK}[,;]{_BLANK}\d{{1,3}})*{_BLANK}[\]】］]")
_NUMBER = re.compile(r"\d+")
_TICKS = re.compile(r"`+")
#: What stands before a bracket of code: a name or value that it belongs to, an operator, a word that a value follows.
_CODE_BEFORE = re.compile(
    r"(?:[\w)\]\"'$@]|[=(\[{,:<>+*/%|&!~^-] {0,4}|\b(?:return|yield|in|and|or|not|if|else|case|of) {1,4})\Z"
)


@dataclass(frozen=True, slots=True)
class Cited:
    """A marker that points to passage ``marker`` (from 1), at ``position`` code points of the answer."""

    marker: int
    position: int


@dataclass(slots=True)
class Grounding:
    """The filter of one segment. ``sources`` is how many passages there are."""

    sources: int
    position: int = 0
    removed: int = 0
    cited: list[Cited] = field(default_factory=list)
    _held: str = ""
    # Ticks that close the fence in which the text is; 0: it is in none.
    _fence: int = 0
    # The end of what was read: what a bracket or a fence stands behind.
    _before: str = "\n"

    def feed(self, text: str) -> tuple[str, Sequence[Cited]]:
        """What may be sent now of the text so far, and the citations in it."""
        return self._read(self._held + text, last=False)

    def finish(self) -> tuple[str, Sequence[Cited]]:
        """What was held back at the end of the segment."""
        return self._read(self._held, last=True)

    def _read(self, text: str, *, last: bool) -> tuple[str, Sequence[Cited]]:
        self._held = ""
        if "`" not in text and not self._fence:
            return self._plain(text, last=last)
        out: list[str] = []
        found: list[Cited] = []

        def take(part: str, *, code: bool) -> None:
            sent, cited = self._checked(part, code=code)
            out.append(sent)
            found.extend(cited)

        while text:
            ticks = _TICKS.search(text)
            if ticks is None:
                sent, cited = self._plain(text, last=last)
                out.append(sent)
                found.extend(cited)
                break
            if ticks.start():
                take(text[: ticks.start()], code=bool(self._fence))
                text = text[ticks.start() :]
                continue
            count = ticks.end()
            if count == len(text) and not last:
                self._held = text  # more of them may follow
                break
            if self._fence or (count >= 3 and self._before.rpartition("\n")[2].strip(" ") == "" and "\n" in self._before):
                self._fence = 0 if self._fence and count >= self._fence else self._fence or count
                take(text[:count], code=True)
                text = text[count:]
                continue
            end = self._span(text, count, last=last)
            if end < 0 and not last and "\n" not in text and len(text) <= SPAN_CHARACTERS:
                self._held = text
                break
            end = count if end < 0 else end
            take(text[:end], code=end > count)
            text = text[end:]
        return "".join(out), found

    @staticmethod
    def _span(text: str, count: int, *, last: bool) -> int:
        """Where the code span at the begin of ``text`` ends; -1: no tick closes it on its line."""
        line = text[:SPAN_CHARACTERS].partition("\n")[0]
        for ticks in _TICKS.finditer(line, count):
            # A run at the very end may still grow.
            if ticks.end() - ticks.start() == count and (last or ticks.end() < len(text)):
                return ticks.end()
        return -1

    def _plain(self, text: str, *, last: bool) -> tuple[str, Sequence[Cited]]:
        """Text without a backtick: an opening bracket at its end is held back until it is clear what follows."""
        held = ""
        if not last:
            at = max(text.rfind("["), text.rfind("【"), text.rfind("［"))
            if at >= 0 and len(text) - at <= MARKER_CHARACTERS and _OPEN.match(text, at):
                text, held = text[:at], text[at:]
            # A blank waits for what follows it: it goes with a marker that points to nothing.
            stripped = text.rstrip(" ")
            self._held = text[len(stripped) :] + held
            text = stripped
        return self._checked(text, code=bool(self._fence))

    def _checked(self, text: str, *, code: bool) -> tuple[str, Sequence[Cited]]:
        out: list[str] = []
        found: list[Cited] = []
        at = 0
        length = self.position
        for marker in _MARKER.finditer(text):
            before = text[at : marker.start()]
            if code and _CODE_BEFORE.search(self._before + text[: marker.start()]):
                continue
            numbers = [int(number) for number in _NUMBER.findall(marker.group())]
            good = list(dict.fromkeys(number for number in numbers if 1 <= number <= self.sources))
            self.removed += sum(not 1 <= number <= self.sources for number in numbers)
            if not good:
                before = before.rstrip(" ")
            out.append(before)
            length += len(before)
            for number in good:
                found.append(Cited(number, length))
                out.append(f"[{number}]")
                length += len(out[-1])
            at = marker.end()
        out.append(text[at:])
        self._before = (self._before + text)[-MARKER_CHARACTERS:]
        sent = "".join(out)
        self.position += len(sent)
        self.cited += found
        return sent, found
