"""HLS: pieces of a recording and the list of them, brought to their place while the recording goes on."""

import asyncio
import posixpath
from pathlib import Path
from typing import Final

import structlog
from livekit.protocol import egress

from pocket.recorder import storage
from pocket.recorder.encoding import SEGMENT, STREAM
from pocket.recorder.journal import Entry
from pocket.recorder.plan import Plan
from pocket.recorder.repair import length
from pocket.recorder.settings import Settings
from pocket.recorder.storage import StorageError

log = structlog.get_logger()

LOOKED_AT: Final = 0.5
"""Seconds between looks for a finished piece."""
_END: Final = "#EXT-X-ENDLIST"


class Pieces:
    """The pieces of one recording. Made anew by whoever comes after a killed recorder: storing twice does no harm."""

    def __init__(self, settings: Settings, entry: Entry, plan: Plan) -> None:
        self._settings, self._entry, self._plan = settings, entry, plan
        self._folder = entry.folder / entry.parts[0][0]
        self._stored: dict[str, str] = {}
        self._listed = ""

    @property
    def result(self) -> egress.SegmentsInfo:
        """What is told of them."""
        return self._entry.info.segment_results[0]

    async def follow(self) -> None:
        """Store each piece when it is whole, for as long as this is not cancelled."""
        while True:
            await asyncio.sleep(LOOKED_AT)
            try:
                await self.store()
            except (StorageError, OSError):
                log.warning("a piece of a recording could not be stored", egress=self._entry.info.egress_id)

    async def store(self) -> None:
        """Store what is whole and not stored yet, then the list. Raises `StorageError`, `OSError`."""
        listed = await asyncio.to_thread(_read, self._folder / STREAM)
        names = [line for line in listed.splitlines() if line and not line.startswith("#")]
        if not names or listed == self._listed:
            return
        stem = posixpath.splitext(self.result.playlist_name)[0]
        for name in names:
            if name not in self._stored:
                local, number = self._folder / name, name.removeprefix(SEGMENT)
                self._stored[name] = f"{stem}{number}"
                try:
                    await self._put(local, f"{stem}{number}")
                except (StorageError, OSError):
                    del self._stored[name]
                    raise
                self.result.size += (await asyncio.to_thread(local.stat)).st_size
                self.result.segment_count += 1
        for name, public in self._stored.items():
            listed = listed.replace(f"\n{name}\n", f"\n{posixpath.basename(public)}\n")
        written = self._folder / "public.m3u8"
        await asyncio.to_thread(_write, written, listed)
        self.result.playlist_location = await self._put(written, self.result.playlist_name, replace=True)
        self._listed = listed

    async def end(self) -> list[str]:
        """Store the rest, as told anew from the first piece; the names. Raises `StorageError`, `OSError`."""
        self._stored, self._listed = {}, ""
        self.result.size = self.result.segment_count = 0
        await asyncio.to_thread(mend, self._folder)
        await self.store()
        return list(self._stored.values())

    async def _put(self, local: Path, name: str, *, replace: bool = False) -> str:
        settings = self._settings
        if self._plan.upload is not None:
            return await storage.upload(local, name, self._plan.upload, settings.upload_within)
        root, put = settings.root.absolute(), storage.put_locally
        own = self._entry.info.egress_id
        return str(await asyncio.to_thread(put, local, root, name, instead=own, replace=replace))


def mend(folder: Path) -> float:
    """End the list of pieces as a killed recorder did not, with all that can be read; the seconds of all of them."""
    path = folder / STREAM
    listed = _read(path)
    lines = [line for line in listed.splitlines() if line != _END]
    for piece in sorted(folder.glob(f"{SEGMENT}_*.ts")):
        if piece.name not in lines and (seconds := length(piece)):
            lines += [f"#EXTINF:{seconds:.6f},", piece.name]
    if listed and not listed.rstrip().endswith(_END):
        _write(path, "\n".join([*lines, _END, ""]))
    return sum(float(line.split(":")[1].split(",")[0]) for line in lines if line.startswith("#EXTINF:"))


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _write(path: Path, text: str) -> None:
    beside = path.with_suffix(".writing")
    beside.write_text(text)
    beside.replace(path)
