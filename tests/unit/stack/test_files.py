"""Files that are replaced whole, and logs that stay bounded."""

import os
import stat
from pathlib import Path

import pytest

from parley.stack.files import BoundedLog, last_lines, write_whole


def test_a_reader_with_the_old_file_open_keeps_reading_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    write_whole(path, "old")
    with path.open() as reader:
        write_whole(path, "new")
        assert reader.read() == "old"
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "ready.json"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")
    assert [entry.name for entry in tmp_path.iterdir()] == ["ready.json"]
    assert path.read_text() == "old"


def test_an_outgrown_log_keeps_its_end_in_the_predecessor_and_its_writer_goes_on(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "child.log", limit=10)
    writer = log.open_for_child()
    os.write(writer, b"0123456789abcdef\n")
    log.trim()
    os.write(writer, b"after\n")
    os.close(writer)
    assert (tmp_path / "child.log.1").read_bytes() == b"789abcdef\n"
    assert (tmp_path / "child.log").read_bytes() == b"after\n"


def test_a_small_or_missing_log_is_left_alone(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "child.log", limit=10)
    log.trim()
    log.path.write_text("short")
    log.trim()
    assert log.path.read_text() == "short"


def test_the_last_lines_of_a_log_are_found_without_reading_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "child.log"
    path.write_text("first\n" * 100_000 + "\nlast but one\nlast\n")
    assert last_lines(path, 2) == ["last but one", "last"]
    assert last_lines(tmp_path / "none.log") == []
