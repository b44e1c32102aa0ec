"""Bytes to documents: formats, encodings, and what is refused."""

import io

import pytest
from pypdf import PdfReader, PdfWriter

from hexar.agents.portfolio.documents.blocks import BlockKind, Format
from hexar.agents.portfolio.documents.formats import MAX_BYTES, Rejected, read

#: The objects of a PDF of one page that says "Torque is 40 Nm".
OBJECTS = (
    b"<</Type/Catalog/Pages 2 0 R>>",
    b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
    b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
    b"<</Length 44>>\nstream\nBT /F 12 Tf 20 200 Td (Torque is 40 Nm) Tj ET \nendstream",
    b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
)


def pdf() -> bytes:
    """The file with its cross-reference table."""
    out = b"%PDF-1.4\n"
    places = []
    for number, body in enumerate(OBJECTS, 1):
        places.append(len(out))
        out += b"%d 0 obj%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(OBJECTS) + 1)
    tail = b"trailer<</Root 1 0 R/Size %d>>\nstartxref\n%d\n%%%%EOF\n" % (len(OBJECTS) + 1, len(out))
    return out + head + table + tail


PDF = pdf()


def encrypted() -> bytes:
    """The same page under a password."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(PDF)))
    writer.encrypt("secret", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_every_block_is_a_slice_of_the_text() -> None:
    """Markdown gives headings, paragraphs, list items, table rows and code, each at its offsets."""
    text = (
        "# Title\n\nA paragraph\nof two lines.\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```py\n# no heading\n```\n"
    )
    parsed = read(text.encode(), "a.md")
    found = [(block.kind, parsed.text[block.start : block.end]) for block in parsed.blocks]
    assert found == [
        (BlockKind.HEADING, "# Title"),
        (BlockKind.PARAGRAPH, "A paragraph\nof two lines."),
        (BlockKind.PARAGRAPH, "- one"),
        (BlockKind.PARAGRAPH, "- two"),
        (BlockKind.ROW, "| a | b |"),
        (BlockKind.ROW, "|---|---|"),
        (BlockKind.ROW, "| 1 | 2 |"),
        (BlockKind.CODE, "```py\n# no heading\n```"),
    ]
    assert parsed.title == "Title"


def test_html_is_read_as_a_reader_sees_it() -> None:
    """Scripts, styles and navigation are left out; tables give rows; pre stays as it is."""
    page = (
        "<title>Page</title><nav>menu</nav><h1>Brakes</h1><p>Pads wear <b>fast</b>.<script>alert(1)</script>"
        "<table><tr><th>part<th>mm<tr><td>pad<td>12</table><pre>x = 1\n  y</pre>"
    )
    parsed = read(page.encode(), "a.html")
    assert parsed.text == "Brakes\n\nPads wear fast.\n\npart | mm\npad | 12\n\nx = 1\n  y"
    assert parsed.title == "Page"


def test_pdf_text_is_read() -> None:
    """The text layer of a PDF becomes the document's text."""
    parsed = read(PDF, "a.pdf")
    assert parsed.format is Format.PDF
    assert "Torque is 40 Nm" in parsed.text


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.txt", b"", "empty"),
        ("a.txt", b" \n\t", "empty"),
        ("a.md", b"x" * (MAX_BYTES + 1), "larger"),
        ("a.txt", "гарантия два года".encode("cp1251"), "UTF-8"),
        ("a.txt", b"a\x00b", "NUL"),
        ("a.txt", b"\x01\x02\x03\x04" * 20, "not text"),
        ("a.pdf", b"plain text", "not a PDF"),
        ("a.pdf", PDF[:60], "damaged"),
        ("a.pdf", encrypted(), "encrypted"),
        ("a.html", b"<p>" + b"<div>" * 50_000, "nested"),
        ("a.html", b"<b>x</b>" * 900_000, "elements"),
        ("", b"x", "no name"),
        ("../a.txt", b"x", "path"),
        ("/etc/passwd", b"x", "path"),
        ("a\\b.txt", b"x", "path"),
        ("c:a.txt", b"x", "path"),
        ("a//b.txt", b"x", "path"),
        ("a\nb.txt", b"x", "control"),
        ("a" * 201, b"x", "longer"),
    ],
)
def test_what_cannot_be_kept_is_rejected_with_a_reason(name: str, data: bytes, reason: str) -> None:
    """Each bad document is Rejected, with a clause that says why and quotes nothing of it."""
    with pytest.raises(Rejected) as rejected:
        read(data, name)
    assert reason in rejected.value.reason


def test_utf16_with_a_mark_and_a_declared_html_charset_are_read() -> None:
    """Encodings that say what they are do not need to be UTF-8."""
    assert read("año".encode("utf-16"), "a.txt").text == "año"
    page = b'<meta charset="iso-8859-1"><p>a\xf1o'
    assert read(page, "a.html").text == "año"
