"""Reasoning that a model writes into its answer, between tags, before the answer itself.

DeepSeek's and Qwen's models write ``<think>…</think>`` where their server does not take it out, Magistral ``[THINK]…[/THINK]``.
A section stands at the begin of an answer, or behind another one; a tag further on is text: documents may be about such tags.

Some templates open the section in the prompt, so that the answer has its end alone. That end, at the begin of a line, shows
that all before it was reasoning: what was passed on by then is void.
"""

#: How a section begins, and how it ends.
TAGS = {"<think>": "</think>", "<thinking>": "</thinking>", "[THINK]": "[/THINK]"}

#: The ends that are known where the begin was in the prompt.
END_TAGS = ("</think>", "</thinking>")


class ReasoningFilter:
    """Takes the sections out of one answer, however its pieces are cut. Not thread-safe.

    ``characters`` counts what was taken out, tags not included; ``inside`` is true while a section is open; ``void`` is set
    once all that was passed on has turned out to be reasoning.
    """

    __slots__ = ("_close", "_held", "_passed", "_plain", "_recent", "_trim", "_watch", "characters", "void")

    def __init__(self) -> None:
        self.characters = 0
        self.void = False
        # Whether the end of a section that began in the prompt may still come; how much was passed on, and its last character.
        self._watch = True
        self._passed = 0
        self._recent = "\n"
        # Blanks before the answer go.
        self._trim = False
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
            return self._pass(text)
        text = self._held + text
        self._held = ""
        while text:
            if self._close:
                text = self._skip(text)
                continue
            start = text.lstrip()
            tag = next((tag for tag in TAGS if start.startswith(tag)), "")
            if tag:
                self._watch = False
                self._close = TAGS[tag]
                text = start[len(tag) :]
            elif any(tag.startswith(start) for tag in TAGS):
                self._held = text
                return ""
            else:
                self._plain = True
                # The blank lines between a section and the answer belong to neither.
                return self._pass(start if self.characters else text)
        return ""

    def finish(self) -> str:
        """What was held back and turned out to be text."""
        held, self._held = self._held, ""
        return "" if self._close else held

    def _pass(self, text: str) -> str:
        """Text of the answer, unless it holds the end of a section that began in the prompt."""
        if self._trim:
            text = text.lstrip()
            self._trim = not text
        if not self._watch:
            return text
        text = self._held + text
        self._held = ""
        if "<" in text:
            if any(tag in text for tag in TAGS):
                # The answer is about such tags.
                self._watch = False
                return text
            for tag in END_TAGS:
                at = (self._recent + text).find(f"\n{tag}") + 1 - len(self._recent)
                if at > -len(self._recent):
                    self._watch, self._trim = False, True
                    self.characters = self._passed + at
                    self.void = self._passed > 0
                    return self._pass(text[at + len(tag) :])
            # Such a tag may begin at the end.
            start = text.rfind("<")
            if start >= 0 and any(tag.startswith(text[start:]) for tag in (*END_TAGS, *TAGS)):
                text, self._held = text[:start], text[start:]
        self._passed += len(text)
        self._recent = (self._recent + text)[-1:]
        return text

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
