"""Reasoning that a model writes into its answer, between tags, before the answer itself.

DeepSeek's and Qwen's models write ``<think>…</think>`` where their server does not take it out, Magistral ``[THINK]…[/THINK]``.
A section stands at the begin of an answer, or behind another one; a tag further on is text: documents may be about such tags.
"""

#: How a section begins, and how it ends.
TAGS = {"<think>": "</think>", "<thinking>": "</thinking>", "[THINK]": "[/THINK]"}


class ReasoningFilter:
    """Takes the sections out of one answer, however its pieces are cut. Not thread-safe.

    ``characters`` counts what was taken out, tags not included; ``inside`` is true while a section is open.
    """

    __slots__ = ("_close", "_held", "_plain", "characters")

    def __init__(self) -> None:
        self.characters = 0
        self._close = ""
        self._held = ""
        # The answer itself has begun: all that follows is passed on as it is.
        self._plain = False

    @property
    def inside(self) -> bool:
        return bool(self._close)

    def feed(self, text: str) -> str:
        """The answer's text that is certain by now."""
        if self._plain:
            return text
        text = self._held + text
        self._held = ""
        while text:
            if self._close:
                text = self._skip(text)
                continue
            start = text.lstrip()
            tag = next((tag for tag in TAGS if start.startswith(tag)), "")
            if tag:
                self._close = TAGS[tag]
                text = start[len(tag) :]
            elif any(tag.startswith(start) for tag in TAGS):
                self._held = text
                return ""
            else:
                self._plain = True
                # The blank lines between a section and the answer belong to neither.
                return start if self.characters else text
        return ""

    def finish(self) -> str:
        """What was held back and turned out to be text."""
        held, self._held = self._held, ""
        return "" if self._close else held

    def _skip(self, text: str) -> str:
        """What follows the end of the section; where it is not there yet, the begin of its tag is held."""
        at = text.find(self._close)
        if at >= 0:
            self.characters += at
            text = text[at + len(self._close) :]
            self._close = ""
            return text
        keep = next((n for n in range(min(len(self._close) - 1, len(text)), 0, -1) if self._close.startswith(text[-n:])), 0)
        self.characters += len(text) - keep
        self._held = text[len(text) - keep :] if keep else ""
        return ""
