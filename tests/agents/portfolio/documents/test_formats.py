"""Documents as people have them: pages with columns and running heads, forms and tables of the web, office files, old encodings."""

import io
import zipfile

import openpyxl
import pytest
from docx import Document
from pypdf import PdfReader, PdfWriter

from hexar.agents.portfolio.documents import Rejected, read
from hexar.agents.portfolio.documents.blocks import BlockKind
from hexar.agents.portfolio.documents.readers.hyphens import join_lines, words_of
from hexar.agents.portfolio.documents.readers.sheets import _delimiter


def pdf(*pages: list[tuple[float, float, str]], size: int = 10) -> bytes:
    """A PDF whose pages hold texts at places (points from the lower left), in one font."""
    objects: list[bytes] = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    kids = []
    for page in pages:
        stream = "\n".join(
            f"BT /F1 {size} Tf 1 0 0 1 {x} {y} Tm ({text.replace('(', '[').replace(')', ']')}) Tj ET" for x, y, text in page
        ).encode("cp1252")
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % len(objects)
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(kids))
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def protected(data: bytes, *, user: str) -> bytes:
    writer = PdfWriter(PdfReader(io.BytesIO(data)))
    writer.encrypt(user_password=user, owner_password="of the owner", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def flat(text: str) -> str:
    return " ".join(text.split())


# ---------------------------------------------------------------------------------------------------------------- PDF


def test_a_pdf_that_only_restricts_its_readers_opens() -> None:
    """An owner's password forbids printing, not reading; a user's password keeps the document shut."""
    plain = pdf([(72, 700, "The lease ends in June.")])
    assert "ends in June" in read(protected(plain, user=""), "lease.pdf").text
    with pytest.raises(Rejected) as refused:
        read(protected(plain, user="secret"), "lease.pdf")
    assert "encrypted" in refused.value.reason


def test_two_columns_are_read_one_after_the_other() -> None:
    """Rows that are drawn across both columns do not mix their sentences; what spans the page stays in its place."""
    left = [f"left column sentence number {n} goes on here" for n in range(12)]
    right = [f"right column sentence number {n} goes on too" for n in range(12)]
    page = [(72, 740, "A title that spans both of the columns of this page from one side to the other, as titles do")]
    for n in range(12):
        page += [(72, 700 - 14 * n, left[n]), (320, 700 - 14 * n, right[n])]
    text = flat(read(pdf(page), "paper.pdf").text)
    assert text.index("A title") < text.index(left[0])
    assert " ".join(left) in text
    assert " ".join(right) in text


def test_a_table_of_a_pdf_keeps_its_rows() -> None:
    """Short cells beside each other are rows, not columns of text."""
    page = [(72, 740, "Prices of the season")]
    for n, (name, price) in enumerate([("Adult", "12 EUR"), ("Child", "6 EUR"), ("Group", "50 EUR"), ("Dog", "free")] * 2):
        page += [(72, 700 - 16 * n, name), (300, 700 - 16 * n, price)]
    rows = [block for block in read(pdf(page), "prices.pdf").blocks if block.kind is BlockKind.ROW]
    text = read(pdf(page), "prices.pdf").text
    assert [text[row.start : row.end] for row in rows][:2] == ["Adult | 12 EUR", "Child | 6 EUR"]


def test_running_heads_and_feet_are_kept_once() -> None:
    """What stands on every page is in the document once, and page numbers not at all; what differs stays."""
    pages = [
        [(72, 760, "Handbook of the cooperative"), (72, 600, f"Rule {word} is about bread."), (280, 30, f"Page {n} of 4")]
        for n, word in enumerate(("one", "two", "three", "four"), 1)
    ]
    text = read(pdf(*pages), "handbook.pdf").text
    assert text.count("Handbook of the cooperative") == 1
    assert text.count("Page") == 1
    assert all(f"Rule {word}" in text for word in ("one", "two", "three", "four"))


@pytest.mark.parametrize(
    ("lines", "joined"),
    [
        (["a well informa-", "tion desk"], "a well information desk"),
        (["the gov-", "ernment said"], "the government said"),
        (["una comuni-", "cación previa"], "una comunicación previa"),
        (["a short-", "term loan"], "a short-term loan"),
        (["pages 12-", "14 apply"], "pages 12-14 apply"),
        (["the model QX-", "90 fits"], "the model QX-90 fits"),
        (["Alsace-", "Lorraine"], "Alsace-Lorraine"),
        (["a co\u00ad", "operative"], "a cooperative"),
        (["the zibo-", "quant is new", "a ziboquant is"], "the ziboquant is new\na ziboquant is"),
    ],
)
def test_only_words_that_were_cut_lose_their_hyphen(lines: list[str], joined: str) -> None:
    """Compounds, numbers, codes and names keep it; the document's own words decide first."""
    assert join_lines(lines, words_of(lines)) == joined


# --------------------------------------------------------------------------------------------------------------- HTML


def test_forms_asides_and_buttons_are_read() -> None:
    """What a reader sees is in the document, whatever element holds it; scripts and navigation are not."""
    page = b"<body><nav>Home</nav><form><p>Opening hours: nine to five.</p><aside>Closed in August.</aside>"
    page += b"<button>Ring twice</button><script>secret()</script></form></body>"
    text = read(page, "hours.html").text
    assert all(words in text for words in ("nine to five", "Closed in August", "Ring twice"))
    assert "Home" not in text
    assert "secret" not in text


def test_navigation_is_read_where_there_is_nothing_else() -> None:
    """A page that is all navigation is not empty."""
    assert "Contact" in read(b"<body><nav><a>Contact</a> <a>Imprint</a></nav></body>", "menu.html").text


def test_a_table_inside_a_cell_loses_no_text() -> None:
    """The inner rows come between what the outer cell holds before and after them."""
    page = b"<table><tr><td>A <table><tr><th>k</th><td>v</td></tr><tr><td>x</td><td>y</td></tr></table> B</td><td>C</td></tr></table>"
    parsed = read(page, "nested.html")
    assert [parsed.text[b.start : b.end] for b in parsed.blocks] == ["A", "k | v", "x | y", "B | C"]
    assert {b.kind for b in parsed.blocks} == {BlockKind.ROW}


def test_paragraphs_and_breaks_inside_cells_stay_in_their_row() -> None:
    """Blocks inside a cell are words of it, the first cell's as well."""
    parsed = read(b"<table><tr><td><p>one</p><p>two</p></td><td><ul><li>a<li>b</ul></td><td>x<br>y</td></tr></table>", "t.html")
    assert parsed.text == "one two | a b | x y"


def test_a_heading_inside_a_layout_table_is_a_heading() -> None:
    """Pages laid out by tables keep their structure."""
    page = (
        b"<table><tr><td><h2>Fees</h2><p>"
        + b"Entrance is free for members. " * 30
        + b"</p><p>Others pay two euros.</p></td></tr></table>"
    )
    kinds = [block.kind for block in read(page, "layout.html").blocks]
    assert kinds == [BlockKind.HEADING, BlockKind.PARAGRAPH, BlockKind.PARAGRAPH]


# -------------------------------------------------------------------------------------------------------------- office


def docx() -> bytes:
    document = Document()
    document.core_properties.title = "Rules"
    document.add_heading("Rules of the garden", 1)
    document.add_paragraph("Water before nine.")
    document.add_paragraph("No dogs", style="List Bullet")
    table = document.add_table(rows=2, cols=2)
    for at, text in enumerate(("plot", "rent", "7", "30 EUR")):
        table.cell(at // 2, at % 2).text = text
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def xlsx() -> bytes:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "Stock"
    for row in (["part", "count", "price"], ["bolt", 12, 1.5], ["nut", 7, None], [None, None, None], ["=A1", 3, 2.0]):
        sheet.append(row)
    hidden = workbook.create_sheet("Hidden")
    hidden.sheet_state = "hidden"
    hidden.append(["not shown"])
    out = io.BytesIO()
    workbook.save(out)
    return out.getvalue()


def test_a_word_document_keeps_headings_lists_and_tables() -> None:
    """Paragraphs and tables in their order, headings as such, rows with their cells; found by content whatever its name."""
    parsed = read(docx(), "rules")
    assert [(b.kind.value, parsed.text[b.start : b.end]) for b in parsed.blocks] == [
        ("heading", "Rules of the garden"),
        ("paragraph", "Water before nine."),
        ("paragraph", "- No dogs"),
        ("row", "plot | rent"),
        ("row", "7 | 30 EUR"),
    ]
    assert (parsed.format, parsed.title) == ("docx", "Rules")


def test_a_workbook_is_rows_below_the_names_of_its_sheets() -> None:
    """Numbers as they are typed; hidden sheets and formulas without a value say nothing."""
    text = read(xlsx(), "stock.xlsx").text
    assert "Stock" in text
    assert "bolt | 12 | 1.5" in text
    assert "nut | 7" in text
    assert "not shown" not in text
    assert "=A1" not in text


@pytest.mark.parametrize("name", ["a.docx", "a.xlsx"])
def test_an_archive_that_unpacks_to_too_much_is_refused(name: str) -> None:
    """The bound holds before anything is unpacked."""
    part = "word/document.xml" if name.endswith("docx") else "xl/workbook.xml"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(part, b"<x>" + b" " * 50_000_000)
    with pytest.raises(Rejected) as refused:
        read(out.getvalue(), name)
    assert "unpacks to more" in refused.value.reason


def test_entities_that_grow_are_refused() -> None:
    """XML whose entities multiply ends as damaged or empty, soon."""
    lol = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    body = f'<!DOCTYPE x [<!ENTITY l0 "lol">{lol}]><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>&l9;</w:t></w:r></w:p></w:body></w:document>'
    source, out = zipfile.ZipFile(io.BytesIO(docx())), io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in source.namelist():
            archive.writestr(entry, body if entry == "word/document.xml" else source.read(entry))
    with pytest.raises(Rejected):
        read(out.getvalue(), "laughs.docx")


# ----------------------------------------------------------------------------------------------------- CSV, encodings


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_table_of_separated_values_is_rows(delimiter: str) -> None:
    """The delimiter that all records keep to is found, also where another stands in the values."""
    rows = [["name", "price"], ["tea, green", "1,50"], ["coffee", "2,20"], ['a "quoted" one', "3,00"]]
    text = "\n".join(delimiter.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
    assert _delimiter(text) == delimiter
    parsed = read(text.encode(), "menu.csv")
    assert parsed.text.splitlines() == [" | ".join(row) for row in rows]


def test_an_unbalanced_quote_does_not_take_the_file() -> None:
    """A quote that is never closed makes one long field of the rest, and no error."""
    assert "never closed" in read(b'a,b\n"never closed, 1\n' + b"x,y\n" * 100, "open.csv").text


@pytest.mark.parametrize(
    "text", ["La pensión está en la calle Peñón número 5.", "Größe: 5 – das Maß \u201cM\u201d", "Prix: 5 € l\u2019unité"]
)
def test_windows_1252_is_read_where_it_is_certain(text: str) -> None:
    """Western text in the old code page is read, and the document says that it was."""
    parsed = read((text + "\n").encode("cp1252"), "old.txt")
    assert (parsed.text.strip(), parsed.encoding) == (text, "windows-1252")


@pytest.mark.parametrize("encoding", ["cp1251", "cp1253", "shift_jis", "koi8-r"])
def test_other_code_pages_are_refused_with_the_reason(encoding: str) -> None:
    """What could be anything is never guessed."""
    text = {"cp1253": "Η εγγύηση είναι δύο χρόνια", "shift_jis": "保証は二年です"}.get(encoding, "Гарантия действует два года")
    with pytest.raises(Rejected) as refused:
        read(text.encode(encoding), "old.txt")
    assert "UTF-8" in refused.value.reason


def test_a_declared_encoding_is_believed() -> None:
    """The media type's charset, or a page's own meta element."""
    assert "café" in read("café\n".encode("latin-1"), "a.txt", media_type="text/plain; charset=ISO-8859-1").text
    assert "café" in read(b"<meta charset=windows-1252><p>" + "café".encode("cp1252"), "a.html").text
