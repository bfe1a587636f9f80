"""Small files written so that a reader sees the old one or the new one, never half of it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, text: str, *, mode: int = 0o600, durable: bool = False) -> None:
    """Replace `path` in one step. With `durable`, the content survives a power cut once this returns."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, mode)
            file.write(text)
            if durable:
                file.flush()
                os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def last_lines(path: Path, count: int = 15, *, at_most_bytes: int = 16_384) -> list[str]:
    """Return the last lines of a log, empty ones left out; none when there is no such file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - at_most_bytes))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()][-count:]


class BoundedLog:
    """A log file that child processes append to, kept below twice `limit` bytes: the file and its predecessor."""

    def __init__(self, path: Path, *, limit: int = 10_000_000) -> None:
        self.path = path
        self.limit = limit

    def open_for_child(self) -> int:
        """Return a new descriptor to hand to a child as its output; the caller closes it."""
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def trim(self) -> None:
        """Move the content to `NAME.1` when the file has outgrown its limit.

        The writer keeps its descriptor, so the file is copied and emptied rather than renamed; lines written in
        between are lost.
        """
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return
        if size <= self.limit:
            return
        with self.path.open("rb") as file:
            file.seek(size - self.limit)
            content = file.read(self.limit)
        os.truncate(self.path, 0)
        self.path.with_name(f"{self.path.name}.1").write_bytes(content)

    def tail(self, count: int = 15) -> list[str]:
        """Return the last lines."""
        return last_lines(self.path, count)
