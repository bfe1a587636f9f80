"""The data directory: where it is, whose it is, and what is said when it cannot be used."""

import errno
import os
from pathlib import Path

import pytest

from parley.stack.directories import DataDirectory, cache_dir, default_data_dir
from parley.stack.errors import DirectoryUnusable


def test_a_second_platform_on_the_directory_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    claim = directory.lock()
    with pytest.raises(DirectoryUnusable, match=rf"pid {os.getpid()}\) runs on it"):
        directory.lock()
    assert directory.is_claimed()
    os.close(claim)
    os.close(directory.lock())
    assert not directory.is_claimed()


def test_a_path_that_is_a_file_is_refused_clearly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DirectoryUnusable, match="--data DIR"):
        DataDirectory(tmp_path / "file").create()


def test_a_full_disk_is_called_that(tmp_path: Path) -> None:
    error = OSError(errno.ENOSPC, "No space left on device", "/data/x")
    assert "the disk is full" in str(DataDirectory(tmp_path).unusable(error))


def test_the_default_directory_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PARLEY_DATA", str(tmp_path))
    assert default_data_dir() == tmp_path
    monkeypatch.delenv("PARLEY_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert default_data_dir() == tmp_path / "parley"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_data_dir() == Path("/var/lib/parley")


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PARLEY_CACHE", str(tmp_path / "own"))
    assert cache_dir() == tmp_path / "own"
    monkeypatch.delenv("PARLEY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "parley"
