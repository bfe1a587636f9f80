"""What is under way, on disk: a folder for each recording, so that whoever comes after a killed recorder can go on.

A journal may hold the keys of somebody's bucket or livestream: only its owner can read it. Its lock shows that its
recorder lives.
"""

import asyncio
import base64
import fcntl
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from livekit.protocol import egress

from pocket.recorder.protobufs import rpc_egress_pb2 as rpc

_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_JOURNAL, _LOCK = "journal.json", "lock"


@dataclass
class Entry:
    """One recording. `parts` are names of files in its folder and when each began, in nanoseconds of the wall clock."""

    folder: Path
    asked: rpc.StartEgressRequest
    info: egress.EgressInfo
    parts: list[tuple[str, int]] = field(default_factory=list)
    kept: str = ""
    """A whole file that is still to be stored, where its owner wants it."""
    streams: list[str] = field(default_factory=list)
    """Addresses of the livestreams, in the order of the info's results: with their keys."""
    _lock: int | None = None
    _writing: threading.Lock = field(default_factory=threading.Lock)
    _said: int = 0
    _written: int = 0
    _removed: bool = False

    async def save(self) -> None:
        """Write it down as it is now. Raises `OSError`."""
        self._said += 1
        text = json.dumps(
            {
                "asked": base64.b64encode(self.asked.SerializeToString()).decode(),
                "info": base64.b64encode(self.info.SerializeToString()).decode(),
                "parts": self.parts,
                "kept": self.kept,
                "streams": self.streams,
            }
        )
        await asyncio.to_thread(self._write, text, self._said)

    def _write(self, text: str, said: int) -> None:
        with self._writing:
            if said < self._written or self._removed:
                return  # what was said later is there already
            self._written = said
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self.folder / _JOURNAL
            beside = path.with_suffix(".writing")
            with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)

    def own(self) -> bool:
        """Take the lock; False while another recorder has it. Raises `OSError`."""
        if self._lock is None:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self.folder / _LOCK, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
                return False
            self._lock = lock
        return True

    def release(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def remove(self) -> None:
        """All is done: forget it, and the parts with it."""
        with self._writing:
            self._removed = True
            (self.folder / _JOURNAL).unlink(missing_ok=True)
            shutil.rmtree(self.folder, ignore_errors=True)
        self.release()


class Journal:
    """The folder of all entries."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def entry(self, asked: rpc.StartEgressRequest, info: egress.EgressInfo) -> Entry:
        """A new entry, not written yet. Raises `ValueError` for an identifier that is none."""
        if not _IDENTIFIER.fullmatch(asked.egress_id):
            raise ValueError("an egress id has letters and digits only")
        return Entry(self.folder / asked.egress_id, asked, info)

    def sweep(self) -> None:
        """Remove folders without a journal, which nobody was told of, unless their recorder is just beginning."""
        for folder in self.folder.iterdir():
            if folder.is_dir() and not (folder / _JOURNAL).exists():
                beginning = Entry(folder, rpc.StartEgressRequest(), egress.EgressInfo())
                if beginning.own():
                    beginning.remove()

    def entries(self) -> Iterator[Entry]:
        """All that can be read."""
        for path in sorted(self.folder.glob(f"*/{_JOURNAL}")):
            try:
                said: dict[str, Any] = json.loads(path.read_text())
                asked = rpc.StartEgressRequest.FromString(base64.b64decode(said["asked"]))
                info = egress.EgressInfo.FromString(base64.b64decode(said["info"]))
                parts = [(str(name), int(began)) for name, began in said["parts"]]
                streams = [str(url) for url in said.get("streams", [])]
                yield Entry(path.parent, asked, info, parts, str(said["kept"]), streams)
            except Exception:  # noqa: S112
                continue
