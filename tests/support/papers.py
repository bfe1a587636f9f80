"""Documents as people have them: PDF files, a password on one, and what is wrong with a Word document."""

import hashlib
import io
import zipfile
from collections.abc import Iterator, Sequence
from itertools import islice

import docx

PADDING = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")
"""Of passwords, by the standard."""
IDENTITY = b"0123456789abcdef"


def pdf(pages: Sequence[str], password: str = "") -> bytes:
    """A PDF of these pages, lines as they are; encrypted with RC4 of 40 bits where there is a password."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count %d/Kids[%s]>>"
        % (len(pages), b" ".join(b"%d 0 R" % (4 + 2 * place) for place in range(len(pages)))),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    ]
    owner = _rc4(hashlib.md5(_padded(password)).digest()[:5], _padded(password))
    key = hashlib.md5(_padded(password) + owner + b"\xfc\xff\xff\xff" + IDENTITY).digest()[:5]
    for page in pages:
        lines = [line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)") for line in page.split("\n")]
        drawn = "BT /F1 12 Tf 14 TL 72 720 Td " + " T* ".join(f"({line}) Tj" for line in lines) + " ET"
        stream, number = drawn.encode("cp1252"), len(objects) + 2
        if password:
            salted = hashlib.md5(key + number.to_bytes(3, "little") + b"\0\0").digest()[:10]
            stream = _rc4(salted, stream)
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 3 0 R>>>>/Contents %d 0 R>>"
            % number
        )
        objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream))
    trailer = b"/Root 1 0 R/ID[<%s><%s>]" % (IDENTITY.hex().encode(), IDENTITY.hex().encode())
    if password:
        checks = owner.hex().encode(), _rc4(key, PADDING).hex().encode()
        objects.append(b"<</Filter/Standard/V 1/R 2/P -4/O<%s>/U<%s>>>" % checks)
        trailer += b"/Encrypt %d 0 R" % len(objects)
    return _file(objects, trailer)


def word() -> bytes:
    """A handbook with headings, a list and a table, as Word would save it."""
    document = docx.Document()
    document.add_heading("Handbook", 0)
    document.add_heading("Opening", 1)
    document.add_paragraph("Nine to five.")
    document.add_paragraph("Closed on Sundays", style="List Bullet")
    document.add_heading("Prices", 2)
    table = document.add_table(rows=3, cols=2)
    for row, cells in zip(table.rows, (("Item", "Price"), ("Tea", "2"), ("Cake", "3")), strict=True):
        for cell, text in zip(row.cells, cells, strict=True):
            cell.text = text
    saved = io.BytesIO()
    document.save(saved)
    return saved.getvalue()


def word_with(part: str, content: bytes) -> bytes:
    """That handbook with other content in one of its parts."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(word())) as old, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, content if name == part else old.read(name))
    return changed.getvalue()


def _file(objects: Sequence[bytes], trailer: bytes) -> bytes:
    written = bytearray(b"%PDF-1.4\n")
    places = []
    for number, content in enumerate(objects, start=1):
        places.append(len(written))
        written += b"%d 0 obj%s\nendobj\n" % (number, content)
    table = len(written)
    written += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    written += b"".join(b"%010d 00000 n \n" % place for place in places)
    written += b"trailer<</Size %d%s>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, trailer, table)
    return bytes(written)


def _padded(password: str) -> bytes:
    return (password.encode() + PADDING)[:32]


def _rc4(key: bytes, data: bytes) -> bytes:
    return bytes(byte ^ mask for byte, mask in zip(data, islice(_masks(key), len(data)), strict=True))


def _masks(key: bytes) -> Iterator[int]:
    state = list(range(256))
    other = 0
    for place in range(256):
        other = (other + state[place] + key[place % len(key)]) % 256
        state[place], state[other] = state[other], state[place]
    place = other = 0
    while True:
        place = (place + 1) % 256
        other = (other + state[place]) % 256
        state[place], state[other] = state[other], state[place]
        yield state[(state[place] + state[other]) % 256]
