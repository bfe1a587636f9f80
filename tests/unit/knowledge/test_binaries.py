"""PDF and Word documents are read with their pages, headings, lists and rows; what is none is refused with a code."""

import pytest

from knowledge.binaries import BINARIES
from knowledge.chunking import Passage
from knowledge.documents import DocumentError, read_file
from tests.support.papers import pdf, word, word_with

NAMESPACE = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def read(data: bytes, name: str) -> list[Passage]:
    return read_file(data, name, BINARIES)


def body(content: str, head: str = "") -> bytes:
    xml = f'<?xml version="1.0"?>{head}<w:document xmlns:w="{NAMESPACE}"><w:body>{content}</w:body></w:document>'
    return word_with("word/document.xml", xml.encode())


def said(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def cell(text: str, look: str = "") -> str:
    return f"<w:tc><w:tcPr>{look}</w:tcPr>{said(text)}</w:tc>"


def test_each_page_of_a_pdf_is_a_passage_with_its_number():
    passages = read(pdf(["Opening hours\nNine to five.", "", "Caf\u00e9 (outside)"]), "a.pdf")
    assert [(passage.page, passage.text) for passage in passages] == [
        (1, "Opening hours\nNine to five."),
        (3, "Caf\u00e9 (outside)"),
    ]


def test_a_word_document_keeps_headings_lists_and_rows():
    assert [(passage.heading_path, passage.text, passage.row) for passage in read(word(), "handbook.docx")] == [
        (("Opening",), "Nine to five.\nClosed on Sundays", None),
        (("Opening", "Prices"), "Item: Tea\nPrice: 2", 2),
        (("Opening", "Prices"), "Item: Cake\nPrice: 3", 3),
    ]


def test_suggested_words_count_deleted_ones_do_not():
    changed = "<w:ins><w:r><w:t>new </w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del>"
    field = "<w:sdt><w:sdtContent><w:r><w:t>price</w:t></w:r></w:sdtContent></w:sdt>"
    assert read(body(f"<w:p>{changed}{field}</w:p>"), "a.docx")[0].text == "new price"


def test_a_cell_over_several_columns_or_rows_is_in_each_of_them():
    wide, first, again = '<w:gridSpan w:val="2"/>', '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    rows = (
        f"<w:tr>{cell('Day')}{cell('Hours', wide)}</w:tr>"
        f"<w:tr>{cell('Mon', first)}{cell('9')}{cell('12')}</w:tr>"
        f"<w:tr>{cell('', again)}{cell('14')}{cell('18')}</w:tr>"
    )
    texts = [passage.text for passage in read(body(f"<w:tbl>{rows}</w:tbl>"), "a.docx")]
    assert texts == ["Day: Mon\nHours: 9\nHours: 12", "Day: Mon\nHours: 14\nHours: 18"]


def test_a_cell_over_a_billion_columns_is_a_table_like_others():
    wide = cell("a", '<w:gridSpan w:val="2000000000"/>')
    assert len(read(body(f"<w:tbl><w:tr>{wide}</w:tr></w:tbl>"), "a.docx")) == 1


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (b"not a zip", "a.docx", "content_mismatch"),
        (b"PK\x03\x04 cut off", "a.docx", "malformed"),
        (word()[:-30], "a.docx", "malformed"),
        (word_with("[Content_Types].xml", b"<Types/>"), "a.docx", "malformed"),
        (word_with("word/document.xml", b"<a/>"), "a.docx", "malformed"),
        (word_with("word/styles.xml", b"<a/>"), "a.docx", "malformed"),
        (body("<w:tbl><w:tr>" + cell("a", '<w:gridSpan w:val="x"/>') + "</w:tr></w:tbl>"), "a.docx", "malformed"),
        (body(""), "a.docx", "empty"),
        (body("<w:p>"), "a.docx", "malformed"),
        (body(said("&lol;"), '<!DOCTYPE w [<!ENTITY lol "lol">]>'), "a.docx", "malformed"),
        (word_with("word/document.xml", b" " * (65 * 1024 * 1024)), "a.docx", "malformed"),
        (word(), "a.txt", "content_mismatch"),
        (b"no pdf", "a.pdf", "content_mismatch"),
        (b"%PDF-1.7\n%%EOF", "a.pdf", "malformed"),
        (pdf([""]), "a.pdf", "empty"),
        (pdf(["The code is 4711."], password="secret"), "a.pdf", "encrypted"),
        (pdf(["a"]), "a.txt", "content_mismatch"),
    ],
)
def test_a_document_that_cannot_be_read_is_refused_with_a_code(data, name, code):
    with pytest.raises(DocumentError) as caught:
        read(data, name)
    assert caught.value.code == code
