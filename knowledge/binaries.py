"""Passages of PDF and Word documents, by pdfium and python-docx. Only the process that reads apart loads them.

A PDF gives a passage for each page. Of a Word document the styles are asked for headings, by the English names that
Word keeps in every language. What cannot be read is a `DocumentError`.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from typing import Any, Final

import docx
import pypdfium2 as pdfium
from docx.opc.exceptions import OpcError
from pypdfium2.raw import FPDF_ERR_PASSWORD

from knowledge.chunking import Passage
from knowledge.documents import Binary, DocumentError
from knowledge.markup import UNSEEN, Outline, plain

MAX_UNPACKED: Final = 64 * 1024 * 1024
"""Bytes that the parts of a Word document may unpack to, pictures included."""
MAX_COLUMNS: Final = 63
"""Of a table, as Word itself allows."""
UNREADABLE: Final = (
    *(zipfile.BadZipFile, OpcError, OSError, EOFError, RuntimeError),
    *(SyntaxError, KeyError, ValueError, AttributeError),
)
"""What reading a file that is no Word document ends with: of its archive, and of its XML, which may be any."""
HEADING: Final = re.compile(r"(?:heading|title)\s*([1-9]?)", re.IGNORECASE)
BROKEN_WORD: Final = re.compile("[\x02\ufffe]\r?\n?")
"""What pdfium puts where a line ends with a hyphen that belongs to no word."""

BLOCKS: Final = ".//w:p[not(ancestor::w:tbl)] | .//w:tbl[not(ancestor::w:tbl)]"
WORDS: Final = ".//w:t | .//w:tab | .//w:br | .//w:cr | .//w:p"


def read_pdf(data: bytes) -> Iterator[Passage]:
    """The passages of a PDF, a page each."""
    try:
        document = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) == FPDF_ERR_PASSWORD:
            raise DocumentError("encrypted", "A password is needed to read the PDF. Save it without one.") from error
        raise DocumentError("malformed", "The PDF is damaged.") from error
    try:
        for number in range(len(document)):
            yield Passage(_page(document, number), page=number + 1)
    finally:
        document.close()


def _page(document: pdfium.PdfDocument, number: int) -> str:
    try:
        page = document[number]
        text = page.get_textpage().get_text_bounded()
        page.close()
    except pdfium.PdfiumError as error:
        raise DocumentError("malformed", f"Page {number + 1} of the PDF is damaged.") from error
    lines = BROKEN_WORD.sub("", text).splitlines()
    return "\n".join(UNSEEN.sub("", line).strip() for line in lines)


def read_docx(data: bytes) -> list[Passage]:
    """The passages of a Word document."""
    try:
        return _read_word(_opened(data))
    except DocumentError:
        raise
    except UNREADABLE as error:
        raise DocumentError("malformed", "It is no Word document, or is damaged or encrypted.") from error


def _read_word(document: Any) -> list[Passage]:
    names = {style.style_id: style.name or "" for style in document.styles}
    outline = Outline()
    for block in document.element.body.xpath(BLOCKS):
        if block.tag.endswith("}tbl"):
            outline.table(_rows(block))
            continue
        text = _text(block)
        heading = HEADING.match(names.get(block.style, ""))
        if heading and text:
            outline.heading(int(heading[1] or 1), text)
        elif text:
            outline.line(f"- {text}" if block.xpath("./w:pPr/w:numPr") else text)
    outline.close()
    return outline.passages


def _opened(data: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        # Nothing unpacks to more than an archive says of it: what does is refused as damaged.
        if sum(part.file_size for part in archive.infolist()) > MAX_UNPACKED:
            raise DocumentError("malformed", "The document unpacks to more than 64 MB. Split it.")
    document = docx.Document(io.BytesIO(data))
    if document.element.body is None:
        raise DocumentError("malformed", "There is no text part in the document.")
    if document.element.getroottree().docinfo.doctype:
        raise DocumentError("malformed", "The document declares entities, which Word documents do not.")
    return document


def _rows(table: Any) -> list[list[str]]:
    """The table as it is seen: a cell that spans columns or rows is in each of them."""
    rows: list[list[str]] = []
    for line in table.xpath("./w:tr"):
        above, row = rows[-1] if rows else [], list[str]()
        for cell in line.xpath("./w:tc | ./w:sdt/w:sdtContent/w:tc"):
            continues = cell.vMerge == "continue" and len(row) < len(above)
            text = above[len(row)] if continues else _text(cell)
            row += [text] * min(max(cell.grid_span, 1), MAX_COLUMNS - len(row))
        rows.append(row)
    return rows


def _text(element: Any) -> str:
    """Its words, with those of suggested changes and of fields."""
    return plain("".join(part.text or "" if part.tag.endswith("}t") else " " for part in element.xpath(WORDS)))


BINARIES: Final = {
    ".pdf": Binary(b"%PDF-", "PDF", read_pdf),
    ".docx": Binary(b"PK\x03\x04", "Word document", read_docx),
}
