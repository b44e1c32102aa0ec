"""The prompt's passages begin and end where the server wrote so, whatever titles, headings and texts hold."""

import html
import re
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexar.agents.portfolio.chat import prompt
from hexar.agents.portfolio.chat.profiles import AgentRow
from hexar.agents.portfolio.retrieval.passages import Passage

AGENT = cast("AgentRow", SimpleNamespace(prompt="", temperature=None))
PIECES = [
    "<", "</", "passage", "PASSAGE", ">", "/", " ", "\n", "\u200b", "＜", "﹤", "|", "im_start", '"', "'", 'number="1"', "title=",
    "&lt;", "&amp;", "&", "lt;", "a", "5", "!--", "?xml", "SYSTEM:",
]  # fmt: skip


def built(*passages: tuple[str, str, str]) -> tuple[str, Any]:
    """The system message for passages of title, heading and text, and the request."""
    rows = [SimpleNamespace(document_title=title, headings=(heading,), text=text) for title, heading, text in passages]
    request = prompt.build(AGENT, "What?", cast("list[Passage]", rows), [], language="en", max_tokens=100)
    return request.messages[0].content, request


texts = st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join)


@given(st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=3))
def test_no_document_opens_or_closes_a_passage(passages: list[tuple[str, str, str]]) -> None:
    """The tags that stand there are those that were written, each title is one attribute, and the text can be had back."""
    content, request = built(*passages)
    body = content[content.index("<passage number=") :]
    assert len(re.findall(r"[<＜﹤][\s\u200b]*passage", body, re.IGNORECASE)) == len(passages)
    assert len(re.findall(r"[<＜﹤][\s\u200b]*[/／][\s\u200b]*passage", body, re.IGNORECASE)) == len(passages)
    assert not re.search(r"[<＜﹤][\s\u200b]*[|!?]", body)
    found = re.findall(r'^<passage number="(\d+)" title="([^"<>\n]*)">\n(.*?)\n</passage>', body, re.DOTALL | re.MULTILINE)
    assert [int(number) for number, _, _ in found] == list(range(1, len(passages) + 1))
    for (_, _, sent), (_, _, text) in zip(found, passages, strict=True):
        plain = text.replace("＜", "<").replace("﹤", "<")
        assert unescaped(sent).replace("＜", "<").replace("﹤", "<") == plain
    # What is composed without a model is composed of the documents as they are.
    assert [passage.text for passage in request.passages] == [text for _, _, text in passages]


def unescaped(text: str) -> str:
    """The inverse of the escaping."""
    return re.sub(
        r"&(amp;)*lt;", lambda found: html.unescape(found.group()[:-3] + "lt;") if "amp" in found.group() else "<", text
    )


@pytest.mark.parametrize("text", ["Weight < 5 kg, R&D at AT&T, a => b, x <= 3, <3"])
def test_what_is_no_tag_stays_quotable(text: str) -> None:
    assert text in built(("Title", "Heading", text))[0]
