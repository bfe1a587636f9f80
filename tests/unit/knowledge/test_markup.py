"""Pages and Word documents keep their structure; hostile ones are refused in bounded time and memory."""

import io
import zipfile
from xml.sax.saxutils import escape

import pytest

from knowledge.documents import DocumentError, read_file

NAMESPACE = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def paragraph(text: str, style: str = "") -> str:
    look = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{look}<w:r><w:t>{escape(text)}</w:t></w:r></w:p>"


def table(*rows: tuple[str, ...]) -> str:
    shown = "".join("<w:tr>" + "".join(f"<w:tc>{paragraph(c)}</w:tc>" for c in row) + "</w:tr>" for row in rows)
    return f"<w:tbl>{shown}</w:tbl>"


def docx(body: str, *, head: str = "", name: str = "word/document.xml") -> bytes:
    xml = f'<?xml version="1.0"?>{head}<w:document xmlns:w="{NAMESPACE}"><w:body>{body}</w:body></w:document>'
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, xml)
    return file.getvalue()


def test_a_page_is_read_below_its_headings_without_what_surrounds_it():
    page = (
        b"<html><head><title>T</title><style>p {}</style></head><body><nav>Home Shop</nav><h1>Shop</h1>"
        b"<p>Open <b>daily</b>.</p><ul><li>Bread<li>Milk</ul><h2>Prices</h2>"
        b"<table><tr><th>Item</th><th>Price</th></tr><tr><td>Tea</td><td>2 &euro;</td></tr></table>"
        b"<script>alert('x')</script><footer>Imprint</footer></body></html>"
    )
    passages = read_file(page, "shop.html")
    assert [(passage.heading_path, passage.text, passage.row) for passage in passages] == [
        (("Shop",), "Open daily.\n- Bread\n- Milk", None),
        (("Shop", "Prices"), "Item: Tea\nPrice: 2 €", 2),
    ]


@pytest.mark.parametrize(
    ("page", "texts"),
    [
        ("<p>A<p>B<b>C", ["A\nBC"]),
        ("<table><tr><td>A<td>B</table>", ["A | B"]),
        ("<li></ul></p>text", ["text"]),
        ("a < b & c", ["a < b & c"]),
        ("<h1>A</h2>B", ["B"]),
    ],
)
def test_broken_markup_is_read_as_far_as_it_goes(page, texts):
    assert [passage.text for passage in read_file(page.encode(), "a.htm")] == texts


def test_a_page_may_nest_deeply_and_hides_no_character():
    assert read_file(b"<div>" * 200_000 + b"deep", "a.html")[0].text == "deep"
    assert read_file(b"<p>a&#1;b&#0;</p>", "a.html")[0].text == "ab\ufffd"


def test_a_word_document_keeps_headings_lists_and_rows():
    body = (
        paragraph("Handbook", "Title")
        + paragraph("Opening", "Heading1")
        + paragraph("Nine to five.")
        + paragraph("Prices", "Heading2")
        + table(("Item", "Price"), ("Tea", "2"), ("Cake", "3"))
    )
    passages = read_file(docx(body), "handbook.docx")
    assert [(passage.heading_path, passage.text, passage.row) for passage in passages] == [
        (("Opening",), "Nine to five.", None),
        (("Opening", "Prices"), "Item: Tea\nPrice: 2", 2),
        (("Opening", "Prices"), "Item: Cake\nPrice: 3", 3),
    ]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"not a zip", "content_mismatch"),
        (b"PK\x03\x04 cut off", "malformed"),
        (docx("", name="evil.xml"), "malformed"),
        (docx(""), "empty"),
        (docx(paragraph("a"))[:-30], "malformed"),
        (docx(paragraph("&lol;"), head='<!DOCTYPE w [<!ENTITY lol "lol">]>'), "malformed"),
        (docx("<w:p>"), "malformed"),
    ],
)
def test_a_word_document_that_is_none_is_refused(data, code):
    with pytest.raises(DocumentError) as caught:
        read_file(data, "a.docx")
    assert caught.value.code == code


def test_a_word_document_that_unpacks_to_gigabytes_is_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b" " * (64 * 1024 * 1024))
    with pytest.raises(DocumentError) as caught:
        read_file(file.getvalue(), "bomb.docx")
    assert caught.value.code == "malformed"


def test_a_zip_is_no_text():
    with pytest.raises(DocumentError) as caught:
        read_file(docx(paragraph("a")), "a.txt")
    assert caught.value.code == "content_mismatch"
