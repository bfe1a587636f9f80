"""An hour of one room, recorded in every format at once: its lengths, clicks that stay together, memory that stays."""

import asyncio
import os
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from livekit import api

from bench.fanout import cpu_seconds, resident_kib
from bench.tapes import CLICK, DUAL, EVERY, spread, studio
from tests.support.studio import RATE, Stage, clicks

HOUR: Final = 3600.0
ENDINGS: Final = (".ogg", ".mp3", ".mp4", ".wav")
LOOK: Final = 60.0
"""Seconds between looks at the recorder's memory."""
WINDOW: Final = RATE // 1000
PARTS: Final = ("start", "middle", "end")


async def hour(for_seconds: float) -> dict[str, Any]:
    """Two people click at the same moments, for so long; what the files hold in the end."""
    with studio() as (server, recorder):
        stage = Stage(server)
        await stage.enter("room", "person", clicks(EVERY))
        await stage.enter("room", "persona", clicks(EVERY), kind="agent")
        begun = [await stage.record("room", f"hour{ending}", audio_mixing=DUAL) for ending in ENDINGS]
        active = [await stage.until(info.egress_id, api.EGRESS_ACTIVE) for info in begun]
        start, used = time.monotonic(), cpu_seconds(recorder.pid)
        memory = [resident_kib(recorder.pid) / 1024]
        while (left := start + for_seconds - time.monotonic()) > 0:
            await asyncio.sleep(min(LOOK, left))
            memory.append(resident_kib(recorder.pid) / 1024)
        cpu = (cpu_seconds(recorder.pid) - used) / (time.monotonic() - start)
        ended = []
        for info, first in zip(begun, active, strict=True):
            at = time.time_ns()
            truth = (at - first.file_results[0].started_at) / 1e9
            ended.append((await stage.stop(info.egress_id), truth))
        await stage.close()
        files = [_examined(info, truth) for info, truth in ended]
    settled = memory[min(5, len(memory) - 1) :]
    return {
        "seconds": for_seconds,
        "files": files,
        "memory MiB": memory,
        "grown MiB": settled[-1] - settled[0],
        "cpu": cpu,
        "load": os.getloadavg()[0],
    }


def _examined(info: api.EgressInfo, truth: float) -> dict[str, Any]:
    """What one file holds, beside what it should; `truth` is how many seconds passed until it was stopped."""
    result = info.file_results[0]
    left, right, length = onsets_of(Path(result.location))
    apart: dict[str, list[float]] = {part: [] for part in PARTS}
    alone = 0
    for moment in right:
        away = float(left[np.abs(left - moment).argmin()] - moment)
        if abs(away) < EVERY / 2:
            apart[PARTS[min(2, int(3 * moment / length))]].append(away * 1e3)
        else:
            alone += 1
    span = float(right[-1] - right[0])
    return {
        "file": Path(result.location).name,
        "status": api.EgressStatus.Name(info.status),
        "size": result.size,
        "told − truth ms": result.duration / 1e6 - truth * 1e3,
        "readable − told ms": length * 1e3 - result.duration / 1e6,
        "clicks": len(right),
        "expected": round(span / EVERY) + 1,
        "without another": alone,
        "drift ms": (span - round(span / EVERY) * EVERY) * 1e3,
        "apart ms": {part: spread(values) for part, values in apart.items() if values},
    }


def onsets_of(path: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """When clicks begin on the left and on the right, and how long a file is, in seconds; it is read piece by piece."""
    loud: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    place = 0
    for piece in _pieces(path):
        wave = np.exp(-2j * np.pi * CLICK * np.arange(piece.shape[1]) / RATE)
        for found, channel in zip(loud, piece, strict=True):
            sums = np.cumsum(channel * wave)
            level = abs(sums[WINDOW:] - sums[:-WINDOW]) / WINDOW
            found.append(np.flatnonzero(level > 0.08) + place)
        place += piece.shape[1]
    left, right = (_firsts(np.concatenate(each)) for each in loud)
    return left, right, place / RATE


def _firsts(loud: np.ndarray) -> np.ndarray:
    """Where loud samples begin that were not loud for a while, in seconds."""
    return loud[np.diff(loud, prepend=-RATE) > RATE // 4] / RATE


def _pieces(path: Path) -> Iterator[np.ndarray]:
    """The sound of a file, some ten seconds at a time, a row for each channel."""
    with av.open(str(path)) as source:
        stream = source.streams.audio[0]
        resampler = av.AudioResampler(format="fltp", rate=RATE)
        held: list[np.ndarray] = []
        for frame in chain(source.decode(stream), (None,)):
            held += [out.to_ndarray() for out in resampler.resample(frame)]
            if sum(each.shape[1] for each in held) >= 10 * RATE:
                yield np.concatenate(held, axis=1)
                held = []
        if held:
            yield np.concatenate(held, axis=1)
