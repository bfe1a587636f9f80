"""What a player draws of a recording: how loud it is, part by part."""

import asyncio
import tempfile
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final

import av
import numpy as np
import structlog

from control_plane.db.database import Database
from control_plane.recordings.models import Recording, RecordingStatus
from control_plane.recordings.storage import RecordingStore

PEAKS: Final = "recording.peaks"
"""Job: measure a recording that is complete."""
RATE: Final = 20
"""Parts of a second. A byte holds the loudest sample of one, of one channel, 0 to 255."""
NO_SOUND: Final = bytes([0])

log = structlog.get_logger()


def peaks_key(key: str) -> str:
    """What the store calls the peaks of a file: the number of channels, then the parts in turn."""
    return f"{key}.peaks"


class PeakMaker:
    """Measures files of the store."""

    def __init__(self, database: Database, store: RecordingStore) -> None:
        self.database, self.store = database, store

    async def handle(self, payload: dict[str, Any]) -> None:
        """Do the job `PEAKS`."""
        await self.make(payload["recording_id"])

    async def make(self, recording_id: int) -> None:
        """Measure a recording and keep the result beside it. Raises `Unavailable`."""
        async with self.database.platform() as db:
            recording = await db.get(Recording, recording_id)
        if recording is None or recording.status == RecordingStatus.RECORDING or not recording.size_bytes:
            return
        key = recording.storage_key or ""
        with tempfile.TemporaryFile(prefix="parley-peaks-") as file:
            async for piece in self.store.read(key, 0, recording.size_bytes):
                await asyncio.to_thread(file.write, piece)
            file.seek(0)
            measured = await asyncio.to_thread(measure, file)
        await self.store.write(peaks_key(key), measured)


def measure(file: BinaryIO | Path) -> bytes:
    """The peaks of a sound file, as the store keeps them: of no channel, where there is no sound that can be read."""
    try:
        return _measure(file)
    except av.FFmpegError as error:
        log.warning("recording cannot be measured", reason=error.strerror)
        return NO_SOUND


def _measure(file: BinaryIO | Path) -> bytes:
    measured = bytearray()
    with av.open(file, "r") as container:
        if not container.streams.audio:
            return NO_SOUND
        stream = container.streams.audio[0]
        channels, step = stream.channels, stream.rate // RATE
        seconds = av.AudioResampler("fltp", stream.layout, stream.rate, frame_size=step * RATE)
        for frame in chain(container.decode(stream), [None]):
            for second in seconds.resample(frame):
                samples = np.abs(second.to_ndarray())
                samples = np.pad(samples, ((0, 0), (0, -samples.shape[1] % step)))
                loudest = samples.reshape(channels, -1, step).max(axis=2)
                measured += (loudest.T.clip(0, 1) * 255).round().astype(np.uint8).tobytes()
    return bytes([channels]) + bytes(measured)


def read_peaks(kept: bytes, points: int) -> list[list[float]]:
    """Peaks as `measure` returned them, brought to at most `points` of each channel, 0 to 1."""
    channels = kept[0]
    if not channels:
        return []
    peaks = np.frombuffer(kept, np.uint8, offset=1).reshape(-1, channels)
    if len(peaks) > points:
        edges = np.linspace(0, len(peaks), points + 1).astype(int)[:-1]
        peaks = np.maximum.reduceat(peaks, edges)
    return [[round(float(peak) / 255, 3) for peak in channel] for channel in peaks.T]


def names_of(channels: str, count: int) -> list[str]:
    """Whose sound each channel of a recording is: `agents`, `people` or `everyone`."""
    return ["agents", "people"] if channels == "dual" and count == 2 else ["everyone"] * count
