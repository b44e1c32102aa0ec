"""HTML to blocks: what a reader sees, without scripts, styles and navigation.

The tree is walked with a loop, never by recursion, and every size is bounded: a page may be hostile.
"""

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from hexar.agents.portfolio.documents.blocks import BlockBuilder, BlockKind

#: Elements of one page.
MAX_NODES = 400_000
#: Elements inside elements.
MAX_DEPTH = 512

_SKIPPED = frozenset(
    """script style noscript template nav footer aside form iframe object svg math canvas head select button
    dialog""".split()  # noqa: SIM905
)
_BREAKING = frozenset(
    """address article blockquote dd div dl dt fieldset figcaption figure header hr li main ol p section table tbody thead
    tfoot ul body html caption details summary center""".split()  # noqa: SIM905
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_TAG = re.compile(rb"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
#: Elements that end without an end tag, or at what follows them.
_VOID = frozenset(b"area base br col embed hr img input link meta source track wbr p li td tr th option dt dd".split())
_SPACES = re.compile(r"[ \t\r\n\f\v\u00a0]+")


def _too_deep(source: bytes) -> bool:
    """A cheap look at the raw tags before a parser builds a tree of them."""
    depth = deepest = 0
    for number, found in enumerate(_TAG.finditer(source)):
        if number > 4 * MAX_NODES:
            return True
        if found.group(2).lower() in _VOID:
            continue
        depth = max(0, depth - 1) if found.group(1) else depth + 1
        deepest = max(deepest, depth)
    return deepest > 4 * MAX_DEPTH


def html_title(tree: LexborHTMLParser) -> str:
    """The page's title element, or empty."""
    node = tree.css_first("title")
    return _SPACES.sub(" ", node.text()).strip()[:200] if node is not None else ""


def html_blocks(source: str, builder: BlockBuilder) -> str:
    """Fill ``builder`` from a page and return its title. ValueError with a reason where the page exceeds a bound."""
    if _too_deep(source.encode("utf-8", "replace")):
        raise ValueError("the HTML has too many or too deeply nested elements")
    tree = LexborHTMLParser(source)
    node = tree.body
    if node is None:
        return html_title(tree)
    words: list[str] = []
    cells: list[str] = []
    kind, level = BlockKind.PARAGRAPH, 0

    def flush() -> None:
        nonlocal kind, level
        text = "".join(words)
        words.clear()
        if kind is not BlockKind.CODE:
            text = _SPACES.sub(" ", text)
        builder.add(kind, text, level)
        kind, level = BlockKind.PARAGRAPH, 0

    def enter(tag: str) -> None:
        nonlocal kind, level
        if tag == "br":
            words.append("\n" if kind is BlockKind.CODE else " ")
        elif tag in _HEADINGS:
            flush()
            kind, level = BlockKind.HEADING, _HEADINGS[tag]
        elif tag == "pre":
            flush()
            kind = BlockKind.CODE
        elif tag == "tr":
            flush()
            cells.clear()
        elif tag in ("td", "th"):
            words.clear()
        elif tag in _BREAKING and kind is not BlockKind.CODE and not cells:
            flush()

    def leave(tag: str) -> None:
        nonlocal kind
        if tag in ("td", "th"):
            cells.append(_SPACES.sub(" ", "".join(words)).strip())
            words.clear()
        elif tag == "tr":
            if any(cells):
                words[:] = [" | ".join(cells)]
                kind = BlockKind.ROW
            cells.clear()
            flush()
        elif tag in _HEADINGS or tag == "pre" or (tag in _BREAKING and kind is not BlockKind.CODE and not cells):
            flush()

    current, depth, seen = node, 0, 0
    while True:
        seen += 1
        if seen > MAX_NODES or depth > MAX_DEPTH:
            raise ValueError("the HTML has too many or too deeply nested elements")
        tag = current.tag or ""
        child: LexborNode | None = None
        if tag == "-text":
            words.append(current.text_content or "")
        elif tag not in _SKIPPED and not tag.startswith(("-", "!")):
            enter(tag)
            child = current.child
            if child is None:
                leave(tag)
        if child is not None:
            current, depth = child, depth + 1
            continue
        while current.next is None and current.parent is not None and depth > 0:
            current, depth = current.parent, depth - 1
            leave(current.tag or "")
        following = current.next
        if depth <= 0 or following is None:
            break
        current = following
    flush()
    return html_title(tree)
