"""Citation markers of a streamed answer: each is checked against the passages that the model was given.

A marker is ``[3]`` or ``[1, 4]``. One that points to nothing is taken out of the text and counted. A marker may be cut over
several tokens, so an opening bracket is held back until it is clear what follows it; all else passes through at once.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

#: Characters after an opening bracket within which a marker must close.
MARKER_CHARACTERS = 24

_OPEN = re.compile(r"\[[\d\s,;]*$")
_MARKER = re.compile(r"\[\s*\d{1,3}(?:\s*[,;]\s*\d{1,3})*\s*\]")
_NUMBER = re.compile(r"\d+")


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
    _ticks: int = 0

    def feed(self, text: str) -> tuple[str, Sequence[Cited]]:
        """What may be sent now of the text so far, and the citations in it."""
        text = self._held + text
        self._held = ""
        at = text.rfind("[")
        if at >= 0 and len(text) - at <= MARKER_CHARACTERS and _OPEN.match(text, at):
            text, self._held = text[:at], text[at:]
        # A blank waits for what follows it: it goes with a marker that points to nothing.
        stripped = text.rstrip(" ")
        text, self._held = stripped, text[len(stripped) :] + self._held
        return self._checked(text)

    def finish(self) -> tuple[str, Sequence[Cited]]:
        """What was held back at the end of the segment."""
        text, self._held = self._held, ""
        return self._checked(text)

    def _checked(self, text: str) -> tuple[str, Sequence[Cited]]:
        if "[" not in text:
            self.position += len(text)
            self._ticks += text.count("`")
            return text, ()
        out: list[str] = []
        found: list[Cited] = []
        at = 0
        length = self.position
        for marker in _MARKER.finditer(text):
            before = text[at : marker.start()]
            if (self._ticks + text.count("`", 0, marker.start())) % 2:
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
        self._ticks += text.count("`")
        sent = "".join(out)
        self.position += len(sent)
        self.cited += found
        return sent, found
