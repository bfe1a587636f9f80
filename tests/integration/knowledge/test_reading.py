"""Documents are read by a process of their own, whose end is nobody else's."""

import sys
import time
from pathlib import Path

import pytest

from knowledge import reading
from knowledge.documents import MAX_BYTES, DocumentError
from knowledge.reading import count_apart, read_apart

pytestmark = pytest.mark.anyio


async def read(data: bytes, name: str | None = "a.txt", size: int = 500) -> list[str]:
    return [chunk.text for chunk in await read_apart(data, name, size=size, overlap=0)]


async def test_a_large_document_is_read_as_it_would_be_here():
    data = "\n".join(f"Line {place} of the document." for place in range(20_000)).encode()
    chunks = await read_apart(data, "a.txt", size=500, overlap=50)
    assert chunks == reading.cut(data, "a.txt", size=500, overlap=50)


async def test_what_is_only_counted_falls_into_as_many_chunks():
    data = "\n".join(f"Line {place} of the document." for place in range(20_000)).encode()
    chunks = await read_apart(data, "a.txt", size=500, overlap=50)
    assert await count_apart(data, "a.txt", size=500, overlap=50) == len(chunks)
    with pytest.raises(DocumentError) as caught:
        await count_apart(b"\xff" * 100_000, "a.txt", size=500, overlap=50)
    assert caught.value.code == "not_utf8"


async def test_rows_and_headings_come_back_with_their_chunks():
    rows = "name,price\n" + "\n".join(f"Item {place},{place}" for place in range(6_000))
    chunks = await read_apart(rows.encode(), "a.csv", size=500, overlap=50)
    assert (chunks[0].text, chunks[0].row, chunks[-1].row) == ("name: Item 0\nprice: 0", 2, 6_001)
    assert len(chunks) == 6_000


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (b"a" * (MAX_BYTES + 1), "a.txt", "too_large"),
        (b"\xff" * 100_000, "a.txt", "not_utf8"),
        (b"a\x00" * 100_000, "a.txt", "forbidden_character"),
        (b"[" * 1_000_000, "a.json", "too_deep"),
        (b'"\\ud800' + b"a" * 100_000 + b'"', "a.json", "forbidden_character"),
        (b"x" * 50_000 + b"," + b"\n1,2" * 50_000, "a.csv", "too_large"),
        (b" \n" * 100_000, "a.txt", "empty"),
        (b"%PDF-1.7 " + b"a" * 100_000, "a.txt", "content_mismatch"),
        (b"a" * 100_000, "../../a.exe", "unsupported_type"),
    ],
)
async def test_hostile_documents_are_refused_with_a_code_in_bounded_time(data: bytes, name: str, code: str):
    began = time.monotonic()
    with pytest.raises(DocumentError) as caught:
        await read(data, name)
    assert caught.value.code == code
    assert time.monotonic() - began < 30


async def test_one_line_of_ten_megabytes_is_read():
    assert len(await read(b"word " * (2 * 1024 * 1024), size=4_000)) == 2_622


async def test_a_document_that_takes_too_long_is_refused_and_its_reader_is_gone(monkeypatch):
    monkeypatch.setattr(reading, "WALL_SECONDS", 0.01)
    with pytest.raises(DocumentError) as caught:
        await read(b"word " * 100_000)
    assert caught.value.code == "too_hard"


async def test_a_reader_that_dies_is_a_document_that_cannot_be_read(monkeypatch):
    monkeypatch.setattr(reading.sys, "executable", "/bin/false")
    with pytest.raises(DocumentError) as caught:
        await read(b"word " * 100_000)
    assert caught.value.code == "too_hard"


async def test_whoever_reads_a_document_has_none_of_our_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PARLEY_SECRET_KEY", "CANARY-of-the-platform")
    seen, spy = tmp_path / "seen", tmp_path / "python"
    spy.write_text(f'#!/bin/sh\nenv > {seen}\nexec {sys.executable} "$@"\n')
    spy.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(spy))
    assert len(await read(b"words " * 20_000)) > 1
    assert "PATH=" in seen.read_text()
    assert "CANARY" not in seen.read_text()
