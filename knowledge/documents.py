"""Documents as they arrive, bytes or text, read into passages. Pure; whatever cannot be read is a `DocumentError`.

DocumentError.code
├── empty               nothing to read in it
├── too_large           over 10 MB, or over 40 MB once read
├── too_many_chunks     more pieces than one document may have (`reading.py`)
├── unsupported_type    an extension that is not read
├── content_mismatch    the content is not what the extension says
├── not_utf8            not UTF-8, or not text at all
├── forbidden_character NUL, control characters, lone surrogates
├── malformed           JSON, CSV, a PDF or a Word document with an error in it
├── encrypted           a PDF that only a password opens
├── too_deep            JSON nested beyond reason
├── too_hard            takes too much time or memory (`reading.py`)
└── bad_name            a file name or label that cannot be kept
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Final
from unicodedata import category

from knowledge.chunking import Passage
from knowledge.markup import read_html

MAX_BYTES: Final = 10 * 1024 * 1024
MAX_CHARACTERS_READ: Final = 4 * MAX_BYTES
"""What a document may become: a header repeated for each row can make gigabytes of a small file."""

MAX_DEPTH: Final = 64
RECORD_CHARACTERS: Final = 1_000
"""JSON up to this length is kept together as one record; longer values are taken apart."""

MAX_NAME: Final = 255
MAX_TITLE: Final = 160
MAX_TITLES: Final = 8
"""Headings are kept with each chunk below them, so a few and short ones."""

FOREIGN: Final = {
    b"%PDF-": "a PDF",
    b"PK\x03\x04": "a ZIP archive or an Office document",
    b"{\\rtf": "an RTF document",
    b"\xd0\xcf\x11\xe0": "an old Office document",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"\x1f\x8b": "a compressed file",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}

FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff]")
JOINERS: Final = "\u200c\u200d"
"""Of letters, in names: all else that is not drawn, such as marks of direction, makes one look like another."""
HEADING: Final = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*")
FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")


class DocumentError(ValueError):
    """A document that cannot be ingested. `code` is for programs, the message for the person who sent it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Binary:
    """A type of document that is no text: how it begins, what it is called, and what reads it."""

    signature: bytes
    kind: str
    read: Callable[[bytes], Iterable[Passage]]


def read_file(data: bytes, filename: str, binaries: Mapping[str, Binary] = MappingProxyType({})) -> list[Passage]:
    """The passages of an uploaded file. Its extension says how to read it, and its content must agree.

    `binaries` are the types besides text that the caller can read, by extension.
    """
    extension = PurePosixPath(source_name(filename)).suffix.lower()
    binary, reader = binaries.get(extension), READERS.get(extension)
    if binary is None and reader is None:
        known = ", ".join([*READERS, *binaries])
        raise DocumentError(
            "unsupported_type", f"Files of type {extension or '(none)'} are not read. Send one of: {known}."
        )
    if len(data) > MAX_BYTES:
        raise DocumentError(
            "too_large", f"The file has {len(data)} bytes; at most {MAX_BYTES} (10 MB) are read. Split it."
        )
    if binary is not None:
        if not data.startswith(binary.signature):
            raise DocumentError("content_mismatch", f"The file is named {extension} but is no {binary.kind}.")
        return _bounded(_checked_passages(binary.read(data)))
    for signature, kind in FOREIGN.items():
        if data.startswith(signature):
            raise DocumentError(
                "content_mismatch", f"The file is named {extension} but is {kind}. Convert it to text in UTF-8."
            )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(
            "not_utf8", f"The file is not UTF-8 text: byte {error.start} does not belong there. Save it as UTF-8."
        ) from error
    assert reader is not None
    return _bounded(reader(checked(text)))


def read_text(content: str) -> list[Passage]:
    """The passages of text that was sent as such, Markdown or plain."""
    if len(content) > MAX_BYTES or len(content.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise DocumentError("too_large", f"The text is over {MAX_BYTES} bytes (10 MB). Send it in parts.")
    return _bounded(_read_markdown(checked(content)))


def source_name(name: str) -> str:
    """A file name or label fit to be kept and shown: no folders, no control characters, at most 255 characters."""
    bare = name.replace("\\", "/").rsplit("/", 1)[-1].strip()
    if bare in {"", ".", ".."} or FORBIDDEN.search(bare) or not all(map(_is_shown, bare)):
        raise DocumentError("bad_name", "The document needs a name of visible characters.")
    if len(bare) > MAX_NAME:
        raise DocumentError("bad_name", f"The document's name is over {MAX_NAME} characters long. Shorten it.")
    return bare


def _is_shown(character: str) -> bool:
    return character in JOINERS or category(character) not in ("Cc", "Cf", "Zl", "Zp")


def checked(text: str) -> str:
    """The text with uniform line ends, if PostgreSQL, the tokenizer and a reader can all take it."""
    found = FORBIDDEN.search(text)
    if found:
        raise DocumentError(
            "forbidden_character",
            f"Character {found.start()} is U+{ord(found.group()):04X}, which text does not contain. "
            "Is it a binary file, or cut in the middle of a character?",
        )
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n")


def _bounded(passages: Iterable[Passage]) -> list[Passage]:
    kept: list[Passage] = []
    characters = 0
    for passage in passages:
        characters += len(passage.text) + sum(map(len, passage.heading_path))
        if characters > MAX_CHARACTERS_READ:
            raise DocumentError(
                "too_large", "The document grows beyond 40 MB when it is read. Split it or shorten its header."
            )
        if passage.text.strip():
            kept.append(passage)
    if not kept:
        raise DocumentError("empty", "There is no text in the document.")
    return kept


def _titles(path: Iterable[str]) -> tuple[str, ...]:
    lines = (" ".join(title.split()) for title in path)  # a key of JSON may hold paragraphs
    titles = [title if len(title) <= MAX_TITLE else f"{title[: MAX_TITLE - 1]}…" for title in lines if title]
    return tuple(titles[-MAX_TITLES:])


def _read_plain(text: str) -> Iterator[Passage]:
    yield Passage(text)


def _read_markdown(text: str) -> Iterator[Passage]:
    """One passage for each part below a heading; a heading with nothing below it is itself what is said."""
    path: list[tuple[int, str]] = []
    lines: list[str] = []
    fence = ""
    for line in text.split("\n"):
        marker = FENCE.match(line)
        if marker and not fence:
            fence = marker[1]
        elif marker and marker[1].startswith(fence):
            fence = ""
        heading = None if fence or len(line) > MAX_TITLE else HEADING.fullmatch(line)
        if heading is None:
            lines.append(line)
            continue
        level = len(heading[1])
        yield _section(lines, path, next_level=level)
        lines = []
        path = [*(entry for entry in path if entry[0] < level), (level, heading[2])]
    yield _section(lines, path, next_level=1)


def _section(lines: list[str], path: list[tuple[int, str]], *, next_level: int) -> Passage:
    body = "\n".join(lines).strip("\n")
    titles = _titles(title for _, title in path)
    if not body.strip() and titles and next_level <= path[-1][0]:
        return Passage(titles[-1], titles[:-1])
    return Passage(body, titles)


def _read_csv(text: str) -> Iterator[Passage]:
    """One passage for each row, every value beside its column's name, so that a row is understood alone."""
    first_line = text.lstrip("\n").partition("\n")[0]
    delimiter = max(",;\t|", key=first_line.count)
    rows = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next((row for row in rows if any(row)), [])]
        alone = True
        for row in rows:
            named = [
                (header[column] if column < len(header) else "", value.strip()) for column, value in enumerate(row)
            ]
            lines = [f"{name}: {value}" if name else value for name, value in named if value]
            alone = alone and not lines
            yield Passage("\n".join(lines), row=rows.line_num)
        if alone:
            yield Passage(", ".join(name for name in header if name))
    except csv.Error as error:
        raise DocumentError("malformed", f"The CSV cannot be read: line {rows.line_num}: {error}.") from error


def _read_json(text: str) -> Iterator[Passage]:
    """One passage for each record: the largest values that stay short, below the keys that lead to them."""
    try:
        value = json.loads(text, parse_int=str, parse_float=str)  # as written: 1.50 is a price
    except RecursionError as error:
        raise DocumentError("too_deep", f"The JSON is nested more than {MAX_DEPTH} levels deep.") from error
    except ValueError as error:
        raise DocumentError("malformed", f"The file is named .json but is not JSON: {error}.") from error
    for passage in _records(value, ()):
        checked(passage.text)
        for title in passage.heading_path:
            checked(title)
        yield passage


def _records(value: object, path: tuple[str, ...]) -> Iterator[Passage]:
    if len(path) > MAX_DEPTH:
        raise DocumentError("too_deep", f"The JSON is nested more than {MAX_DEPTH} levels deep.")
    titles = _titles(path)
    if not isinstance(value, dict | list):
        yield Passage(_scalar(value), titles)
        return
    whole = _joined(value, RECORD_CHARACTERS)
    if whole is not None and not (isinstance(value, list) and any(isinstance(item, dict) for item in value)):
        yield Passage(whole, titles)
        return
    if isinstance(value, list):
        for item in value:
            yield from _records(item, (*path, ""))
        return
    simple = {key: item for key, item in value.items() if not isinstance(item, dict | list)}
    yield Passage("\n".join(_lines(simple, "", 0)), titles)
    for key, item in value.items():
        if isinstance(item, dict | list):
            yield from _records(item, (*path, key))


def _joined(value: object, limit: int) -> str | None:
    """The value as lines of `key: value`, or nothing if it is longer than `limit`."""
    lines: list[str] = []
    length = 0
    for line in _lines(value, "", 0):
        length += len(line) + 1
        if length > limit:
            return None
        lines.append(line)
    return "\n".join(lines)


def _lines(value: object, name: str, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        raise DocumentError("too_deep", f"The JSON is nested more than {MAX_DEPTH} levels deep.")
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _lines(item, f"{name} {key}" if name else key, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _lines(item, name, depth + 1)
    elif _scalar(value):
        yield f"{name}: {_scalar(value)}" if name else _scalar(value)


def _scalar(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _read_page(text: str) -> Iterator[Passage]:
    yield from _checked_passages(read_html(text))


def _checked_passages(passages: Iterable[Passage]) -> Iterator[Passage]:
    for passage in passages:
        for part in (passage.text, *passage.heading_path):
            checked(part)  # a character reference can be what the file itself may not hold
        yield replace(passage, heading_path=_titles(passage.heading_path))


READERS: Final[dict[str, Callable[[str], Iterator[Passage]]]] = {
    ".txt": _read_plain,
    ".md": _read_markdown,
    ".csv": _read_csv,
    ".json": _read_json,
    ".html": _read_page,
    ".htm": _read_page,
}
