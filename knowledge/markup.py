"""Passages of HTML pages and Word documents. Pure; what cannot be read is a `MarkupError`.

Structure is kept: a passage for what is below a heading, a row of a table beside its header, items of a list in lines.
Navigation, scripts and what is not shown are left out.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Final
from xml.etree import ElementTree

from knowledge.chunking import Passage

DROPPED: Final = {"script", "style", "nav", "header", "footer", "aside", "template", "noscript", "svg", "head", "form"}
BLOCKS: Final = {"p", "div", "section", "article", "main", "ul", "ol", "dl", "dd", "dt", "blockquote", "pre", "table"}
LEVEL: Final = re.compile(r"h([1-6])")
SPACES: Final = re.compile(r"\s+")

MAX_XML: Final = 40 * 1024 * 1024
"""Bytes that a Word document's text may unpack to."""
WORD: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
STYLE: Final = re.compile(r"(?:heading|title|berschrift)\s*([1-6]?)", re.IGNORECASE)
DOCUMENT: Final = "word/document.xml"


class MarkupError(ValueError):
    """A page or document that cannot be read; the message is for whoever sent it."""


class Outline:
    """Gathers lines into passages below their headings."""

    def __init__(self) -> None:
        self.passages: list[Passage] = []
        self._path: list[tuple[int, str]] = []
        self._lines: list[str] = []

    def heading(self, level: int, title: str) -> None:
        """A heading ends the passage before it."""
        self.close()
        self._path = [*(entry for entry in self._path if entry[0] < level), (level, title)]

    def line(self, text: str) -> None:
        """A paragraph or an item."""
        self._lines.append(text)

    def row(self, header: list[str], cells: list[str], number: int) -> None:
        """A row of a table is a passage of its own."""
        self.close()
        named = [(header[place] if place < len(header) else "", cell) for place, cell in enumerate(cells)]
        text = "\n".join(f"{name}: {cell}" if name else cell for name, cell in named if cell)
        self.passages.append(Passage(text, self._titles(), row=number))

    def close(self) -> None:
        """End the passage."""
        text = "\n".join(self._lines).strip("\n")
        if text:
            self.passages.append(Passage(text, self._titles()))
        self._lines = []

    def _titles(self) -> tuple[str, ...]:
        return tuple(title for _, title in self._path if title)

    def table(self, rows: list[list[str]]) -> None:
        """A table whose first row is its header, unless it has no other."""
        filled = [(number, row) for number, row in enumerate(rows, start=1) if any(row)]
        if len(filled) == 1:
            self.line(" | ".join(cell for cell in filled[0][1] if cell))
        for number, row in filled[1:]:
            self.row(filled[0][1], row, number)


class _Page(HTMLParser):
    """Reads what a person would read; broken markup never ends it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.outline = Outline()
        self._words: list[str] = []
        self._dropped: list[str] = []
        self._rows: list[list[str]] | None = None
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in DROPPED:
            self._dropped.append(tag)
        elif self._rows is not None and tag in {"tr", "td", "th"}:
            self._end_cell(self._rows)
            if tag == "tr" or not self._rows:
                self._rows.append([])
            self._in_cell = tag != "tr"
        elif tag == "table" and self._rows is None:
            self._paragraph()
            self._rows = []
        elif self._rows is None and (tag in BLOCKS or tag == "li" or tag == "br" or LEVEL.fullmatch(tag)):
            self._paragraph()
            if tag == "li":
                self._words.append("- ")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._dropped:
            while self._dropped.pop() != tag:
                pass
        elif self._rows is not None:
            if tag in {"td", "th"}:
                self._end_cell(self._rows)
            elif tag == "table":
                self._end_cell(self._rows)
                self.outline.table(self._rows)
                self._rows = None
                self._words.clear()
        elif heading := LEVEL.fullmatch(tag):
            self.outline.heading(int(heading[1]), self._taken())
        elif tag in BLOCKS or tag == "li":
            self._paragraph()

    def handle_data(self, data: str) -> None:
        if not self._dropped:
            self._words.append(data)

    def close(self) -> None:
        super().close()
        if self._rows:
            self._end_cell(self._rows)
            self.outline.table(self._rows)
        self._paragraph()
        self.outline.close()

    def _end_cell(self, rows: list[list[str]]) -> None:
        cell = self._taken()
        if self._in_cell:
            rows[-1].append(cell)
        self._in_cell = False

    def _taken(self) -> str:
        text = SPACES.sub(" ", "".join(self._words)).strip()
        self._words.clear()
        return text

    def _paragraph(self) -> None:
        text = self._taken()
        if text and text != "-":
            self.outline.line(text)


def read_html(text: str) -> Iterator[Passage]:
    """The passages of a page."""
    page = _Page()
    page.feed(text)
    page.close()
    yield from page.outline.passages


def read_docx(data: bytes) -> Iterator[Passage]:
    """The passages of a Word document. Raises `MarkupError`."""
    outline = Outline()
    try:
        for block in _blocks(_document_xml(data)):
            if block.tag == f"{WORD}tbl":
                rows = [[_text(cell) for cell in row.iter(f"{WORD}tc")] for row in block.iter(f"{WORD}tr")]
                outline.table(rows)
                continue
            text = _text(block)
            style = block.find(f"{WORD}pPr/{WORD}pStyle")
            heading = STYLE.match(style.get(f"{WORD}val", "")) if style is not None else None
            if heading and text:
                outline.heading(int(heading[1] or 1), text)
            elif text:
                item = block.find(f"{WORD}pPr/{WORD}numPr") is not None
                outline.line(f"- {text}" if item else text)
    except ElementTree.ParseError as error:
        raise MarkupError("The document's text is not well-formed XML.") from error
    outline.close()
    yield from outline.passages


def _document_xml(data: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = set(archive.namelist())
            if DOCUMENT not in names:
                encrypted = "EncryptedPackage" in names
                raise MarkupError("The document is encrypted." if encrypted else "It is not a Word document.")
            # Counted while it unpacks: what an archive says of its sizes may be a lie.
            with archive.open(DOCUMENT) as file:
                xml = file.read(MAX_XML + 1)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError) as error:
        raise MarkupError("The document's archive is damaged or encrypted.") from error
    if len(xml) > MAX_XML:
        raise MarkupError("The document unpacks to more than 40 MB. Split it.")
    if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml:
        raise MarkupError("The document declares entities, which Word documents do not.")
    return xml


def _blocks(xml: bytes) -> Iterator[ElementTree.Element]:
    """Paragraphs and tables in their order; what is inside of tables comes with them. Memory is freed on the way."""
    depth = 0
    for event, element in ElementTree.iterparse(io.BytesIO(xml), events=("start", "end")):  # noqa: S314 - no entities
        if element.tag == f"{WORD}tbl":
            depth += 1 if event == "start" else -1
        if event == "end" and depth == 0 and element.tag in (f"{WORD}p", f"{WORD}tbl"):
            yield element
            element.clear()


def _text(element: ElementTree.Element) -> str:
    words: list[str] = []
    for part in element.iter():
        if part.tag == f"{WORD}t":
            words.append(part.text or "")
        elif part.tag in (f"{WORD}tab", f"{WORD}br", f"{WORD}cr") or (part.tag == f"{WORD}p" and words):
            words.append(" ")
    return SPACES.sub(" ", "".join(words)).strip()
