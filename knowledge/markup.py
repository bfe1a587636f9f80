"""Passages of HTML pages, and the outline that pages and Word documents are gathered into. Pure.

Structure is kept: a passage for what is below a heading, a row of a table beside its header, items of a list in lines.
Navigation, scripts and what is not shown are left out.
"""

import re
from collections.abc import Iterator
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from knowledge.chunking import Passage

DROPPED: Final = (
    *("script", "style", "nav", "header", "footer", "aside", "template", "noscript", "svg", "form", "iframe"),
    "[hidden]",
)
BLOCKS: Final = {"p", "div", "section", "article", "main", "ul", "ol", "dl", "dd", "dt", "blockquote", "pre", "table"}
BREAKS: Final = BLOCKS | {"br", "li", "tr", "td", "th"}
LEVEL: Final = re.compile(r"h([1-6])")
SPACES: Final = re.compile(r"\s+")
UNSEEN: Final = re.compile("[\x00-\x08\x0e-\x1f\x7f\u00ad]")
"""What a character reference may make of nothing, and places where a word may be broken."""


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


def plain(text: str) -> str:
    """Text in one line, without what nobody sees."""
    return SPACES.sub(" ", UNSEEN.sub("", text)).strip()


def read_html(text: str) -> Iterator[Passage]:
    """The passages of a page; broken markup is read as a browser would."""
    page = LexborHTMLParser(text)
    for selector in DROPPED:
        for node in page.css(selector):
            node.decompose()
    outline = Outline()
    if page.body is not None:
        _read(page.body, outline)
    outline.close()
    yield from outline.passages


def _read(root: LexborNode, outline: Outline) -> None:
    """Walk through the page without recursion: pages nest as deeply as they like."""
    words: list[str] = []

    def paragraph() -> None:
        text = plain("".join(words))
        words.clear()
        if text not in {"", "-"}:
            outline.line(text)

    open_nodes: list[LexborNode] = []
    node = root.child
    while node is not None or open_nodes:
        if node is None:
            node = open_nodes.pop()
            if node.tag in BREAKS:
                paragraph()
            node = node.next
            continue
        tag, inside = node.tag or "", node.child
        if node.is_text_node:
            words.append(node.text_content or "")
        elif tag in BREAKS or LEVEL.fullmatch(tag):
            paragraph()
        if heading := LEVEL.fullmatch(tag):
            outline.heading(int(heading[1]), _words(node))
        elif tag == "table":
            outline.table(_rows(node))
        elif inside is not None:
            if tag == "li":
                words.append("- ")
            open_nodes.append(node)
            node = inside
            continue
        node = node.next
    paragraph()


def _rows(table: LexborNode) -> list[list[str]]:
    rows = [row for part in table.iter() for row in (part.iter() if part.tag != "tr" else (part,)) if row.tag == "tr"]
    return [[_words(cell) for cell in row.iter() if cell.tag in {"td", "th"}] for row in rows]


def _words(root: LexborNode) -> str:
    """All words below, in one line."""
    parts = []
    for node in root.traverse(include_text=True):
        if node.is_text_node:
            parts.append(node.text_content or "")
        elif node.tag in BREAKS:
            parts.append(" ")
    return plain("".join(parts))
